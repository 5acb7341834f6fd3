"""What is read of a database, whatever its tables are called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, Select, func

from tasks.evidence.timestamps import EPOCH
from tasks.evidence.types import Agent
from tasks.evidence.values import Redact, read_text
from tasks.sources.source import Window
from tasks.sources.sql.relation import Relation


class Tables(Protocol):
    """What is read of a database; ``steps`` and ``signals`` are None where there are none."""

    runs: Relation
    steps: Relation | None
    signals: Relation | None

    def environments(self, connection: Connection) -> list[str]:
        """The names of the environments, each once, in order."""
        ...

    def count_runs(self, connection: Connection) -> Iterable[tuple[str, int]]:
        """The environment and the number of runs of each agent that has some."""
        ...

    def agents(self, connection: Connection, environment: str, window: Window, redact: Redact | None) -> list[Agent]:
        """The agents of an environment that exists, in any order."""
        ...

    def of_environment(self, environment: str) -> Iterable[ColumnElement[bool]]:
        """The conditions that a run is of ``environment``; none where its agent defines it."""
        ...


def count_by(runs: Relation, columns: Sequence[str]) -> Select[Any]:
    """The number of runs, as ``count``, by the values of ``columns``."""
    return runs.select(columns).add_columns(func.count().label("count")).group_by(*(runs.raw(name) for name in columns))


def within(runs: Relation, window: Window) -> Iterator[ColumnElement[bool]]:
    """The conditions that a run starts in ``window`` and is of its model, as far as the database can compare."""
    started = runs.started()
    if started is not None:
        yield started <= runs.moment(window.until)
        yield started >= runs.moment(max(window.since or EPOCH, EPOCH))
    if window.filter_model and "model_name" in runs:
        yield runs.is_text("model_name", window.filter_model)


def rows_of(connection: Connection, query: Select[Any]) -> Iterator[Mapping[str, Any]]:
    """The rows of ``query`` by the names of its columns."""
    for row in connection.execute(query).mappings():
        yield dict(row)


def distinct_names(values: Iterable[object]) -> list[str]:
    """Values as texts, each once, in order; without those that are none."""
    return sorted({text for value in values if (text := read_text(value)) is not None})
