"""What a stack's processes get, and where things are in its folder."""

from __future__ import annotations

import os
import re
import socket
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deployments.demo.services import keep_sample
from deployments.local.kept_secret import keep_secret
from deployments.local.prefect_server import client_settings
from deployments.stack.beside import RunningStack, at_stack, find_stack, stack_warehouse
from deployments.stack.command import run_up
from deployments.stack.environment import (
    base_environment,
    check_source,
    read_user_settings,
    setup_environment,
    worker_environment,
)
from deployments.stack.place import Place, take_place
from deployments.stack.port import free_port, listen, port_of
from tasks.errors import RefusedError, SourceError
from tasks.settings import read_settings
from tasks.warehouse.owner import Owner, current_owner

_HOME, _API = Path("/stack/prefect"), "http://127.0.0.1:4200/api"
_SERVER = client_settings(_API, "the stack's")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the command is called, with nothing of this project set."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("AGENT_REPORT_", "OPENAI_"))]:
        monkeypatch.delenv(name)
    return tmp_path


def test_the_folder_of_a_source_of_files_holds_in_another_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for url, absolute in (("otlp:traces", f"otlp:{here}/traces"), ("runs/*.csv", f"{here}/runs/*.csv")):
        monkeypatch.setenv("AGENT_REPORT_SOURCE_URL", url)
        assert read_user_settings() == {"AGENT_REPORT_SOURCE_URL": absolute}


def test_settings_come_from_env_files_and_the_environment_and_hold_in_another_folder(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / ".env").write_text(
        "AGENT_REPORT_SOURCE_URL=sqlite:///station.db\nAGENT_REPORT_SOURCE_MAPPING=source.yaml\n"
        "AGENT_REPORT_PARQUET_URL=files\nOPENAI_API_KEY=sk-file\nOTHER=1\n"
    )
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    monkeypatch.setenv("AGENT_REPORT_WAREHOUSE_URL", "postgresql+psycopg://me:secret@db/reports")
    assert read_user_settings() == {
        "AGENT_REPORT_SOURCE_URL": f"sqlite:///{here / 'station.db'}",
        "AGENT_REPORT_SOURCE_MAPPING": str(here / "source.yaml"),
        "AGENT_REPORT_PARQUET_URL": str(here / "files"),
        "AGENT_REPORT_WAREHOUSE_URL": "postgresql+psycopg://me:secret@db/reports",
        "OPENAI_API_KEY": "sk-environment",
    }


def test_a_wrong_setting_or_no_source_is_refused(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RefusedError, match="no source: set AGENT_REPORT_SOURCE_URL, or try it with --demo"):
        read_user_settings()
    monkeypatch.setenv("AGENT_REPORT_SOURCE_URL", "sqlite:////data/station.db")
    monkeypatch.setenv("AGENT_REPORT_RUNS_PER_AGENT", "many")
    with pytest.raises(RefusedError, match="wrong setting: AGENT_REPORT_RUNS_PER_AGENT"):
        read_user_settings()


def test_a_source_that_is_not_there_is_refused_before_anything_starts(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_REPORT_SOURCE_URL", "sqlite:///nope.db")
    with pytest.raises(SourceError, match=r"nope\.db does not exist"):
        run_up(demo=False, folder=here / "stack", port=0, webhook_port=0)
    assert not (here / "stack").exists()
    monkeypatch.setenv("AGENT_REPORT_SOURCE_BLOCK", "team-source")
    check_source()


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("AGENT_REPORT_MAX_CONCURENT_EVALS", "did you mean AGENT_REPORT_MAX_CONCURRENT_EVALS?"),
        ("AGENT_REPORT_XQJ", "docs/reference/settings.md lists all settings"),
    ],
)
def test_a_mistyped_setting_is_refused_with_the_nearest(
    variable: str, message: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "3")
    with pytest.raises(RefusedError, match=f"there is no {variable}: {re.escape(message)}"):
        read_settings()
    monkeypatch.delenv(variable)
    read_settings()
    (here / ".env").write_text(f"{variable}=3\n")
    with pytest.raises(RefusedError, match=rf"there is no {variable}: .* \(it is in \.env\)"):
        read_settings()


def test_a_wrong_value_is_shown_where_it_can_be_no_secret(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_REPORT_MAX_CONCURRENT_EVALS", "many")
    with pytest.raises(RefusedError, match=r"MAX_CONCURRENT_EVALS: .*\(value: 'many'\)"):
        read_settings()
    monkeypatch.delenv("AGENT_REPORT_MAX_CONCURRENT_EVALS")
    monkeypatch.setenv("AGENT_REPORT_PRICES", "{x")
    with pytest.raises(RefusedError, match=r"AGENT_REPORT_PRICES: must be JSON \(.*my-model"):
        read_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AGENT_REPORT_WEBHOOK_SECRETS", '{"a": "whsec_hush"}'),
        ("AGENT_REPORT_WEBHOOK_SECRETS", "whsec_hush"),
        ("AGENT_REPORT_JAEGER_HEADERS", '["Bearer hush"]'),
        ("AGENT_REPORT_JUDGE_HEADERS", "x-token: hush"),
        ("AGENT_REPORT_JUDGE_HEADERS", '{"x-token": ["hush"]}'),
        ("AGENT_REPORT_JUDGE_EXTRA", '{"hush'),
    ],
)
def test_a_wrong_secret_is_refused_and_not_shown(
    name: str, value: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(RefusedError, match=name) as caught:
        read_user_settings()
    assert "hush" not in str(caught.value)


def test_the_users_prefect_is_not_the_stacks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "PREFECT_API_KEY",
        "PREFECT_API_AUTH_STRING",
        "PREFECT_PROFILE",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL",
        "OPENAI_API_KEY",
    ):
        monkeypatch.setenv(name, "theirs")
    monkeypatch.setenv("PREFECT_LOGGING_LEVEL", "DEBUG")
    monkeypatch.setenv("AGENT_REPORT_SOURCE_URL", "theirs")
    assert "theirs" not in base_environment().values()
    assert base_environment()["PREFECT_LOGGING_LEVEL"] == "DEBUG"
    told = worker_environment(_HOME, _SERVER, {"AGENT_REPORT_SOURCE_URL": "ours"})
    assert "theirs" not in told.values()
    assert (told["PREFECT_API_URL"], told["AGENT_REPORT_SOURCE_URL"]) == (_API, "ours")
    assert (told["PREFECT_HOME"], told["PREFECT_PROFILES_PATH"]) == ("/stack/prefect", "/stack/prefect/profiles.toml")
    assert (told["PREFECT_API_AUTH_STRING"], told["PREFECT_CLIENT_CSRF_SUPPORT_ENABLED"]) == ("the stack's", "false")
    assert told["PREFECT_WORKER_QUERY_SECONDS"] == "1"


def test_nobody_is_told_a_secret_that_is_not_for_him() -> None:
    settings = {
        "AGENT_REPORT_SOURCE_URL": "postgresql://me:secret@db/source",
        "AGENT_REPORT_WAREHOUSE_URL": "postgresql://me:secret@db/warehouse",
        "AGENT_REPORT_WEBHOOK_SECRETS": '["secret"]',
        "AGENT_REPORT_JUDGE_HEADERS": '{"x-token": "secret"}',
        "AGENT_REPORT_MAX_CONCURRENT_EVALS": "3",
        "OPENAI_API_KEY": "secret",
    }
    assert "AGENT_REPORT_WEBHOOK_SECRETS" not in worker_environment(_HOME, _SERVER, settings)
    assert worker_environment(_HOME, _SERVER, settings)["OPENAI_API_KEY"] == "secret"
    told = setup_environment(_HOME, _SERVER, settings)
    assert not [name for name, value in told.items() if "secret" in value and name in settings]
    assert told["AGENT_REPORT_MAX_CONCURRENT_EVALS"] == "3"


def test_a_secret_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    secret = keep_secret(path)
    assert len(secret) > 40
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert keep_secret(path) == secret
    assert keep_secret(tmp_path / "other") != secret
    assert keep_secret(tmp_path / "given", lambda: "made") == "made"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["given", "other", "secret"]


def test_a_secret_that_others_could_read_is_its_owners_again(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    secret = keep_secret(path)
    path.chmod(0o644)
    assert keep_secret(path) == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    # As when the process that made it died before it wrote.
    path.write_text("")
    assert keep_secret(path)


def _write_state(folder: Path, owner: Owner, **places: str) -> None:
    with take_place(folder) as place:
        place.write_state({"api": _API, "owner": owner.model_dump(), **places})
        keep_secret(place.password, lambda: "hush")
        kept = place.state.read_bytes()
        assert stat.S_IMODE(place.state.stat().st_mode) == 0o600
    # As a stack that was killed leaves it.
    place.state.write_bytes(kept)


def test_a_running_stack_is_found_and_a_dead_one_is_not(tmp_path: Path) -> None:
    assert find_stack(tmp_path) is None
    me = current_owner()
    _write_state(tmp_path, me)
    assert find_stack(tmp_path) == RunningStack(_API, "hush")
    # The pid of a stack that was killed is free, or another process's now.
    _write_state(tmp_path, me.model_copy(update={"process_started": me.process_started - 100}))
    assert find_stack(tmp_path) is None
    _write_state(tmp_path, me.model_copy(update={"host": "another"}))
    assert find_stack(tmp_path) is None
    for text in ("", "[]", "{}", '{"owner": 1}', "\xff"):
        Place(tmp_path).state.write_bytes(text.encode("latin-1"))
        assert find_stack(tmp_path) is None


def test_a_stack_is_used_unless_another_server_is_named(tmp_path: Path) -> None:
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    def used(url: str | None, password: str | None) -> tuple[bool, str | None, str | None]:
        with (
            temporary_settings(
                {PREFECT_API_URL: url, PREFECT_API_AUTH_STRING: password}, restore_defaults={PREFECT_API_URL}
            ),
            at_stack(tmp_path) as is_stack,
        ):
            return is_stack, PREFECT_API_URL.value(), PREFECT_API_AUTH_STRING.value()

    _write_state(tmp_path, current_owner())
    assert used(None, "theirs") == (True, _API, "hush")
    assert used(_API, None) == (True, _API, "hush")
    assert used(_API, "given") == (False, _API, "given")
    assert used("https://team.example/api", "theirs") == (False, "https://team.example/api", "theirs")


_WAREHOUSE, _PARQUET = "AGENT_REPORT_WAREHOUSE_URL", "AGENT_REPORT_PARQUET_URL"


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ({}, ("sqlite:////stack/warehouse.db", "/stack/parquet")),
        ({_PARQUET: "mine"}, ("sqlite:////stack/warehouse.db", "mine")),
        ({_WAREHOUSE: "sqlite:///mine.db"}, ("sqlite:///mine.db", None)),
        ({"AGENT_REPORT_WAREHOUSE_BLOCK": "mine"}, (None, None)),
        ({"PREFECT_API_URL": _API}, ("sqlite:////stack/warehouse.db", "/stack/parquet")),
        ({"PREFECT_API_URL": "https://team.example/api"}, (None, None)),
    ],
)
def test_the_stacks_warehouse_is_used_unless_the_user_has_set_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], used: tuple[str | None, str | None]
) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    monkeypatch.chdir(tmp_path)
    for name in (_WAREHOUSE, _PARQUET, "AGENT_REPORT_WAREHOUSE_BLOCK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    _write_state(tmp_path, current_owner(), warehouse="sqlite:////stack/warehouse.db", parquet="/stack/parquet")
    api = {PREFECT_API_URL: given.get("PREFECT_API_URL")}
    with temporary_settings(api, restore_defaults={PREFECT_API_URL}), stack_warehouse(tmp_path) as is_used:
        assert is_used == (used[0] == "sqlite:////stack/warehouse.db")
        assert (os.environ.get(_WAREHOUSE), os.environ.get(_PARQUET)) == used
    assert dict(os.environ) == before


def test_the_users_own_warehouse_of_a_stack_is_not_guessed(tmp_path: Path) -> None:
    _write_state(tmp_path, current_owner(), warehouse="", parquet="/stack/parquet")
    with stack_warehouse(tmp_path) as is_used:
        assert not is_used


def test_a_folder_is_one_processes_alone(tmp_path: Path) -> None:
    folder = tmp_path / "stack"
    for _ in range(2):
        with take_place(folder) as place:
            place.write_state({"ui": "here"})
            with pytest.raises(RefusedError, match=r"another `agent-report up` runs in .* \(process \d+\)"):
                take_place(folder).__enter__()
            assert place.state.exists()
        assert not place.state.exists()
    (tmp_path / "file").touch()
    with pytest.raises(RefusedError, match=r"--folder .* cannot be used"):
        take_place(tmp_path / "file" / "stack").__enter__()


def test_a_port_is_the_wanted_one_or_another() -> None:
    with listen(0) as first:
        wanted = port_of(first)
        with listen(wanted) as second:
            assert port_of(second) not in (0, wanted)
        # One that is opened later is none that the system gives to others meanwhile.
        assert 20_000 <= free_port(wanted) < 32_000
    assert free_port(wanted) == wanted
    with socket.create_server(("0.0.0.0", wanted)):
        assert free_port(wanted) != wanted


def test_the_sample_is_the_same_when_it_is_kept(tmp_path: Path) -> None:
    first = keep_sample(tmp_path / "demo", datetime(2026, 1, 31, 8, tzinfo=UTC))
    database = (tmp_path / "demo" / "source.db").read_bytes()
    again = keep_sample(tmp_path / "demo", datetime(2026, 3, 1, 8, tzinfo=UTC))
    assert again == first
    assert (tmp_path / "demo" / "source.db").read_bytes() == database


def test_what_kubernetes_adds_beside_a_service_of_this_name_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_8765_TCP", "PORT_8765_TCP_ADDR"):
        monkeypatch.setenv(f"AGENT_REPORT_{name}", "tcp://10.0.0.7:8765")
    read_settings()
