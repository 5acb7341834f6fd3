"""The mapping that is proposed for databases of several shapes: the right table and columns, queries that run."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from deployments.init.mapping.mapping_file import render_mapping
from deployments.init.mapping.proposal import Proposal, propose
from deployments.init.mapping.status_words import guess_statuses
from deployments.init.tables import build_table

Proposed = Callable[[str], Proposal]
_N = 20


def _first(path: Path, proposal: Proposal) -> dict[str, Any]:
    """The first run that the proposed query gives."""
    with sqlite3.connect(path) as connection:
        cursor = connection.execute("\n".join(proposal.runs_query.lines()))
        row = cursor.fetchone()
    connection.close()
    return dict(zip([entry[0] for entry in cursor.description], row, strict=True))


def test_postgresql_with_uuids_enums_and_jsonb(own_postgres: str, proposed: Proposed) -> None:
    proposal = proposed(own_postgres)
    assert proposal.runs.name == "conversations"
    assert {name: guess.column.name for name, guess in proposal.guesses.items()} == {
        "id": "uid",
        "agent": "bot",
        "environment": "stage",
        "status": "outcome",
        "started_at": "began",
        "completed_at": "ended",
        "task": "question",
        "final_response": "reply",
        "tool_calls": "calls",
        "input_tokens": "usage.prompt_tokens",
        "output_tokens": "usage.completion_tokens",
    }
    assert proposal.statuses.meanings == {"completed": ["solved"], "failed": ["broke"], "unfinished": ["live"]}
    mapping = yaml.safe_load(render_mapping(proposal, "postgresql://host/db"))
    assert mapping.keys() == {"runs", "statuses"}
    engine = sa.create_engine(own_postgres)
    with engine.connect() as connection:
        row = connection.execute(sa.text(f"SELECT * FROM ({mapping['runs']}) AS q LIMIT 1")).mappings().one()
    engine.dispose()
    assert row["input_tokens"] == "100"


def test_agents_and_conversations_in_tables_of_their_own(make_sqlite: Any, proposed: Proposed) -> None:
    path = make_sqlite(
        {
            "assistants": (
                ["id INTEGER PRIMARY KEY", "name", "instructions", "env"],
                [(1, "Ann", "x", "p"), (2, "Bo", "y", "p")],
            ),
            "chats": (
                ["id TEXT PRIMARY KEY", "assistant_id", "title", "created_at", "state"],
                [(f"c{n}", n % 2 + 1, f"Chat {n}", f"2026-11-01 10:{n:02}:00", "closed") for n in range(_N)],
            ),
            "chat_messages": (
                ["id INTEGER PRIMARY KEY", "chat_id REFERENCES chats(id)", "role", "content", "created_at"],
                [
                    (2 * n + at, f"c{n}", role, f"{role} {n}", f"2026-11-01 10:{n:02}:0{at}")
                    for n in range(_N)
                    for at, role in enumerate(("user", "assistant"))
                ],
            ),
            "users": (["id", "email", "name"], [("u1", "a@example.com", "A")]),
        }
    )
    proposal = proposed(f"sqlite:///{path}")
    assert (proposal.runs.name, proposal.agents and proposal.agents.name) == ("chats", "assistants")
    assert proposal.agents_query is not None
    assert proposal.agents_query.columns == {"id": "id", "name": "name", "prompt": "instructions"}
    assert proposal.statuses.meanings == {"completed": ["closed"]}
    row = _first(path, proposal)
    messages = json.loads(row.pop("messages"))
    assert messages == [{"role": "user", "content": "user 0"}, {"role": "assistant", "content": "assistant 0"}]
    expected = {"id": "c0", "agent": 1, "status": "closed", "environment": "p", "started_at": "2026-11-01 10:00:00"}
    assert row == expected


def test_a_flag_milliseconds_and_camel_case(make_sqlite: Any, proposed: Proposed) -> None:
    columns = [
        "ExecutionId INTEGER PRIMARY KEY",
        "WorkflowName",
        "UserPrompt",
        "ModelOutput",
        "IsSuccess",
        "LatencyMs",
        "CreatedAt",
    ]
    rows = [
        (n, "ab"[n % 2], f"Do thing {n}", f"Did thing {n}", n % 2, 1500, f"2026-11-01T10:{n:02}:00Z") for n in range(_N)
    ]
    path = make_sqlite({"AgentExecutions": (columns, rows)})
    proposal = proposed(f"sqlite:///{path}")
    assert proposal.environment == "production"
    row = _first(path, proposal)
    assert (row["id"], row["agent"], row["status"], row["duration_seconds"]) == (0, "a", "failed", 1.5)
    assert (row["task"], row["final_response"]) == ("Do thing 0", "Did thing 0")
    assert any("IsSuccess decides" in note for note in proposal.notes)


def test_steps_in_the_same_table_are_left_out(make_sqlite: Any, proposed: Proposed) -> None:
    columns = ["id TEXT PRIMARY KEY", "name", "run_type", "start_time", "status", "inputs", "outputs", "parent_run_id"]
    rows = [
        (
            f"r{n}",
            "Planner",
            "chain" if n % 2 else "llm",
            "2026-11-01",
            "success",
            f'{{"question": "q{n}"}}',
            f'{{"answer": "a{n}"}}',
            None if n % 2 else "r1",
        )
        for n in range(_N)
    ]
    proposal = proposed(f"sqlite:///{make_sqlite({'runs': (columns, rows)})}")
    assert proposal.runs_query.where == "WHERE parent_run_id IS NULL"
    assert proposal.guesses["task"].column.name == "inputs.question"
    assert proposal.guesses["final_response"].column.name == "outputs.answer"


def test_an_agent_is_found_by_its_values_and_doubts_are_comments(make_sqlite: Any, proposed: Proposed) -> None:
    columns = ["ticket_id INTEGER PRIMARY KEY", "made_with", "channel", "opened_ts", "question", "prompt", "answer"]
    rows = [(n, ("triage", "refund")[n % 2], "web", 1_790_000_000 + n, f"q{n}", f"p{n}", f"a{n}") for n in range(_N)]
    proposal = proposed(f"sqlite:///{make_sqlite({'tickets': (columns, rows)})}")
    assert proposal.guesses["agent"].column.name == "made_with"
    text = render_mapping(proposal, "sqlite:///own.db")
    assert "# agent: made_with is a guess. If that is wrong, write `<column> AS agent`." in text
    assert "# task: read from question. If that is wrong, write `prompt AS task`." in text


def test_names_that_are_hostile_are_quoted(make_sqlite: Any, proposed: Proposed) -> None:
    columns = ['"Agent"', '"Prompt: ""x"" :y --"', '"Response"', '"Date"', '"order"', '"Status\n"']
    rows = [("a", f"What is {n}?", f"It is {n}.", "2026-11-01 10:00", n, "ok") for n in range(_N)]
    path = make_sqlite({"log; 2026": (columns, rows)})
    proposal = proposed(f"sqlite:///{path}")
    text = render_mapping(proposal, "x\n- y")
    assert yaml.safe_load(text).keys() == {"runs", "environment"}
    assert _first(path, proposal)["task"] == "What is 0?"


def test_tables_without_runs_give_no_proposal() -> None:
    table = build_table("users", ("id", "email"), [{"id": 1, "email": "a@example.com"}], "duckdb")
    assert propose([table], "duckdb", lambda *_: {}, datetime.now(UTC)) is None


@pytest.mark.parametrize(
    ("words", "found", "unknown"),
    [
        (["completed", "Failed", "RUNNING"], {}, []),
        (
            ["Solved", "broke", "in progress", "odd"],
            {"completed": ["Solved"], "failed": ["broke"], "unfinished": ["in progress", "odd"]},
            ["odd"],
        ),
        (["Gave up", "crashed", "aborted", "rejected"], {"failed": ["Gave up", "crashed", "aborted", "rejected"]}, []),
        (["finished", "resolved", "answered"], {"completed": ["finished", "resolved", "answered"]}, []),
        (["timed-out", ""], {"failed": ["timed-out"]}, []),
    ],
)
def test_words_of_statuses(words: list[str], found: dict[str, list[str]], unknown: list[str]) -> None:
    guessed = guess_statuses(dict.fromkeys(words, 1))
    assert (guessed.meanings, guessed.unknown) == (found, unknown)


def test_unknown_statuses_are_written_and_explained_once(make_sqlite: Any, proposed: Proposed) -> None:
    columns = ["id TEXT PRIMARY KEY", "bot", "outcome", "question", "reply", "started_at"]
    words = ("finished", "gave_up", "handover", "ok")
    rows = [(f"r{n}", "ab"[n % 2], words[n % 4], f"q {n}", f"a {n}", "2026-11-01 10:00") for n in range(_N)]
    text = render_mapping(proposed(f"sqlite:///{make_sqlite({'runs': (columns, rows)})}"), "sqlite:///own.db")
    assert yaml.safe_load(text)["statuses"] == {
        "completed": ["finished"],
        "failed": ["gave_up"],
        "unfinished": ["handover"],
    }
    for line in (
        "# gave_up: counted as failed, the usual meaning.",
        "# handover: counted as unfinished, because the meaning is unknown.",
        "# As unfinished, 5 of 20 runs would be left out, which changes the completion rate.",
        "# To change that, move a word to another list, such as `failed: [handover]`.",
        "# There is no environment column: all runs belong to this environment.",
    ):
        assert text.splitlines().count(line) == 1, line


_BODIES: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"agent": {"name": "A", "version": "1.2"}}, {"agent": "agent.name", "version": "agent.version"}),
    ({"agent": {"id": "A", "version": "1.2"}}, {"agent": "agent.id", "version": "agent.version"}),
    ({"bot": {"slug": "A"}, "user": {"name": "Ann", "message": "T"}}, {"agent": "bot.slug", "task": "user.message"}),
    ({"metadata": {"agent": "A", "env": "prod"}}, {"agent": "metadata.agent", "environment": "metadata.env"}),
    (
        {"metadata": {"assistant": {"name": "A"}, "usage": {"tokens": {"input": 7}}}},
        {"agent": "metadata.assistant.name", "input_tokens": "metadata.usage.tokens.input"},
    ),
]


@pytest.mark.parametrize(("body", "expected"), _BODIES)
@pytest.mark.parametrize("dialect", ["sqlite", "duckdb"])
def test_nested_values_are_candidates(body: dict[str, Any], expected: dict[str, str], dialect: str) -> None:
    def fill(value: Any, number: int) -> Any:
        if isinstance(value, dict):
            return {key: fill(inner, number) for key, inner in value.items()}
        return {"A": f"agent {number % 3}", "T": f"Do thing {number} of the list"}.get(value, value)

    rows = [{"id": f"r{n}", "answer": f"It is {n}.", **fill(body, n)} for n in range(_N)]
    table = build_table("runs", list(rows[0]), rows, dialect)
    proposal = propose([table], dialect, lambda *_: {}, datetime.now(UTC))
    assert proposal is not None
    guesses = proposal.guesses
    assert {name: guesses[name].column.name for name in expected if name in guesses} == expected
    assert not any("no column names the agent" in note for note in proposal.notes)


def test_another_nested_value_is_offered_and_the_query_reads_it(make_sqlite: Any, proposed: Proposed) -> None:
    inner = {"assistant": {"id": "a1", "name": "Ann"}}
    rows = [(f"r{n}", json.dumps({"metadata": inner} | {"n": n}), f"q {n}", f"a {n}") for n in range(_N)]
    path = make_sqlite({"runs": (["id TEXT PRIMARY KEY", "payload", "question", "reply"], rows)})
    proposal = proposed(f"sqlite:///{path}")
    assert [column.name for column in proposal.guesses["agent"].others] == ["payload.metadata.assistant.id"]
    assert _first(path, proposal)["agent"] == "Ann"


def test_nested_values_in_jsonb(postgres_url: str, proposed: Proposed) -> None:
    engine = sa.create_engine(postgres_url)
    body = {"agent": {"name": "Ann"}, "stats": {"latency_ms": 1500, "failed": True}}
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE runs (id int PRIMARY KEY, body jsonb, question text, reply text)")
        for n in range(8):
            connection.execute(
                sa.text("INSERT INTO runs VALUES (:n, :b, 'Why?', 'So.')"), {"n": n, "b": json.dumps(body)}
            )
    query = "\n".join(proposed(postgres_url).runs_query.lines())
    with engine.connect() as connection:
        row = connection.exec_driver_sql(query).mappings().first()
    engine.dispose()
    assert row is not None
    assert (row["agent"], row["status"], row["duration_seconds"]) == ("Ann", "failed", 1.5)


def _propose_rows(rows: list[dict[str, Any]], counts: dict[str, int] | None = None) -> Proposal:
    table = build_table("runs", list(rows[0]), rows, "duckdb")
    proposal = propose([table], "duckdb", lambda *_: counts or {}, datetime.now(UTC))
    assert proposal is not None
    return proposal


_ANSWERED = [
    {"Bot": "ab"[n % 2], "Question": f"Q {n}", "Answer": f"A {n}", "Started At": "2026-11-01 10:00"} for n in range(_N)
]


@pytest.mark.parametrize("values", [lambda n: f"T-{1000 + n}", lambda n: 1000 + n, lambda n: f"{n:032x}"])
def test_a_unique_column_is_the_id(values: Callable[[int], Any]) -> None:
    rows = [{"Ticket": values(n), **row, "Total Tokens": 150 + n} for n, row in enumerate(_ANSWERED)]
    proposal = _propose_rows(rows)
    assert proposal.runs_query.columns["id"] == '"Ticket"'
    assert proposal.guesses["task"].column.name == "Question"
    assert not any("checksum" in note for note in proposal.notes)
    # Not where a value returns in rows that were not sampled.
    assert _propose_rows(rows, {"T-1000": 2}).runs_query.columns["id"].startswith("md5(")


@pytest.mark.parametrize(
    "values",
    [
        lambda n: f"The ticket {n} is open",
        lambda n: n + 0.5,
        lambda n: f"2026-11-01 10:{n:02}:00",
        lambda n: f"T-{n // 2}",
        lambda n: f"T-{n}" if n else None,
    ],
)
def test_texts_fractions_times_and_gaps_are_no_id(values: Callable[[int], Any]) -> None:
    rows = [{"Ticket": values(n), **row} for n, row in enumerate(_ANSWERED)]
    assert _propose_rows(rows).runs_query.columns["id"].startswith("md5(")


def test_a_column_is_used_once(make_sqlite: Any, proposed: Proposed) -> None:
    columns = ["conv_id INTEGER PRIMARY KEY", "bot", "outcome", "prompt", "reply", "started_ms"]
    rows = [(n, "ab"[n % 2], "ok", f"Q {n}", f"A {n}", 1_790_000_000_000 + n) for n in range(_N)]
    columns_of_runs = proposed(f"sqlite:///{make_sqlite({'conversations': (columns, rows)})}").runs_query.columns
    assert columns_of_runs["id"] == "conv_id"
    assert "session_id" not in columns_of_runs


@pytest.mark.parametrize(("turns", "is_session"), [(1, False), (2, True)])
def test_a_session_id_of_every_run_is_none(turns: int, is_session: bool) -> None:
    rows = [{"id": f"r{n}", "session_id": f"s{n // turns}", **row} for n, row in enumerate(_ANSWERED)]
    assert ("session_id" in _propose_rows(rows).guesses) is is_session
