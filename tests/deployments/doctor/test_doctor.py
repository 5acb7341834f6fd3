"""``doctor`` shows of every connection whether it works, without creating anything or showing a secret."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from deployments import cli
from deployments.demo.judge import SimulatedJudge, completion
from deployments.demo.loopback import Response
from deployments.doctor.command import examine, may_call, print_finding
from deployments.doctor.finding import Finding
from deployments.doctor.routes import check_routes
from tasks.settings import Settings
from tasks.warehouse.sql import open_warehouse


@pytest.fixture
def folder(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a source, and settings for it and a judge that does not exist."""
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(source, tmp_path / "station.db")
    (tmp_path / ".env").write_text("AGENT_REPORT_SOURCE_URL=sqlite:///station.db\nOPENAI_API_KEY=sk-very-secret\n")
    monkeypatch.setenv("PREFECT_API_URL", "")
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "AGENT_REPORT_SOURCE_URL", "AGENT_REPORT_JAEGER_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def _by_name(ask: Callable[[str], bool] | None = None) -> dict[str, Finding]:
    # The first finding of each.
    return {finding.what: finding for finding in reversed(list(examine(ask=ask)))}


def test_everything_works_and_nothing_is_created(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    found = _by_name()
    assert {name: finding.state for name, finding in found.items()} == {
        "settings": "ok",
        "source": "ok",
        "redaction": "ok",
        "warehouse": "ok",
        "parquet": "ok",
        "jaeger": "skipped",
        "prefect": "ok",
        "proxies": "ok",
        "judge": "ok",
        "judge call": "skipped",
    }
    assert found["source"].detail.startswith("environment demo; in demo 3 agents, newest run 20")
    assert found["judge"].detail.startswith("settings complete, nothing sent yet: ")
    assert found["settings"].detail.startswith(
        "2 set in the environment and .env: AGENT_REPORT_SOURCE_URL, OPENAI_API_"
    )
    assert found["warehouse"].detail.endswith("warehouse.db will be created")
    assert sorted(folder.rglob("*")) == before
    assert "secret" not in str(found)


def test_what_is_wrong_is_named_with_the_way_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_REPORT_SOURCE_URL", "postgresql://me:hunter2@127.0.0.1:9/none")
    monkeypatch.setenv("AGENT_REPORT_JAEGER_URL", "http://me:hunter2@127.0.0.1:9")
    monkeypatch.setenv("AGENT_REPORT_PARQUET_URL", "/proc/none/such")
    monkeypatch.setenv("OPENAI_API_KEY", " ")
    found = _by_name()
    failed = {name for name, finding in found.items() if finding.state == "failed"}
    assert failed == {"source", "jaeger", "parquet", "judge"}
    assert "judge call" not in found
    assert "hunter2" not in str(found)


def test_guidance_for_the_judge_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_REPORT_JUDGE_GUIDANCE", "guidance.yaml")
    found = _by_name()["judge"]
    assert (found.state, "'guidance.yaml' cannot be read" in found.detail) == ("failed", True)
    (folder / "guidance.yaml").write_text("guidance: Be kind.\n")
    details = [finding.detail for finding in examine(ask=None) if finding.what == "judge"]
    assert "The judge follows guidance from people's labels, with 0 labelled examples; it was not measured" in details


def test_a_missing_source_leads_to_init(folder: Path) -> None:
    (folder / ".env").unlink()
    found = _by_name()["source"]
    assert (found.state, found.detail) == ("failed", "not configured")
    assert "`agent-report init`" in found.advice


def test_a_wrong_setting_is_the_first_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_REPORT_SINCE", "yesterday")
    first, *rest = examine(ask=None)
    assert first.state == "failed"
    assert "AGENT_REPORT_SINCE" in first.detail
    assert [finding.what for finding in rest] == ["prefect"]


def test_an_old_warehouse_is_not_migrated(folder: Path) -> None:
    (folder / "agent-report-data").mkdir()
    open_warehouse(f"sqlite:///{folder}/agent-report-data/warehouse.db").close()
    assert "has schema" in _by_name()["warehouse"].detail


def test_the_judge_is_called_once_and_only_after_asking(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def refuse(question: str) -> bool:
        asked.append(question)
        return False

    answer = Response(200, json.dumps(completion('{"ok": true}')).encode())
    with SimulatedJudge(agent_seconds=0, respond=lambda payload, request: answer) as judge:
        monkeypatch.setenv("OPENAI_BASE_URL", judge.base_url)
        assert _by_name(refuse)["judge call"].state == "skipped"
        assert len(asked) == 1
        assert judge.requests == []
        called = _by_name(lambda question: True)["judge call"]
        assert called.state == "ok", called
        assert len(judge.requests) == 1


def test_a_judge_that_cannot_be_reached_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("AGENT_REPORT_JUDGE_MAX_ATTEMPTS", "1")
    assert _by_name(lambda question: True)["judge call"].state == "failed"


def test_without_a_terminal_the_judge_is_called_only_with_yes() -> None:
    assert may_call(yes=False, no_judge=False) is None
    assert may_call(yes=True, no_judge=True) is None
    ask = may_call(yes=True, no_judge=False)
    assert ask is not None
    assert ask("?")


def test_the_exit_code_and_json(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(("doctor", "--json"))
    assert ended.value.code == 0
    assert {"what", "state", "detail", "advice"} == set(json.loads(capsys.readouterr().out)[0])
    monkeypatch.setenv("AGENT_REPORT_SOURCE_URL", "sqlite:///none.db")
    with pytest.raises(SystemExit) as ended:
        cli.main(("doctor", "--no-judge"))
    assert ended.value.code == 1
    out = capsys.readouterr().out
    assert "FAILED source" in out
    assert all(line.split()[0] in ("ok", "note", "FAILED", "-") for line in out.splitlines())


def test_proxies_are_named_without_their_passwords() -> None:
    settings = Settings(_env_file=None, jaeger_url="http://jaeger:16686", OPENAI_BASE_URL="http://judge:8000/v1")
    environment = {"HTTP_PROXY": "http://me:hunter2@proxy:3128", "NO_PROXY": "jaeger"}
    (found,) = check_routes(settings, environment, "")
    assert "judge through HTTP_PROXY=http://***@proxy:3128" in found.detail
    assert "no proxy for Jaeger" in found.detail


def test_only_the_state_is_coloured(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(force_terminal=True, color_system="standard", width=200, file=sys.stdout)
    print_finding(console, Finding("source", "failed", "x \x1b[2Jy", "do z"))
    assert capsys.readouterr().out == "\x1b[1;31mFAILED \x1b[0msource     x �[2Jy → do z\n"
