"""``init`` from a place to a dry run: what it prints, writes, and leaves alone."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from deployments import cli

Init = Callable[..., tuple[int, str, str]]


@pytest.fixture
def init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Init:
    """Runs the command in a folder of its own, without any setting; its exit code, what it printed, and its errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("PREFECT_API_URL", "")
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "AGENT_REPORT_SOURCE_URL", "AGENT_REPORT_JAEGER_URL"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(("init", *arguments))
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


def test_stations_database_needs_no_mapping(init: Init, source: Path, tmp_path: Path) -> None:
    shutil.copyfile(source, tmp_path / "station.db")
    code, out, err = init("station.db")
    assert code == 0, err
    assert "its tables are those of Station" in out
    assert "in demo: 3 agents" in out
    assert "statuses: " in out
    assert "no key for the judge: set OPENAI_API_KEY" in out
    assert "4 calls to gpt-5.4-mini" in out
    assert "agent-report run demo" in out
    assert {path.name for path in tmp_path.iterdir()} == {"station.db", ".env"}
    env = (tmp_path / ".env").read_text()
    assert "\nAGENT_REPORT_SOURCE_URL=sqlite:///station.db\n" in env
    assert "\nAGENT_REPORT_ENVIRONMENT=demo\n" in env
    # Again: everything is as it was.
    assert ".env is there already, and the same" in init("station.db")[1]


def test_a_file_that_is_there_stays_and_another_folder_is_possible(
    init: Init, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".env").write_text("MINE=1\n")
    # Of another source: neither applies to this one. The judge's model does.
    monkeypatch.setenv("AGENT_REPORT_SOURCE_URL", "sqlite:///another.db")
    (tmp_path / ".env").write_text("AGENT_REPORT_SOURCE_BLOCK=none\nAGENT_REPORT_JUDGE_MODEL=my-model\n")
    code, out, err = init(str(source), "--output", "out", "--json")
    assert code == 0, err
    assert (tmp_path / "out" / ".env").read_text() == "MINE=1\n"
    assert f"AGENT_REPORT_SOURCE_URL=sqlite:///{source}" in (tmp_path / "out" / ".env.agent-report").read_text()
    assert "takes precedence over .env" in err
    done = json.loads(out)
    assert done["found"]["runs"] == 18
    assert [file["state"] for file in done["files"]] == ["beside"]
    assert done["estimate"]["calls"] == 4
    assert done["estimate"]["judge_model"] == "my-model"
    assert os.environ["AGENT_REPORT_SOURCE_URL"] == "sqlite:///another.db"


def test_a_password_is_in_the_file_and_nowhere_else(init: Init, postgres_url: str, tmp_path: Path) -> None:
    code, out, err = init(postgres_url.replace("://", "://").replace("postgres@", "postgres:hunter2@"))
    assert code == 1
    assert "no table that looks like agents' runs" in err
    assert "hunter2" not in out + err
    assert not (tmp_path / ".env").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "no source: give a database's URL"),
        (("none.db",), "there is no such file"),
        (("sqlite:///none.db",), "does not exist"),
    ],
)
def test_what_cannot_be_found_is_refused(init: Init, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    code, _, err = init(*arguments)
    assert code in (1, 2)
    assert words in err
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_environment_is_refused(init: Init, source: Path) -> None:
    code, _, err = init(str(source), "--environment", "none")
    assert code == 2
    assert "there is no environment 'none'; there is demo" in err


def test_the_file_of_settings_is_for_its_owner(init: Init, source: Path, tmp_path: Path) -> None:
    assert init(str(source))[0] == 0
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
