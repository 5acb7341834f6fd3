"""Paid answers in SQL: kept when they arrive, found again."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tasks.judge.ledger import Ledger, PaidAnswer
from tasks.warehouse.ledger.sql_ledger import SqlLedger
from tasks.warehouse.sql import Warehouse

ROOT = Path(__file__).parents[3]


def answer(fingerprint: str, **changes: Any) -> PaidAnswer:
    values: dict[str, Any] = {
        "fingerprint": fingerprint,
        "kind": "agent",
        "model": "gpt-5.4-mini",
        "answer": '{"score": 7}',
        "outcome": "usable",
        "prompt_tokens": 1000,
        "completion_tokens": 20,
        "cached_tokens": 512,
        "cost_usd": 0.1 + 0.2,
        "latency_seconds": 2.25,
        "attempts": 1,
        "report_id": 3,
        "agent_id": "7",
    }
    return PaidAnswer(**{**values, **changes})


def test_an_answer_is_found_as_it_was_committed(warehouse: Warehouse) -> None:
    ledger: Ledger = SqlLedger(warehouse.database)
    full = answer("full")
    bare = answer("bare", kind="team", agent_id=None, report_id=None, prompt_tokens=None, completion_tokens=None)
    bare = bare.model_copy(update={"cached_tokens": None, "cost_usd": None})
    for paid in (full, bare):
        ledger.commit(paid)
    assert ledger.find("full") == full
    assert ledger.find("bare") == bare
    assert ledger.find("never asked") is None


def test_the_newest_usable_answer_counts(warehouse: Warehouse) -> None:
    ledger = SqlLedger(warehouse.database)
    ledger.commit(answer("f", answer="<html>", outcome="unparseable"))
    assert ledger.find("f") is None
    ledger.commit(answer("f", answer="first"))
    ledger.commit(answer("f", answer="second"))
    ledger.commit(answer("f", answer="cut", outcome="length"))
    found = ledger.find("f")
    assert found is not None
    assert found.answer == "second"


def test_an_answer_that_a_report_takes_is_kept_for_it(warehouse: Warehouse) -> None:
    ledger = SqlLedger(warehouse.database)
    paid = answer("f")
    ledger.commit(paid)
    of: dict[str, Any] = {"kind": "agent", "model": "m", "report_id": 9, "agent_id": "7", "seconds": 60}
    assert ledger.claim("f", **of) == paid
    with warehouse.database.reading() as connection:
        assert connection.execute(sa.text("SELECT report_id FROM reused_answers")).scalars().all() == [9]


def test_answers_are_answered_whatever_their_outcome(warehouse: Warehouse) -> None:
    ledger = SqlLedger(warehouse.database)
    for outcome in ("usable", "refused"):
        ledger.commit(answer("f", outcome=outcome))
    with warehouse.database.reading() as connection:
        rows = connection.execute(sa.text("SELECT status, outcome FROM judge_calls ORDER BY id")).all()
        assert [tuple(row) for row in rows] == [("answered", "usable"), ("answered", "refused")]


def test_a_claim_is_no_answer(warehouse: Warehouse) -> None:
    ledger = SqlLedger(warehouse.database)
    ledger.commit(answer("f"))
    with warehouse.database.writing() as connection:
        connection.execute(sa.text("UPDATE judge_calls SET status = 'claimed'"))
    assert ledger.find("f") is None


def test_answers_from_many_threads_and_processes_are_all_kept(
    warehouse: Warehouse, warehouse_url: str, together: Callable[..., list[str]]
) -> None:
    imports = f"""
from concurrent.futures import ThreadPoolExecutor
from tasks.judge.ledger import PaidAnswer
from tasks.warehouse.ledger.sql_ledger import SqlLedger
from tasks.warehouse.sql import open_warehouse
ledger = SqlLedger(open_warehouse({warehouse_url!r}).database)
paid = PaidAnswer.model_validate_json({answer("x").model_dump_json()!r})
"""
    code = """
with ThreadPoolExecutor(20) as pool:
    list(pool.map(lambda n: ledger.commit(paid.model_copy(update={"fingerprint": f"NAME-{n}"})), range(60)))
"""
    together(imports, code.replace("NAME", "a"), code.replace("NAME", "b"))
    ledger = SqlLedger(warehouse.database)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ledger.find, [f"{name}-{n}" for name in "ab" for n in range(60)]))


def test_a_committed_answer_outlives_a_kill(warehouse: Warehouse, warehouse_url: str) -> None:
    code = f"""
import os, signal
from tasks.judge.ledger import PaidAnswer
from tasks.warehouse.ledger.sql_ledger import SqlLedger
from tasks.warehouse.sql import open_warehouse
ledger = SqlLedger(open_warehouse({warehouse_url!r}).database)
ledger.commit(PaidAnswer.model_validate_json({answer("x").model_dump_json()!r}))
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert SqlLedger(warehouse.database).find("x") == answer("x")


def test_an_answer_of_hard_text_is_kept(warehouse: Warehouse) -> None:
    ledger = SqlLedger(warehouse.database)
    ledger.commit(answer("f", answer="{\0 \ud83d " + "ü" * 200_000, cost_usd=float("nan")))
    found = ledger.find("f")
    assert found is not None
    assert found.answer == "{\ufffd \ufffd " + "ü" * 200_000
    assert found.cost_usd is None
