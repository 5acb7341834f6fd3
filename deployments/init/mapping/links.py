"""Which table a column refers to: by a foreign key, by names, or by the values in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployments.init.columns import Column
from deployments.init.mapping.guesses import Guess, guess_agent, singular, words_of
from deployments.init.mapping.vocabulary import AGENT_TABLES
from deployments.init.tables import Table

_ID_WORDS = {"id", "uid", "uuid", "key", "slug", "ref", "fk"}


@dataclass(frozen=True, slots=True)
class Link:
    """``column`` of one table holds values of ``target`` in ``table``."""

    column: Column
    table: Table
    target: Column

    def condition(self, source: Table) -> str:
        """What joins a row of ``source`` with its row of ``table``, in a subquery."""
        return f"{self.table.alias}.{self.target.expression} = {source.alias}.{self.column.expression}"


def find_agents(runs: Table, guess: Guess | None, tables: Sequence[Table]) -> Link | None:
    """The table of agents that a column of ``runs`` refers to."""
    if guess is None:
        return None
    candidates = [column for column in (guess.column, *guess.others) if "." not in column.name]
    others = [place for place in tables if place is not runs]
    for column in candidates:
        if (link := find_link(column, others)) is not None and "name" in guess_agent(link.table):
            return link
    for place in others:
        if set(singular(words_of(place.name))) & AGENT_TABLES:
            for column in candidates:
                for target in place.columns:
                    if _holds_all(target, column):
                        return Link(column, place, target)
    return None


def find_link(column: Column, tables: Sequence[Table]) -> Link | None:
    """The table and column that ``column`` refers to by a foreign key, or by its name (``bot_id``: bots.id)."""
    if column.refers_to is not None:
        name, key = column.refers_to
        for place in tables:
            if place.name.rpartition(".")[2] == name and (target := place.column(key)) is not None:
                return Link(column, place, target)
    words = words_of(column.name)
    if len(words) < 2 or words[-1] not in _ID_WORDS:
        return None
    for place in tables:
        of_table = singular(words_of(place.name.rpartition(".")[2]))
        if of_table == words[:-1] or of_table[-1:] == words[:-1]:
            keys = [place.column(words[-1]), place.column(column.name), *(c for c in place.columns if c.is_key)]
            for target in keys:
                if target is not None and _may_hold(target, column):
                    return Link(column, place, target)
    return None


def find_label(source: Table, column: Column, tables: Sequence[Table]) -> str:
    """The name that an id in ``column`` stands for, as a subquery; "" when it refers to no table with names."""
    link = find_link(column, [place for place in tables if place is not source])
    name = guess_agent(link.table).get("name") if link else None
    if link is None or name is None:
        return ""
    label = f"{link.table.alias}.{name.column.expression}"
    # Names in the database, quoted; a person reads the query before it is used.
    return f"(SELECT {label} FROM {link.table.expression} WHERE {link.condition(source)})"  # noqa: S608


def _texts(column: Column) -> set[str]:
    return {str(value) for value in column.values}


def _may_hold(target: Column, column: Column) -> bool:
    """Whether values of ``column`` may be in ``target``, of which only a sample is known."""
    return not column.values or not target.values or target.kind == column.kind


def _holds_all(target: Column, column: Column) -> bool:
    wanted = _texts(column)
    return bool(wanted) and target.distinct == len(target.values) and wanted <= _texts(target)
