"""What is found in files: a mapping where columns have names of their own, none where they have the contract's."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values

from deployments.init.env_file import render_env
from deployments.init.looking import Look, look_at
from deployments.init.place import find_place
from tasks.errors import SourceError
from tasks.settings import Settings

Query = Callable[..., list[dict[str, Any]]]


def _look(path: Path) -> Look:
    return look_at(find_place(str(path)), Settings(_env_file=None))


def _write_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_conversations_without_anything_else(tmp_path: Path, query_files: Query) -> None:
    turns = (("user", "q"), ("assistant", "a"))
    rows = [{"messages": [{"role": role, "content": f"{text}{n}"} for role, text in turns]} for n in range(3)]
    path = _write_lines(tmp_path / "chat.jsonl", rows)
    look = _look(path)
    assert look.proposal is not None
    found = query_files(str(path), look.proposal)
    assert len({row["id"] for row in found}) == 3
    assert {(row["agent"], row["status"]) for row in found} == {("runs", "completed")}
    assert json.loads(found[0]["messages"]) == rows[0]["messages"]
    assert found[0]["started_at"].startswith("20")
    assert len(look.proposal.notes) == 4


def test_a_spreadsheet(tmp_path: Path, query_files: Query) -> None:
    with (tmp_path / "runs.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Run ID", "Agent", "Started", "User prompt", "Answer", "Succeeded", "Latency ms"])
        writer.writerows(
            [f"r{n}", "ab"[n % 2], f"2026-11-20 10:{n:02}", f"do {n}", f"did {n}", "true", 1500] for n in range(12)
        )
    look = _look(tmp_path / "runs.csv")
    assert look.proposal is not None
    row = query_files(str(tmp_path / "runs.csv"), look.proposal)[0]
    assert row == {
        "id": "r0",
        "agent": "a",
        "status": "completed",
        "started_at": "2026-11-20 10:00",
        "duration_seconds": 1.5,
        "task": "do 0",
        "final_response": "did 0",
    }


def test_the_contracts_names_need_no_mapping(tmp_path: Path) -> None:
    row = {"id": "1", "agent": "a", "environment": "p", "status": "ok", "started_at": "2026-11-20T10:00:00Z"}
    look = _look(_write_lines(tmp_path / "runs.jsonl", [row]))
    assert look.proposal is None
    assert "source contract" in look.known
    # Without an environment, one has to be named.
    del row["environment"]
    assert _look(_write_lines(tmp_path / "runs.jsonl", [row])).proposal is not None


def test_other_tables_with_the_contracts_names_need_a_mapping(make_sqlite: Callable[..., Path]) -> None:
    names = ("id", "agent", "environment", "status", "started_at", "task")
    runs = (names, [(n, "ab"[n % 2], "p", "ok", f"2026-11-20 10:0{n}:00", f"do {n}") for n in range(6)])
    assert _look(make_sqlite({"runs": runs})).proposal is None
    # Without a mapping it would be read as the list of environments, and lacks that column.
    look = _look(make_sqlite({"environments": (("id", "name"), [(1, "p")])}))
    assert look.proposal is not None
    assert look.proposal.runs.name == "runs"


def test_an_export_is_known_by_its_columns(tmp_path: Path) -> None:
    row = {
        "id": "r1",
        "trace_id": "t1",
        "parent_run_id": None,
        "run_type": "chain",
        "start_time": "2026-11-20T10:00:00Z",
    }
    look = _look(_write_lines(tmp_path / "export.jsonl", [row]))
    assert (look.preset, look.proposal) == ("langsmith", None)
    assert dotenv_values(stream=StringIO(render_env("x", "", "p", has_traces=True, preset="langsmith"))) == {
        "AGENT_REPORT_SOURCE_URL": "x",
        "AGENT_REPORT_SOURCE_PRESET": "langsmith",
        "AGENT_REPORT_ENVIRONMENT": "p",
    }


def test_a_store_is_shown_without_its_password() -> None:
    for url in ("phoenix+http://me:s3cret@host:6006", "phoenix+http://me:pass/s3cret@host:6006"):
        assert "s3cret" not in look_at(find_place(url), Settings(_env_file=None)).shown


def test_files_without_anything_to_judge_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no table that looks like agents' runs; there is runs \(id, email\)"):
        _look(_write_lines(tmp_path / "users.jsonl", [{"id": 1, "email": "a@example.com"}]))
    answer = {"data": [], "total": 0, "limit": 0, "offset": 0, "errors": None}
    with pytest.raises(SourceError, match=r"read Jaeger itself"):
        _look(_write_lines(tmp_path / "answer.jsonl", [answer]))
