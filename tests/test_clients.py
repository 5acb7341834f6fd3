"""What the judge's settings become: one limiter and one memory of capabilities for each endpoint and model."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from prefect.blocks.system import Secret

from tasks import clients
from tasks.clients import judge_client
from tasks.errors import DeadlineError, RefusedError
from tasks.judge.endpoint.client import JudgeClient
from tasks.judge.endpoint.limiter import StopSignal
from tasks.settings import ReportOptions

_ports = itertools.count(20_001)
Connect = Callable[..., JudgeClient]


@pytest.fixture
def connect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """``connect(model=…, width=…)``: the client for an endpoint that no other test has."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{next(_ports)}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "first")

    def make(model: str = "large", width: int = 10) -> JudgeClient:
        return judge_client(ReportOptions(judge_model=model, max_concurrent_evals=width))

    return make


def test_reports_share_a_gate_by_endpoint_model_and_key(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    limiter = connect().limiter
    assert connect(width=3).limiter is limiter
    assert limiter.width == 3
    assert connect("small").limiter is not limiter
    monkeypatch.setenv("OPENAI_API_KEY", "second")
    assert connect().limiter is not limiter


def test_reports_share_what_was_learnt_by_endpoint_and_model(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    known = connect().capabilities
    assert connect("small").capabilities is not known
    monkeypatch.setenv("OPENAI_API_KEY", "second")
    assert connect().capabilities is known
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{next(_ports)}/v1")
    assert connect().capabilities is not known


def test_the_temperature_is_part_of_the_question_only_when_it_is_set(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert connect().parameters() == {"max_completion_tokens": 8000}
    monkeypatch.setenv("AGENT_REPORT_JUDGE_TEMPERATURE", "0")
    assert connect().parameters() == {"max_completion_tokens": 8000, "temperature": 0.0}


def test_requests_per_minute_bound_the_starts(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_REPORT_JUDGE_REQUESTS_PER_MINUTE", "1")
    limiter = connect().limiter

    def start() -> None:
        with limiter.slot(time.monotonic() + 0.1, StopSignal()):
            pass

    start()
    with pytest.raises(DeadlineError):
        start()
    monkeypatch.setenv("AGENT_REPORT_JUDGE_REQUESTS_PER_MINUTE", "0")
    assert connect().limiter is limiter


@pytest.mark.parametrize("key", ["hush-key-1\u00a0", "hush-key\n", "hush key", "schlüssel"])
def test_a_key_that_no_header_holds_is_refused_and_not_shown(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(RefusedError, match="OPENAI_API_KEY") as caught:
        clients.judge_client(ReportOptions())
    assert key.strip() not in str(caught.value)


@pytest.mark.parametrize("url", ["postgresql://me:p@hush@127.0.0.1:9/db", "postgresql://me:hush/p@w:x@127.0.0.1:9/db"])
def test_a_password_that_is_not_encoded_is_refused_and_not_shown(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_REPORT_SOURCE_URL", "sqlite:///station.db")
    monkeypatch.setenv("AGENT_REPORT_WAREHOUSE_URL", url)
    with pytest.raises(RefusedError, match="percent-encoded") as caught:
        clients.warehouse()
    assert "hush" not in str(caught.value)
    assert "x@" not in str(caught.value)


def test_the_key_can_come_from_a_block(
    connect: Connect,
    shared_server: str,
    at_server: Callable[[str], AbstractContextManager[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with at_server(shared_server):
        Secret(value="from a block").save("judge-key", overwrite=True)
        Secret(value="sk-from-a-block").save("judge-key-2", overwrite=True)
        monkeypatch.setenv("AGENT_REPORT_JUDGE_KEY_BLOCK", "judge-key")
        # The block wins over OPENAI_API_KEY, and what is wrong with it is said of it.
        with pytest.raises(RefusedError, match="AGENT_REPORT_JUDGE_KEY_BLOCK") as caught:
            connect()
        assert "from a block" not in str(caught.value)
        monkeypatch.setenv("AGENT_REPORT_JUDGE_KEY_BLOCK", "judge-key-2")
        assert connect().openai.api_key == "sk-from-a-block"
        monkeypatch.setenv("AGENT_REPORT_JUDGE_KEY_BLOCK", "nobodys")
        with pytest.raises(RefusedError, match="no Secret block named 'nobodys'"):
            connect()


def test_without_its_file_the_environment_alone_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("AGENT_REPORT_RUNS_PER_AGENT=7\n")
    assert clients.read_settings().runs_per_agent == 7
    monkeypatch.setenv(clients.NO_ENV_FILE, "1")
    assert clients.read_settings().runs_per_agent == 20


def test_the_way_that_is_named_is_the_one_that_the_client_goes(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client is opened when the order is checked, before NO_PROXY gets the address of our own Prefect server."""
    monkeypatch.setenv("HTTP_PROXY", "http://user:hush@127.0.0.1:3128")
    for name in ("NO_PROXY", "no_proxy", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    opened = connect().route
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert connect().route == opened == " (through HTTP_PROXY=http://***@127.0.0.1:3128)"
