"""Retention: what goes and what stays, on both databases, and what a removal leaves that is killed at any step."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from tasks.judge.call_context import CallContext
from tasks.judge.claims import claimed
from tasks.judge.endpoint.stop_signal import StopSignal
from tasks.judge.ledger import PaidAnswer
from tasks.warehouse.ledger.sql_ledger import SqlLedger
from tasks.warehouse.owner import Owner, current_owner
from tasks.warehouse.parquet import read_parquet, write_parquet
from tasks.warehouse.retention.removal import Removable, Retention, Rule
from tasks.warehouse.schema import (
    REPORT_TABLES,
    judge_calls,
    labels,
    report_comparisons,
    reports,
    reused_answers,
)
from tasks.warehouse.sql import Warehouse

ROOT = Path(__file__).parents[3]
NOW = datetime.now(UTC)
RULE = Rule(NOW - timedelta(days=90))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "parquet"


@pytest.fixture
def make(warehouse: Warehouse, folder: Path) -> Callable[..., int]:
    """A report that ended ``days`` ago with rows, files, a page, and a paid answer of each of its two agents."""

    def write(days: int, environment: str = "prod/eu", status: str = "completed") -> int:
        return fill(warehouse, folder, days, environment, status)

    return write


def fill(warehouse: Warehouse, folder: Path, days: int, environment: str, status: str = "completed") -> int:
    moment = NOW - timedelta(days=days)
    report_id = warehouse.create_report({"environment": environment, "created_at": moment - timedelta(minutes=1)})
    if status == "pending":
        return report_id
    details = [{"agent_id": str(number), "agent_name": "a", "status": "evaluated"} for number in (1, 2)]
    criteria = [{"agent_id": "1", "criterion": "accuracy", "weight": 1.0, "threshold": 7.0}]
    runs = [{"agent_id": "1", "run_id": str(number), "status": "completed"} for number in range(3)]
    report = {"status": status, "generation_completed_at": moment}
    issue = {"title": "Loops", "agent_ids": ["1"], "runs": [], "runs_affected": 0, "state": "new", "origin": "code"}
    issues = [issue | {"issue_id": "i-3f9a2c", "first_report_id": report_id}]
    warehouse.write_report(report_id, report, details, criteria, runs, issues)
    row = warehouse.load_report(report_id)
    assert row is not None
    tables = {"reports": [row], "agent_report_details": details, "criterion_scores": criteria, "report_runs": runs}
    tables["report_issues"] = issues
    write_parquet(str(folder), environment, report_id, tables)
    page = folder / "pages" / environment.replace("/", "%2F") / f"{report_id}.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("<html>")
    for agent in (1, 2):
        pay(warehouse, report_id, f"{report_id}-{agent}", moment, agent)
    return report_id


def pay(warehouse: Warehouse, report_id: int, fingerprint: str, moment: datetime, agent: int = 1) -> None:
    values = {"fingerprint": fingerprint, "kind": "agent", "model": "m", "answer": "{}", "outcome": "usable"}
    numbers = dict.fromkeys(("prompt_tokens", "completion_tokens", "cached_tokens", "cost_usd"))
    answer = PaidAnswer(**values, **numbers, latency_seconds=1, attempts=1, report_id=report_id, agent_id=str(agent))
    SqlLedger(warehouse.database).commit(answer)
    with warehouse.database.writing() as connection:
        mine = sa.update(judge_calls).where(judge_calls.c.fingerprint == fingerprint)
        connection.execute(mine.values(created_at=moment))


def reuse(warehouse: Warehouse, report_id: int, fingerprint: str) -> None:
    ledger = SqlLedger(warehouse.database)
    known = ledger.claim(fingerprint, kind="agent", model="m", report_id=report_id, agent_id="1", seconds=60)
    assert isinstance(known, PaidAnswer)


def reuse_late(warehouse: Warehouse, report_id: int, fingerprint: str) -> None:
    """After the deadline, when nothing is claimed any more."""
    late = CallContext(
        fingerprint=fingerprint,
        kind="agent",
        model="m",
        deadline=time.monotonic() - 1,
        stop=StopSignal(),
        report_id=report_id,
        agent_id="1",
    )
    with claimed(SqlLedger(warehouse.database), late) as known:
        assert isinstance(known, PaidAnswer)


def compare(warehouse: Warehouse, baseline_id: int, report_id: int) -> None:
    row = {"baseline_id": baseline_id, "report_id": report_id, "presence": "both", "metric": "overall"}
    with warehouse.database.writing() as connection:
        connection.execute(sa.insert(report_comparisons), [row | {"verdict": "better", "created_at": NOW}])


def run(warehouse: Warehouse, folder: Path, rule: Rule = RULE) -> Removable:
    """A whole removal; what was announced before."""
    retention = Retention(warehouse.database, str(folder), rule)
    found = retention.find_removable()
    went: dict[str, int] = dict.fromkeys(found.rows, 0)
    for _, rows in retention.remove_reports():
        for name, count in rows.items():
            went[name] += count
    went["judge_calls"] += retention.remove_answers()
    assert went == found.rows
    assert sorted(each.path for each in retention.remove_files()) == sorted(each.path for each in found.files)
    return found


def ids(warehouse: Warehouse) -> set[int]:
    return {row["id"] for row in warehouse.list_reports(limit=1000)}


def fingerprints(warehouse: Warehouse) -> set[str]:
    with warehouse.database.reading() as connection:
        return set(connection.execute(sa.select(judge_calls.c.fingerprint)).scalars())


def files(folder: Path, at_least: int = 1) -> set[int]:
    """The ids of the reports that have so many files; five are all."""
    stems = [int(path.stem) for path in [*folder.rglob("*.parquet"), *folder.rglob("*.html")]]
    return {each for each in stems if stems.count(each) >= at_least}


def check_whole(warehouse: Warehouse, folder: Path, report_ids: set[int]) -> None:
    """Each of these reports is there with all its rows, files and answers."""
    assert report_ids <= files(folder, at_least=5)
    assert set(read_parquet(str(folder), "reports")["id"].to_pylist()) >= report_ids
    for report_id in report_ids:
        assert warehouse.load_report(report_id) is not None
        rows = (warehouse.load_agents, warehouse.load_criteria, warehouse.load_runs)
        assert [len(load(report_id)) for load in rows] == [2, 1, 3]
        assert {f"{report_id}-1", f"{report_id}-2"} <= fingerprints(warehouse)


# What goes and what stays


def test_old_reports_go_with_rows_answers_and_files(
    warehouse: Warehouse, folder: Path, make: Callable[..., int]
) -> None:
    gone = {make(200), make(150, status="failed"), make(91, status="cancelled")}
    kept = {make(89), make(1), make(400, environment="other")}
    found = run(warehouse, folder)
    assert {row["id"] for row in found.reports} == gone
    assert found.rows == {
        "reports": 3,
        "agent_report_details": 6,
        "criterion_scores": 3,
        "report_runs": 9,
        "report_issues": 3,
        "report_comparisons": 0,
        "judge_calls": 6,
    }
    assert len(found.files) == 18
    assert found.leftovers == ()
    assert ids(warehouse) == files(folder) == kept
    check_whole(warehouse, folder, kept)
    assert len(fingerprints(warehouse)) == 6
    with warehouse.database.reading() as connection:
        for table in REPORT_TABLES.values():
            if table is not reports:
                orphans = sa.select(table).where(table.c.report_id.not_in(kept))
                assert connection.execute(orphans).first() is None
    again = run(warehouse, folder)
    assert (again.reports, again.files, sum(again.rows.values())) == ((), (), 0)


def test_looking_changes_nothing(warehouse: Warehouse, folder: Path, make: Callable[..., int]) -> None:
    there = {make(200), make(1)}
    Retention(warehouse.database, str(folder), RULE).find_removable()
    check_whole(warehouse, folder, there)


def test_the_newest_completed_reports_of_each_environment_stay(
    warehouse: Warehouse, folder: Path, make: Callable[..., int]
) -> None:
    made = [make(days) for days in (500, 400, 300, 200)]
    make(150, status="failed")
    only_failed = [make(days, environment="test", status="failed") for days in (300, 200)]
    run(warehouse, folder, Rule(RULE.before, keep_last=2))
    assert ids(warehouse) == {made[2], made[3], only_failed[1]}
    run(warehouse, folder)
    assert ids(warehouse) == {made[3], only_failed[1]}


def test_what_a_kept_report_is_compared_with_stays(
    warehouse: Warehouse, folder: Path, make: Callable[..., int]
) -> None:
    oldest, baseline, kept = make(300), make(200), make(10)
    compare(warehouse, oldest, baseline)
    compare(warehouse, baseline, kept)
    found = run(warehouse, folder)
    assert found.rows["report_comparisons"] == 1
    assert ids(warehouse) == {baseline, kept}


def test_only_the_environment_that_was_named(warehouse: Warehouse, folder: Path, make: Callable[..., int]) -> None:
    mine, newest = make(200), make(100)
    others = {make(200, environment="other"), make(100, environment="other")}
    pay(warehouse, 10_000, "of a report that is gone", NOW - timedelta(days=300))
    found = run(warehouse, folder, Rule(RULE.before, environment="prod/eu"))
    assert [row["id"] for row in found.reports] == [mine]
    assert ids(warehouse) == {newest, *others}
    assert "of a report that is gone" in fingerprints(warehouse)


def test_a_report_in_progress_is_not_touched(warehouse: Warehouse, folder: Path, make: Callable[..., int]) -> None:
    running, again, newest = make(300, status="pending"), make(200), make(1)
    pay(warehouse, running, "paid", NOW - timedelta(days=200))
    retention = Retention(warehouse.database, str(folder), RULE)
    found = retention.find_removable()
    # Another process resumes it after it was checked.
    removing = retention.remove_reports()
    warehouse.take_report(again)
    assert [row["id"] for row in found.reports] == [again]
    assert list(removing) == []
    retention.remove_answers()
    assert list(retention.remove_files()) == []
    assert ids(warehouse) == {running, again, newest}
    assert "paid" in fingerprints(warehouse)
    check_whole(warehouse, folder, {again, newest})


def test_a_comparison_made_meanwhile_keeps_its_baseline(
    warehouse: Warehouse, folder: Path, make: Callable[..., int]
) -> None:
    first, second, newest = make(300), make(200), make(1)
    removing = Retention(warehouse.database, str(folder), RULE).remove_reports()
    assert next(removing)[0]["id"] == first
    compare(warehouse, second, newest)
    assert list(removing) == []
    check_whole(warehouse, folder, {second, newest})


def test_labels_stay(warehouse: Warehouse, folder: Path, make: Callable[..., int]) -> None:
    old = make(200)
    make(1)
    label = {"report_id": old, "environment": "prod/eu", "agent_id": "1", "criterion": "accuracy", "labeler": "ann"}
    with warehouse.database.writing() as connection:
        connection.execute(sa.insert(labels).values(label | {"created_at": NOW}))
    run(warehouse, folder)
    with warehouse.database.reading() as connection:
        assert connection.execute(sa.select(labels.c.report_id)).scalars().all() == [old]


# The ledger


@pytest.mark.parametrize("reuse", [reuse, reuse_late], ids=["in time", "after the deadline"])
def test_an_answer_stays_as_long_as_a_report_that_took_it(
    warehouse: Warehouse, folder: Path, make: Callable[..., int], reuse: Callable[[Warehouse, int, str], None]
) -> None:
    payer, taker, newest = make(300), make(200), make(1)
    for report_id in (taker, newest):
        reuse(warehouse, report_id, f"{payer}-1")
    reuse(warehouse, taker, f"{payer}-2")
    reuse(warehouse, newest, f"{newest}-1")
    run(warehouse, folder)
    assert ids(warehouse) == {newest}
    assert fingerprints(warehouse) == {f"{payer}-1", f"{newest}-1", f"{newest}-2"}
    with warehouse.database.reading() as connection:
        assert connection.execute(sa.select(reused_answers.c.report_id)).scalars().all() == [newest]
    later = make(0)
    with warehouse.database.writing() as connection:
        connection.execute(sa.update(reports).where(reports.c.id == newest).values(generation_completed_at=RULE.before))
    run(warehouse, folder, Rule(RULE.before + timedelta(seconds=1)))
    assert ids(warehouse) == {later}
    assert f"{payer}-1" not in fingerprints(warehouse)


def test_answers_of_reports_that_are_gone_have_their_time_too(
    warehouse: Warehouse, folder: Path, make: Callable[..., int]
) -> None:
    make(1)
    discarded = warehouse.create_report({"environment": "prod/eu"})
    pay(warehouse, discarded, "old", NOW - timedelta(days=91))
    pay(warehouse, discarded, "young", NOW - timedelta(days=89))
    pay(warehouse, discarded, "held", NOW - timedelta(days=91))
    reuse(warehouse, discarded + 5, "held")
    ledger = SqlLedger(warehouse.database)
    for name in ("lapsed", "claimed"):
        ledger.claim(name, kind="agent", model="m", report_id=discarded, agent_id="1", seconds=60)
    with warehouse.database.writing() as connection:
        lapsed = sa.update(judge_calls).where(judge_calls.c.fingerprint == "lapsed")
        connection.execute(lapsed.values(claimed_until=NOW - timedelta(days=91)))
    warehouse.discard_report(discarded)
    run(warehouse, folder)
    assert {"young", "claimed"} == fingerprints(warehouse) - {"1-1", "1-2"}


# Files


def test_files_of_reports_that_are_gone_are_found(warehouse: Warehouse, folder: Path, make: Callable[..., int]) -> None:
    gone, kept, running = make(200), make(1), make(0, status="pending")
    with warehouse.database.writing() as connection:
        connection.execute(sa.delete(reports).where(reports.c.id == gone))
    place = folder / "report_runs" / "prod%2Feu"
    left = [f".{each}.{'0a' * 16}.tmp" for each in (gone, kept, running)]
    others = ["9999.parquet", "notes.txt", "x.parquet", f"0{gone}.parquet"]
    for name in (*left, *others):
        (place / name).write_bytes(b"x")
    (folder / "report_runs" / "of-another-warehouse").mkdir()
    (folder / "report_runs" / "of-another-warehouse" / "1.parquet").write_bytes(b"x")
    found = run(warehouse, folder)
    assert len(found.leftovers) == len(found.files) == 6 + 2
    there = {path.name for path in place.iterdir()}
    # That of the report in progress is its writer's, an id never given is of another warehouse.
    assert there == {f"{kept}.parquet", left[2], *others}
    assert (folder / "report_runs" / "of-another-warehouse" / "1.parquet").exists()


def test_what_a_killed_writer_left_of_a_kept_report_is_found(
    warehouse: Warehouse, folder: Path, make: Callable[..., int]
) -> None:
    """Of a report that was resumed and has just ended, and of one whose process is dead."""
    ended, dead = make(0), make(0, status="pending")
    gone = Owner(host=current_owner().host, pid=2**22 + 1, process_started=1.0)
    with warehouse.database.writing() as connection:
        connection.execute(sa.update(reports).where(reports.c.id == dead).values(owner=gone))
    place = folder / "report_runs" / "prod%2Feu"
    for each in (ended, dead):
        (place / f".{each}.{'0a' * 16}.tmp").write_bytes(b"x")
    assert len(run(warehouse, folder).leftovers) == 2
    assert [path.name for path in place.iterdir()] == [f"{ended}.parquet"]


def test_what_a_link_leads_to_is_somebody_elses(
    warehouse: Warehouse, folder: Path, make: Callable[..., int], tmp_path: Path
) -> None:
    gone, _ = make(200), make(1)
    with warehouse.database.writing() as connection:
        connection.execute(sa.delete(reports).where(reports.c.id == gone))
    pages, elsewhere = folder / "pages" / "prod%2Feu", tmp_path / "elsewhere"
    pages.rename(elsewhere)
    pages.symlink_to(elsewhere)
    run(warehouse, folder)
    assert (elsewhere / f"{gone}.html").exists()
    assert not (folder / "reports" / "prod%2Feu" / f"{gone}.parquet").exists()


def test_the_page_that_is_being_written_is_spared(warehouse: Warehouse, folder: Path, make: Callable[..., int]) -> None:
    """It is written once the report has ended."""
    begun = make(0)
    temporary = folder / "pages" / "prod%2Feu" / f".{begun}.{'0a' * 16}.tmp"
    temporary.write_bytes(b"x")
    assert run(warehouse, folder).leftovers == ()
    assert temporary.exists()
    with warehouse.database.writing() as connection:
        connection.execute(sa.update(reports).values(generation_completed_at=NOW - timedelta(hours=2)))
    assert len(run(warehouse, folder).leftovers) == 1
    assert not temporary.exists()


def test_without_a_folder_there_are_no_files(warehouse: Warehouse, tmp_path: Path) -> None:
    warehouse.create_report({"environment": "prod"})
    found = Retention(warehouse.database, str(tmp_path / "nowhere"), RULE).find_removable()
    assert found.files == ()


# Killed


_KILLED = """
import os, signal, sys
from datetime import datetime, timedelta
import fsspec, sqlalchemy as sa
from fsspec.implementations.local import LocalFileSystem
from tasks.warehouse.retention.removal import Retention, Rule
from tasks.warehouse.sql import open_warehouse

url, folder, before = sys.argv[1:]

def count(*_):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

class Counting(LocalFileSystem):
    protocol = "counting"
    def rm_file(self, path):
        count()
        super().rm_file(path)

fsspec.register_implementation("counting", Counting)

def remove():
    warehouse = open_warehouse(url)
    retention = Retention(warehouse.database, f"counting://{folder}", Rule(datetime.fromisoformat(before)))
    def look(connection, cursor, text, *_):
        if text.startswith("DELETE"):
            count()

    sa.event.listen(sa.engine.Engine, "before_cursor_execute", look)
    sa.event.listen(sa.engine.Engine, "commit", count)
    list(retention.remove_reports())
    retention.remove_answers()
    list(retention.remove_files())

# What takes long is imported once: each step has a copy of this process.
for step in sys.stdin:
    left = int(step)
    if (copy := os.fork()) == 0:
        remove()
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1]), flush=True)
"""


def test_killed_at_any_step_it_loses_nothing_and_the_next_one_finishes(
    warehouse: Warehouse, warehouse_url: str, folder: Path, make: Callable[..., int]
) -> None:
    """The steps: every DELETE, every commit, every file. What a killed one leaves, the next one finds."""
    kept = {make(10), make(1)}
    steps = killed = 0
    arguments = [warehouse_url, str(folder), RULE.before.isoformat()]
    with subprocess.Popen(
        [sys.executable, "-c", _KILLED, *arguments], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        while True:
            for days in (200, 150):
                make(days, status="failed")
            process.stdin.write(f"{steps}\n")
            process.stdin.flush()
            ended = int(process.stdout.readline())
            assert ended in (0, -signal.SIGKILL)
            there = ids(warehouse)
            check_whole(warehouse, folder, kept)
            # A report is whole or gone; of one that is gone, files may be left.
            check_whole(warehouse, folder, there)
            if ended == 0:
                assert there == files(folder) == kept
                break
            killed += 1
            run(warehouse, folder)
            assert ids(warehouse) == files(folder) == kept
            assert len(fingerprints(warehouse)) == 4
            steps += 5
        process.stdin.close()
    assert killed >= 5
