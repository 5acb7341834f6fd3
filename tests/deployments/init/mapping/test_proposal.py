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
    assert proposal.statuses == {"completed": ["solved"], "failed": ["broke"], "unfinished": ["live"]}
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
    assert proposal.statuses == {"completed": ["closed"]}
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
    assert "# agent: made_with is a guess" in text
    assert "# task: read from question; it may also be prompt" in text


def test_names_that_are_hostile_are_quoted(make_sqlite: Any, proposed: Proposed) -> None:
    columns = ['"Agent"', '"Prompt: ""x"" :y --"', '"Response"', '"Date"', '"order"', '"Status\n"']
    rows = [("a", f"What is {n}?", f"It is {n}.", "2026-11-01 10:00", n, "ok") for n in range(_N)]
    path = make_sqlite({"log; 2026": (columns, rows)})
    proposal = proposed(f"sqlite:///{path}")
    text = render_mapping(proposal, "x\n- y")
    assert yaml.safe_load(text).keys() == {"runs", "environment"}
    assert _first(path, proposal)["task"] == "What is 0?"


def test_tables_without_runs_give_no_proposal() -> None:
    table = build_table("users", "users", [{"id": 1, "email": "a@example.com"}], {"id": "", "email": ""}, "duckdb")
    assert propose([table], "duckdb", lambda *_: {}, datetime.now(UTC)) is None


@pytest.mark.parametrize(
    ("words", "found", "unknown"),
    [
        (["completed", "Failed", "RUNNING"], {}, []),
        (
            ["Solved", "broke", "in progress", "odd"],
            {"completed": ["Solved"], "failed": ["broke"], "unfinished": ["in progress"]},
            ["odd"],
        ),
        (["timed-out", ""], {"failed": ["timed-out"]}, []),
    ],
)
def test_words_of_statuses(words: list[str], found: dict[str, list[str]], unknown: list[str]) -> None:
    assert guess_statuses(words) == (found, unknown)
