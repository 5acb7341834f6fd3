"""Clients of one set of settings: opened once, shared by the threads of a flow, closed at the end."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest
from prefect import flow, task
from prefect.blocks.system import Secret
from prefect.task_runners import ConcurrentTaskRunner

from tasks.clients import Clients, current_clients, find_clients
from tasks.connecting import open_clients
from tasks.errors import ConfigurationError, RefusedError
from tasks.judge.endpoint.client import JudgeClient
from tasks.judge.endpoint.limiter import DeadlineError
from tasks.judge.endpoint.stop_signal import StopSignal
from tasks.settings import NO_ENV_FILE, ReportOptions, read_settings

_ports = itertools.count(20_001)
Connect = Callable[..., JudgeClient]


@pytest.fixture(autouse=True)
def endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings with an endpoint and databases that no other test has."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "source.db").touch()
    monkeypatch.setenv("AGENT_REPORT_SOURCE_URL", f"sqlite:///{tmp_path / 'source.db'}")
    monkeypatch.setenv("AGENT_REPORT_WAREHOUSE_URL", f"sqlite:///{tmp_path / 'warehouse.db'}")
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{next(_ports)}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "first")


@pytest.fixture
def clients() -> Iterator[Clients]:
    """The clients of these settings."""
    with open_clients() as opened:
        yield opened


@pytest.fixture
def connect(clients: Clients) -> Connect:
    """``connect(model=…, width=…)``: the judge's client for these options."""

    def make(model: str = "large", width: int = 10) -> JudgeClient:
        return clients.judge_client(ReportOptions(judge_model=model, max_concurrent_evals=width))

    return make


def test_there_are_none_outside_the_block() -> None:
    with open_clients() as clients:
        assert current_clients() is clients
    assert find_clients() is None
    with pytest.raises(RuntimeError, match="open_clients"):
        current_clients()


def test_a_flow_uses_its_commands_clients_where_the_settings_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_clients() as outer:
        with open_clients() as inner:
            assert inner is outer
        assert current_clients() is outer
        monkeypatch.setenv("AGENT_REPORT_RUNS_PER_AGENT", "7")
        with open_clients() as inner:
            assert inner is not outer
            assert inner.settings.runs_per_agent == 7
        assert current_clients() is outer


def test_everything_is_opened_once_whichever_thread_asks_first(clients: Clients) -> None:
    begin = threading.Barrier(8)

    def ask() -> Any:
        begin.wait()
        return clients.warehouse(), clients.source(), clients.judge_client(ReportOptions()).openai

    with ThreadPoolExecutor(8) as threads:
        found = [future.result() for future in [threads.submit(ask) for _ in range(8)]]
    assert len({tuple(map(id, each)) for each in found}) == 1


def test_everything_is_closed_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_REPORT_JAEGER_URL", "http://127.0.0.1:9")
    with open_clients() as clients:
        openai = clients.judge_client(ReportOptions()).openai
        jaeger = clients.jaeger(3)
        database = clients.warehouse().database
        with database.reading() as connection:
            pool = connection.engine.pool
        assert pool.checkedin()  # type: ignore[attr-defined]
        assert jaeger is not None
        assert not openai.is_closed()
    assert openai.is_closed()
    assert jaeger._client.is_closed
    assert not pool.checkedin()  # type: ignore[attr-defined]
    with database.reading() as connection:
        assert connection.engine.pool is not pool
    database.close()


def test_no_secret_is_in_the_clients_names(clients: Clients, connect: Connect) -> None:
    connect()
    clients.warehouse()
    assert "first" not in repr(clients.__dict__["_opened"].keys())
    assert "sqlite" not in repr(clients.__dict__["_opened"].keys())


@task
def _ask(_number: int) -> tuple[int, int]:
    return id(current_clients()), threading.get_ident()


@flow
def _ask_in_threads() -> list[tuple[int, int]]:
    with open_clients() as clients, ConcurrentTaskRunner[Any](max_workers=4) as runner:
        futures = runner.map(_ask, {"_number": [1, 2, 3, 4]})
        asked = [future.result() for future in futures]
        return [*asked, (id(clients), threading.get_ident())]


def test_tasks_in_the_threads_of_a_runner_find_the_flows_clients(
    shared_server: str, at_server: Callable[[str], AbstractContextManager[None]]
) -> None:
    with at_server(shared_server):
        found = _ask_in_threads()
    assert len({clients for clients, _ in found}) == 1
    assert len({thread for _, thread in found}) > 1


def test_reports_in_the_threads_of_one_process_share_the_limiter_within_open_clients(clients: Clients) -> None:
    """Workers run each report in a process of its own; a program may run several, in threads."""

    def report() -> Any:
        with open_clients() as own:
            return own.judge_client(ReportOptions(judge_model="large")).limiter

    with ThreadPoolExecutor(2) as threads:
        found = [threads.submit(copy_context().run, report).result() for _ in range(2)]
    assert found[0] is found[1]


def test_reports_share_a_limiter_by_model(connect: Connect) -> None:
    limiter = connect().limiter
    assert connect(width=3).limiter is limiter
    assert limiter.width == 3
    assert connect("small").limiter is not limiter


def test_reports_share_what_was_learnt_by_model(connect: Connect) -> None:
    known = connect().capabilities
    assert connect().capabilities is known
    assert connect("small").capabilities is not known


def test_the_temperature_is_part_of_the_question_only_when_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_clients() as clients:
        assert clients.judge_client(ReportOptions()).parameters() == {"max_completion_tokens": 8000}
    monkeypatch.setenv("AGENT_REPORT_JUDGE_TEMPERATURE", "0")
    with open_clients() as clients:
        parameters = clients.judge_client(ReportOptions()).parameters()
    assert parameters == {"max_completion_tokens": 8000, "temperature": 0.0}


def test_requests_per_minute_bound_the_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_REPORT_JUDGE_REQUESTS_PER_MINUTE", "1")
    with open_clients() as clients:
        limiter = clients.judge_client(ReportOptions()).limiter

        def start() -> None:
            with limiter.slot(time.monotonic() + 0.1, StopSignal()):
                pass

        start()
        with pytest.raises(DeadlineError):
            start()


@pytest.mark.parametrize(
    "key", ["hush-key-1\u00a0", "hush-key\n", "hush key", "schlüssel", '"hush-key"', "Bearer hush-key"]
)
def test_a_key_that_no_header_holds_is_refused_and_not_shown(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with open_clients() as clients, pytest.raises(RefusedError, match="OPENAI_API_KEY") as caught:
        clients.judge_client(ReportOptions())
    assert key.strip() not in str(caught.value)


@pytest.mark.parametrize("url", ["postgresql://me:p@hush@127.0.0.1:9/db", "postgresql://me:hush/p@w:x@127.0.0.1:9/db"])
def test_a_password_that_is_not_encoded_is_refused_and_not_shown(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_REPORT_SOURCE_URL", "sqlite:///station.db")
    monkeypatch.setenv("AGENT_REPORT_WAREHOUSE_URL", url)
    with open_clients() as clients, pytest.raises(RefusedError, match="percent-encoded") as caught:
        clients.warehouse()
    assert "hush" not in str(caught.value)
    assert "x@" not in str(caught.value)


def test_headers_can_come_from_a_block(
    shared_server: str, at_server: Callable[[str], AbstractContextManager[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_REPORT_JUDGE_HEADERS", '{"x-tenant": "of the setting"}')
    with at_server(shared_server):
        Secret(value='{"x-tenant": "of the block"}').save("judge-headers", overwrite=True)
        Secret(value={"x-tenant": "of the object"}).save("judge-headers-2", overwrite=True)
        Secret(value="hush").save("judge-headers-3", overwrite=True)
        found = []
        for name in ("judge-headers", "judge-headers-2"):
            monkeypatch.setenv("AGENT_REPORT_JUDGE_HEADERS_BLOCK", name)
            with open_clients() as clients:
                found.append(clients.judge_client(ReportOptions()).openai.default_headers["x-tenant"])
        assert found == ["of the block", "of the object"]
        for name, reason in (("judge-headers-3", "must hold a JSON object"), ("nobodys", "no Secret block named")):
            monkeypatch.setenv("AGENT_REPORT_JUDGE_HEADERS_BLOCK", name)
            wrong = pytest.raises(ConfigurationError, match="AGENT_REPORT_JUDGE_HEADERS_BLOCK")
            with open_clients() as clients, wrong as caught:
                clients.judge_client(ReportOptions())
            assert reason in str(caught.value)
            assert "hush" not in str(caught.value)


@contextmanager
def _key_block(name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    monkeypatch.setenv("AGENT_REPORT_JUDGE_KEY_BLOCK", name)
    with open_clients() as clients:
        yield clients


def test_the_key_can_come_from_a_block(
    shared_server: str, at_server: Callable[[str], AbstractContextManager[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ReportOptions()
    with at_server(shared_server):
        Secret(value="from a block").save("judge-key", overwrite=True)
        Secret(value="sk-from-a-block").save("judge-key-2", overwrite=True)
        # The block wins over OPENAI_API_KEY, and errors name it.
        wrong = pytest.raises(ConfigurationError, match="AGENT_REPORT_JUDGE_KEY_BLOCK")
        with _key_block("judge-key", monkeypatch) as clients, wrong as caught:
            clients.judge_client(options)
        assert "from a block" not in str(caught.value)
        with _key_block("judge-key-2", monkeypatch) as clients:
            assert clients.judge_client(options).openai.api_key == "sk-from-a-block"
        missing = pytest.raises(ConfigurationError, match="no Secret block named 'nobodys'")
        with _key_block("nobodys", monkeypatch) as clients, missing:
            clients.judge_client(options)


def test_without_its_file_the_environment_alone_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("AGENT_REPORT_RUNS_PER_AGENT=7\n")
    assert read_settings().runs_per_agent == 7
    monkeypatch.setenv(NO_ENV_FILE, "1")
    assert read_settings().runs_per_agent == 20


def test_the_route_in_errors_is_the_one_that_the_client_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is opened when the order is checked, before NO_PROXY gets the address of our own Prefect server."""
    monkeypatch.setenv("HTTP_PROXY", "http://user:hush@127.0.0.1:3128")
    for name in ("NO_PROXY", "no_proxy", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    with open_clients() as clients:
        opened = clients.judge_client(ReportOptions()).route
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert clients.judge_client(ReportOptions()).route == opened
    assert opened == " (through HTTP_PROXY=http://***@127.0.0.1:3128)"
