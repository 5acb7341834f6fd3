"""Nothing leaves the tasks that read without having been redacted, and the settings that choose how."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deployments.demo.sample import build_sample
from tasks.bridge.quoting import unquoted
from tasks.connecting import open_clients
from tasks.errors import RefusedError
from tasks.evidence.types import Agent, Evidence
from tasks.reading import current_turns, fetch_runs, fetch_traces, read_evidence, taking_turns
from tasks.report.plan import build_window
from tasks.settings import ReportOptions
from tasks.sources.batch import ReadFailure
from tasks.sources.turns import Turns

KEY = "sk-proj-Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z"
NOW = datetime.now(UTC)
Read = Callable[..., Evidence | ReadFailure]


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
    """The evidence of the first agent, or why there is none, through the bodies of both tasks."""

    def read(**given: Any) -> Evidence | ReadFailure:
        until = NOW + timedelta(days=1)
        options = ReportOptions(**given)
        window = build_window(options, until)
        plan: Any = SimpleNamespace(id=1, options=options, evidence_until=until, window=window, judges_at_once=10)
        with open_clients() as clients:
            agents = [agent for agent in clients.source().load_agents("demo", window) if agent.id == "1"]
            runs = unquoted(fetch_runs.fn(agents, {agent.id: {} for agent in agents}, plan))
            [evidence] = unquoted(fetch_traces.fn(agents, [runs], plan))
        return evidence

    return read


def test_no_key_and_no_address_is_in_the_evidence(database: sqlite3.Connection, read: Read) -> None:
    evidence = read()
    assert isinstance(evidence, Evidence)
    assert evidence.runs[0].task == "task [api key]"
    assert evidence.agent.prompt == "use [api key]"
    assert evidence.metrics.failure_patterns[0].example == "refused [api key]"
    assert KEY not in repr(evidence)
    assert "bob@" not in repr(evidence)
    runs = len(evidence.runs)
    assert evidence.redactions == {"api key": 1 + 4 * runs, "e-mail address": runs}


def test_nor_in_the_figures_of_a_population(database: sqlite3.Connection, read: Read) -> None:
    database.execute(
        "UPDATE agent_runs SET status = ? WHERE id = (SELECT min(id) FROM agent_runs WHERE agent_id = 1)",
        [f"stuck {KEY}"[:39]],
    )
    database.commit()
    evidence = read(since="365d", runs_per_agent=1)
    assert isinstance(evidence, Evidence)
    assert evidence.population is not None
    assert (len(evidence.runs), evidence.population.runs, evidence.population.unfinished) == (1, 2, 1)
    assert evidence.inclusion == {evidence.runs[0].id: 0.5}
    (pattern,) = evidence.population.failure_patterns
    assert (pattern.example, pattern.count, pattern.run_ids) == ("refused [api key]", 2, (evidence.runs[0].id,))
    assert KEY not in repr(evidence)
    assert "sk-" not in repr(evidence)


def test_warnings_and_errors_that_quote_a_row_do_not_give_it_away(database: sqlite3.Connection, read: Read) -> None:
    padding = "x" * 45
    database.execute(
        "UPDATE agent_runs SET started_at = ? WHERE id = (SELECT min(id) FROM agent_runs WHERE agent_id = 1)",
        [f"{padding} {KEY}"],
    )
    database.commit()
    evidence = read()
    assert isinstance(evidence, Evidence)
    (warning,) = [text for text in evidence.warnings if "started_at" in text]
    assert "[api key]" in warning
    assert "sk-" not in warning
    database.execute("UPDATE agent_runs SET started_at = ? WHERE agent_id = 1", [f"{padding} {KEY}"])
    database.commit()
    failure = read()
    assert isinstance(failure, ReadFailure)
    assert "[api key]" in failure.reason
    assert "sk-" not in failure.reason


def test_off_only_when_the_setting_is_off(
    database: sqlite3.Connection, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_clients() as clients:
        assert clients.redactor() is not None
    monkeypatch.setenv("AGENT_REPORT_REDACT", "false")
    with open_clients() as clients:
        assert clients.redactor() is None
    evidence = read()
    assert isinstance(evidence, Evidence)
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
    assert isinstance(evidence, Evidence)
    assert evidence.runs[0].error == "[verb] [api key]"
    assert evidence.runs[0].final_response == "letter [e-mail address]"
    assert evidence.redactions["verb"] == evidence.redactions["own code"] == len(evidence.runs)
    monkeypatch.setenv("AGENT_REPORT_REDACT_HOOK", "own_redaction:fail")
    assert read() == ReadFailure("the redaction hook failed: ValueError")
    for hook, reason in {
        "own_redaction": "not of the form module:function",
        "own_redaction:none": "cannot be imported: AttributeError",
        "no_such_module:hide": "cannot be imported: ModuleNotFoundError",
        "own_redaction:word": "is not a function",
    }.items():
        monkeypatch.setenv("AGENT_REPORT_REDACT_HOOK", hook)
        with open_clients() as clients, pytest.raises(RefusedError, match=reason):
            clients.source()
    sys.modules.pop("own_redaction", None)


def test_more_kinds_are_redacted_when_the_setting_names_them(
    database: sqlite3.Connection, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.execute("UPDATE agents SET description = 'talks to 10.1.2.3' WHERE id = 1")
    database.commit()
    evidence = read()
    assert isinstance(evidence, Evidence)
    assert evidence.agent.description == "talks to 10.1.2.3"
    monkeypatch.setenv("AGENT_REPORT_REDACT_ALSO", "ip_addresses")
    evidence = read()
    assert isinstance(evidence, Evidence)
    assert evidence.agent.description == "talks to [IP address]"
    assert evidence.redactions["IP address"] == 1


def test_a_wrong_pattern_is_refused_before_anything_is_read(
    database: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_REPORT_REDACT_PATTERNS", '{"customer": "K-("}')
    wrong = r"redact_patterns: the expression of 'customer' is wrong: missing \)"
    with open_clients() as clients, pytest.raises(RefusedError, match=wrong):
        clients.source()


def test_names_stay(database: sqlite3.Connection, read: Read) -> None:
    database.execute("UPDATE agents SET name = 'bob@example.com' WHERE id = 1")
    database.commit()
    evidence = read()
    assert isinstance(evidence, Evidence)
    assert evidence.agent.name == "bob@example.com"


@pytest.mark.parametrize("judges_at_once", [10, 0])
def test_with_a_limit_what_a_batch_has_read_waits_for_the_batches_before_it(
    judges_at_once: int, database: sqlite3.Connection
) -> None:
    until = NOW + timedelta(days=1)
    options = ReportOptions()
    window = build_window(options, until)
    plan: Any = SimpleNamespace(
        id=1, options=options, evidence_until=until, window=window, judges_at_once=judges_at_once
    )
    with open_clients() as clients, taking_turns(plan) as turns, ThreadPoolExecutor() as pool:
        agents = clients.source().load_agents("demo", window)[:1]
        rubrics: Any = {agent.id: {} for agent in agents}
        runs = unquoted(fetch_runs.fn(agents, rubrics, plan))
        for work in ((fetch_runs.fn, agents, rubrics, plan, 3), (fetch_traces.fn, agents, [runs], plan, 3)):
            with turns.take(0) if turns else nullcontext():
                reading = pool.submit(copy_context().run, *work)
                if turns is None:
                    reading.result(60)
                while turns and turns._waiting != [3]:
                    assert not reading.done()
                    time.sleep(0.01)
            assert len(unquoted(reading.result(60))) == 1


@pytest.mark.parametrize("judges_at_once", [10, 0])
def test_batches_are_in_order_and_the_first_traces_come_before_the_last_runs(judges_at_once: int) -> None:
    mapped: list[tuple[str, list[int]]] = []
    turns: list[Turns | None] = []

    class Runner:
        def map(self, task: Any, parameters: dict[str, Any]) -> list[object]:
            mapped.append((task.name, parameters["batch_number"]))
            turns.append(current_turns())
            return [object() for _ in parameters["agents"]]

    agents = [Agent(id=str(number), name=str(number), environment="demo") for number in range(120)]
    plan: Any = SimpleNamespace(options=ReportOptions(max_concurrent_runs=2), judges_at_once=judges_at_once)
    runner: Any = Runner()
    readings = read_evidence(runner, agents, {agent.id: {} for agent in agents}, plan)
    assert [agent for reading in readings for agent in reading.agents] == agents
    assert mapped == [(name, group) for group in ([0, 1], [2]) for name in ("fetch_runs", "fetch_traces")]
    # A report has turns of its own, and only where there is a limit.
    assert len(set(turns)) == 1
    assert (turns[0] is not None) is bool(judges_at_once)
    assert current_turns() is None
