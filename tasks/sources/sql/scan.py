"""Every run of some agents in a window: a query for few columns, whose rows come in chunks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, or_, select

from tasks.evidence.timestamps import EPOCH
from tasks.evidence.types import Agent
from tasks.evidence.values import read_text
from tasks.sources.contract.columns import RUN, SLIM, names
from tasks.sources.contract.rows import Row
from tasks.sources.source import Window
from tasks.sources.sql.relation import Relation
from tasks.sources.sql.tables import Tables

FROM_MESSAGES = frozenset({"task", "final_response", "tool_calls", "execution_steps"})
"""Those that ``messages`` can fill in."""
FROM_STEPS = frozenset({"tool_calls", "execution_steps"})
"""Those that steps can fill in."""
_ROWS = 2_000
# Characters of an error: longer than what is kept of it, so that no secret is cut in two there.
_ERROR_BEGINNING, _ERROR_END = 2_000, 1_000
# No zone is further from UTC, and a date is compared by its day.
_MOST_OFFSET = timedelta(days=2)
_ISO_DAY = "[12][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]*"


def scan_query(tables: Tables, agents: Sequence[Agent], window: Window, columns: Collection[str]) -> Select[Any]:
    """The runs of ``agents`` (at least one) that may be in ``window``, and those whose dates are odd."""
    runs = tables.runs
    wanted = SLIM.union(columns, ("messages",) if FROM_MESSAGES.intersection(columns) else ())
    there = [name for name in names(RUN) if name in wanted and name in runs]
    read = [column for name in there for column in _read(runs, name, whole=name in columns)]
    query = select(*read).select_from(runs.of)
    query = query.where(
        runs.is_any_of("agent", [agent.id for agent in agents]),
        *tables.of_environment(agents[0].environment),
        *_within(runs, window),
    )
    if window.filter_model:
        query = query.where(runs.is_text("model_name", window.filter_model))
    if window.unit == "session":
        query = query.order_by(runs.exact("agent"), runs.exact("session_id"))
    return query


def stream_rows(connection: Connection, query: Select[Any]) -> Iterator[list[Row]]:
    """The rows of ``query`` by the names of its columns, some at once; only these are in memory."""
    result = connection.execute(query, execution_options={"yield_per": _ROWS})
    columns = tuple(result.keys())
    for values in result.partitions():
        yield [_joined(dict(zip(columns, row, strict=True))) for row in values]


def _read(runs: Relation, name: str, *, whole: bool) -> list[ColumnElement[Any]]:
    if name == "error" and not whole:
        return runs.ends(name, _ERROR_BEGINNING, _ERROR_END)
    return [runs.value(name)]


def _joined(row: dict[str, Any]) -> Row:
    """``row`` with the last lines of its error behind the beginning: that of a traceback shows what failed."""
    if (end := row.pop("error_end", None)) is not None:
        lines = (read_text(end) or "").partition("\n")[2]
        row["error"] = f"{read_text(row['error'])}\n{lines}" if lines else row["error"]
    return row


def _within(runs: Relation, window: Window) -> Iterator[ColumnElement[bool]]:
    """The condition that a run may be in ``window`` or has an odd date, as far as the database can compare."""
    started = runs.started()
    if started is not None:
        first = runs.moment(max(window.since or EPOCH, EPOCH))
        yield or_(started.is_(None), started >= first, started < runs.moment(EPOCH))
    elif window.since is not None and window.since > EPOCH and runs.dialect == "sqlite" and "started_at" in runs:
        raw = runs.raw("started_at")
        day = (window.since.astimezone(UTC) - _MOST_OFFSET).strftime("%Y-%m-%d")
        yield or_(raw.is_(None), ~raw.op("GLOB")(_ISO_DAY), raw >= day)
