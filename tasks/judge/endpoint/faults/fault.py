"""What is wrong when an endpoint refuses a call, and what is done next: how a row of the table is made and found."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from tasks.judge.endpoint.refusals.refusal import Refusal

Cause = Literal[
    "redirect",
    "scheme",
    "proxy",
    "quota",
    "moderation",
    "key",
    "model",
    "length",
    "role",
    "generation",
    "schema",
    "format",
    "limit",
    "temperature",
    "stream",
    "unnamed",
    "loading",
    "wait",
    "server",
    "call",
]
# Further on, an error may echo the request, and with it what agents wrote.
_MOST_READ = 1000
# Errors of these are not about the format or a parameter, whatever else their words mention.
_FIXED = re.compile(r"(?:model|messages?)(?![a-z_])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Example:
    """What a real server returns: ``status`` and ``words``, with the code and the parameter that it names, if any."""

    server: str
    status: int
    words: str
    code: str = ""
    param: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """A row of the table: ``what`` is wrong as a title, and what is done ``next`` as sentences, both for the docs.

    A refusal is this when its status is among ``statuses`` (empty: any) and it has one of ``names`` (codes and types,
    lower case), or its words match ``words``, or ``matches`` accepts it, or its parameter matches ``param``. A row
    without these is recognised by the status alone, and of ``per_day`` rows by a limit of a day. ``alone_statuses`` are
    enough by themselves. ``named`` rows concern a part of the request; of those that match, the one that the refusal
    names first comes first.
    """

    cause: Cause
    what: str
    next: str
    examples: tuple[Example, ...]
    statuses: frozenset[int] = frozenset()
    names: frozenset[str] = frozenset()
    words: re.Pattern[str] | None = None
    matches: Callable[[Refusal], bool] | None = None
    param: re.Pattern[str] | None = None
    alone_statuses: frozenset[int] = frozenset()
    named: bool = False
    per_day: bool = False

    def place_in(self, refusal: Refusal) -> int | None:
        """How far into the refusal it is named, 0 at first; None when the refusal is something else."""
        if refusal.status in self.alone_statuses:
            return 0
        if (self.statuses and refusal.status not in self.statuses) or (self.per_day and not refusal.per_day):
            return None
        if not self.names and self.words is None and self.matches is None and self.param is None:
            return None if self.alone_statuses else 0
        if not self.names.isdisjoint(refusal.names) or (self.param and self.param.match(refusal.param)):
            return 0
        if (self.named or self.cause == "unnamed") and _FIXED.match(refusal.param):
            return None
        if self.matches is not None:
            return 0 if self.matches(refusal) else None
        match = self.words.search(refusal.words[:_MOST_READ]) if self.words else None
        return 1 + match.start() if match else None


def recognise(refusal: Refusal, table: Sequence[Fault]) -> Iterator[Fault]:
    """The rows of ``table`` that the refusal can be, the most likely first."""
    for named, rows in _groups(table):
        places = [(place, fault) for fault in rows if (place := fault.place_in(refusal)) is not None]
        if named:
            places.sort(key=lambda found: found[0])
        yield from (fault for _, fault in places)


def _groups(table: Sequence[Fault]) -> Iterator[tuple[bool, list[Fault]]]:
    """Consecutive rows that are named, together; each other row alone."""
    named: list[Fault] = []
    for fault in table:
        if fault.named:
            named.append(fault)
            continue
        if named:
            yield True, named
            named = []
        yield False, [fault]
    if named:
        yield True, named


def any_of(*parts: str) -> re.Pattern[str]:
    """A pattern for words that match any of ``parts``, in any case."""
    return re.compile("|".join(parts), re.IGNORECASE)
