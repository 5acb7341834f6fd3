"""Nothing leaves the tasks that read without having been redacted, and the settings that say how."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deployments.demo.sample import build_sample
from tasks.connections import redactor, source
from tasks.endings import raising
from tasks.errors import RedactionError, RefusedError, SourceError
from tasks.evidence.types import Agent, Evidence
from tasks.quoting import unquoted
from tasks.settings import ReportOptions
from tasks.sources import fetch_runs, fetch_traces, redacting_errors

KEY = "sk-proj-Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z"
NOW = datetime.now(UTC)
Read = Callable[[], Evidence]


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    """A sample whose first agent and its runs hold a key and an e-mail address."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "source.db"
    build_sample(NOW, runs_per_agent=3).write_sqlite(path)
    monkeypatch.setenv("AGENT_REPORT_SOURCE_URL", f"sqlite:///{path}")
    connection = sqlite3.connect(path)
    connection.execute("UPDATE agents SET prompt = ? WHERE id = 1", [f"use {KEY}"])
    connection.execute(
        "UPDATE agent_runs SET task = ?, error = ?, final_response = 'mail bob@example.com', status = 'failed', "
        "execution_steps = ?, tool_calls = ? WHERE agent_id = 1",
        [f"task {KEY}", f"refused {KEY}", KEY, f"not JSON {KEY}"],
    )
    connection.commit()
    yield connection
    connection.close()


@pytest.fixture
def read() -> Read:
    """The evidence of the first agent, through the bodies of both tasks."""

    def read() -> Evidence:
        plan: Any = SimpleNamespace(options=ReportOptions(), evidence_until=NOW + timedelta(days=1), since=None)
        agent = next(agent for agent in source().load_agents("demo") if agent.id == 1)
        runs = unquoted(raising(fetch_runs.fn)(agent, plan))
        return unquoted(raising(fetch_traces.fn)(agent, [runs], plan))

    return read


def test_no_key_and_no_address_is_in_the_evidence(database: sqlite3.Connection, read: Read) -> None:
    evidence = read()
    assert evidence.runs[0].task == "task [api key]"
    assert evidence.agent.prompt == "use [api key]"
    assert evidence.metrics.failure_patterns[0].example == "refused [api key]"
    assert KEY not in repr(evidence)
    assert "bob@" not in repr(evidence)
    runs = len(evidence.runs)
    assert evidence.redactions == {"api key": 1 + 4 * runs, "e-mail address": runs}


def test_warnings_and_errors_that_quote_a_row_do_not_give_it_away(database: sqlite3.Connection, read: Read) -> None:
    padding = "x" * 45
    database.execute(
        "UPDATE agent_runs SET started_at = ? WHERE id = (SELECT min(id) FROM agent_runs WHERE agent_id = 1)",
        [f"{padding} {KEY}"],
    )
    database.commit()
    (warning,) = [text for text in read().warnings if "started_at" in text]
    assert "[api key]" in warning
    assert "sk-" not in warning
    database.execute("UPDATE agent_runs SET started_at = ? WHERE agent_id = 1", [f"{padding} {KEY}"])
    database.commit()
    with pytest.raises(SourceError, match=r"\[api key\]") as caught:
        read()
    assert "sk-" not in str(caught.value)


def test_errors_of_others_keep_their_kind_and_lose_secrets(database: sqlite3.Connection) -> None:
    with pytest.raises(SourceError, match=r"ValueError: row \[api key\]") as caught, redacting_errors(redactor()):
        raise ValueError(f"row {KEY}")
    assert caught.value.__suppress_context__
    with pytest.raises(RefusedError, match=r"^no \[api key\]$"), redacting_errors(redactor()):
        raise RefusedError(f"no {KEY}")
    with pytest.raises(ValueError, match="row"), redacting_errors(None):
        raise ValueError("row")


def test_off_only_when_the_setting_says_so(
    database: sqlite3.Connection, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert redactor() is not None
    monkeypatch.setenv("AGENT_REPORT_REDACT", "false")
    assert redactor() is None
    evidence = read()
    assert evidence.runs[0].task == f"task {KEY}"
    assert evidence.redactions == {}


def test_own_patterns_and_own_code(
    database: sqlite3.Connection, read: Read, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "own_redaction.py").write_text(
        "def hide(text):\n    return text.replace('mail [', 'letter [')\n\n"
        "def fail(text):\n    raise ValueError(text)\n\nword = 'x'\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("AGENT_REPORT_REDACT_PATTERNS", '{"verb": "\\\\brefused\\\\b"}')
    monkeypatch.setenv("AGENT_REPORT_REDACT_HOOK", "own_redaction:hide")
    evidence = read()
    assert evidence.runs[0].error == "[verb] [api key]"
    assert evidence.runs[0].final_response == "letter [e-mail address]"
    assert evidence.redactions["verb"] == evidence.redactions["own code"] == len(evidence.runs)
    monkeypatch.setenv("AGENT_REPORT_REDACT_HOOK", "own_redaction:fail")
    with pytest.raises(RedactionError, match=r"^the redaction hook failed: ValueError$"):
        read()
    for hook, reason in {
        "own_redaction": "not of the form module:function",
        "own_redaction:none": "cannot be imported: AttributeError",
        "no_such_module:hide": "cannot be imported: ModuleNotFoundError",
        "own_redaction:word": "is no function",
    }.items():
        monkeypatch.setenv("AGENT_REPORT_REDACT_HOOK", hook)
        with pytest.raises(RefusedError, match=reason):
            source()
    sys.modules.pop("own_redaction", None)


def test_a_wrong_pattern_is_refused_before_anything_is_read(
    database: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_REPORT_REDACT_PATTERNS", '{"customer": "K-("}')
    with pytest.raises(RefusedError, match=r"redact_patterns: the expression of 'customer' is wrong: missing \)"):
        source()


def test_names_stay(database: sqlite3.Connection, read: Read) -> None:
    database.execute("UPDATE agents SET name = 'bob@example.com' WHERE id = 1")
    database.commit()
    assert isinstance(agent := read().agent, Agent)
    assert agent.name == "bob@example.com"
