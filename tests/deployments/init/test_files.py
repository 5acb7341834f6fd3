"""The files that ``init`` writes: never over others, read back as they were meant, secrets for their owner alone."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from dotenv import dotenv_values

from deployments.init.env_file import render_env
from deployments.init.files import write_beside
from tasks.errors import UsageError


def test_existing_files_stay_as_they_are(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    first = write_beside(env, "A=1\n", private=True)
    assert (first.path, first.state) == (env, "written")
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    assert write_beside(env, "A=1\n").state == "unchanged"
    second = write_beside(env, "A=2\n", private=True)
    assert (second.path.name, second.state) == (".env.agent-report", "beside")
    again = write_beside(env, "A=2\n", private=True)
    assert (again.path, again.state, again.is_beside) == (second.path, "unchanged", True)
    third = write_beside(env, "A=3\n")
    assert (third.path.name, third.wanted) == (".env.agent-report-2", env)
    assert env.read_text() == "A=1\n"
    (tmp_path / "source.yaml").write_text("mine")
    assert write_beside(tmp_path / "source.yaml", "runs: x").path.name == "source.agent-report.yaml"
    assert (tmp_path / "source.yaml").read_text() == "mine"


def test_a_link_that_leads_nowhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / ".env").symlink_to(tmp_path / "elsewhere")
    assert write_beside(tmp_path / ".env", "A=1\n").path.name == ".env.agent-report"
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        write_beside(tmp_path / "none" / ".env", "")


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///agents.db",
        "postgresql://me:p%40ss@host:5432/db?sslmode=require",
        "/data/my runs/it's #1/*.parquet",
        'a"b\\c',
    ],
)
def test_settings_are_read_back_as_they_were(tmp_path: Path, url: str) -> None:
    (tmp_path / ".env").write_text(render_env(url, "source.yaml", "pro duction", has_traces=False))
    assert dotenv_values(tmp_path / ".env") == {
        "AGENT_REPORT_SOURCE_URL": url,
        "AGENT_REPORT_SOURCE_MAPPING": "source.yaml",
        "AGENT_REPORT_ENVIRONMENT": "pro duction",
    }


def test_what_a_source_can_use_is_a_comment() -> None:
    store, files = (render_env(url, "", "p", has_traces=True) for url in ("phoenix+http://host:6006", "otlp:traces"))
    assert '# AGENT_REPORT_SOURCE_HEADERS={"authorization"' in store
    assert "HEADERS" not in files
    assert "JAEGER" not in store + files
    assert "# AGENT_REPORT_JAEGER_URL=" in render_env("sqlite:///a.db", "", "p", has_traces=False)
