"""Which runs of a population are read in full: drawn at random by strata, and the same of the same population.

A stratum is a kind of failure, or the completed runs, in a part of the window. Each run has a hash of its agent and of
its id; of each stratum, those with the smallest hashes are drawn: a simple random sample without replacement, whatever
the order in which the runs come (bottom-k sampling; Cohen and Kaplan, PODC 2007). What is kept of two strata can be
merged, so that the strata are chosen when all runs are counted.

A run keeps its hash from report to report, as a permanent random number (E. Ohlsson, "Coordination of samples using
permanent random numbers", Business Survey Methods, 1995): samples of windows that overlap share most of their runs,
what was paid for these is used again, and two reports differ by the runs that are new and not by the draw.
"""

from __future__ import annotations

import heapq
import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b, sha256
from itertools import chain, count, pairwise
from typing import Any, NamedTuple

from tasks.evidence.types import RunId

SLICES = 4
"""Parts of a window, of equal length."""
_KEPT = 40_000
_LEAST_KINDS, _MOST_KINDS = 40, 1000
# Of the sample at least so much are failures, where there are as many.
_FAILURES_SHARE = 0.25
# A stratum is divided by time where each part has as many draws.
_LEAST_DRAWS = 2


class Chosen(NamedTuple):
    """A run to be read; ``raw_id`` is what its source finds it by."""

    started_at: datetime
    run_id: RunId
    raw_id: Any


class Drawn(NamedTuple):
    """A run of the sample, the kind of its failure ("" when it completed), and how probable it was to be drawn."""

    chosen: Chosen
    kind: str
    probability: float


Entry = tuple[int, int, Chosen]
"""The hash, negative, so that the first of a heap is the largest; a number that no other entry has; the run."""


@dataclass(slots=True)
class Cell:
    """The runs of one kind in one slice: how many, and those with the smallest hashes."""

    runs: int = 0
    entries: list[Entry] = field(default_factory=list)


class Sampler:
    """Draws at most ``size`` of one agent's runs. Keeps at most ``size`` of each kind and slice.

    ``seed`` names the agent and its environment. More than ``most_kinds`` kinds of failure are no strata: the failures
    are divided by time alone then.
    """

    def __init__(self, size: int, seed: str) -> None:
        self._size = size
        self._key = sha256(seed.encode()).digest()
        self._kinds: dict[str, list[Cell]] = {}
        self._numbers = count()
        self._hashes = array("Q")
        self.most_kinds = max(_LEAST_KINDS, min(_MOST_KINDS, _KEPT // size))
        self.has_all_kinds = True

    def add(self, chosen: Chosen, kind: str, place: int) -> None:
        """Take a finished run into account; ``kind`` is "" for a completed one, ``place`` 0 to ``SLICES`` - 1."""
        cells = self._kinds.get(kind)
        if cells is None:
            if kind and len(self._kinds) > self.most_kinds:
                self.has_all_kinds = False
                kind = OTHER
            cells = self._kinds.setdefault(kind, [Cell() for _ in range(SLICES)])
        cell = cells[place]
        cell.runs += 1
        text = chosen.run_id.encode("utf-8", "surrogatepass")
        hashed = int.from_bytes(blake2b(text, digest_size=8, key=self._key).digest(), "big")
        self._hashes.append(hashed)
        rank = -hashed
        if len(cell.entries) < self._size:
            heapq.heappush(cell.entries, (rank, next(self._numbers), chosen))
        elif rank > cell.entries[0][0]:
            heapq.heapreplace(cell.entries, (rank, next(self._numbers), chosen))

    def draw(self) -> list[Drawn]:
        """The sample, newest first, equal times by id; every run has a probability above 0."""
        kind_of = {
            chosen.run_id: kind
            for kind, cells in self._kinds.items()
            for cell in cells
            for _, _, chosen in cell.entries
        }
        drawn = {}
        for cells, draws in self._strata():
            runs = sum(cell.runs for cell in cells)
            entries = heapq.nlargest(draws, chain.from_iterable(cell.entries for cell in cells), key=_by_hash)
            for _, _, chosen in entries:
                # A row that is there twice is one run.
                drawn[chosen.run_id] = Drawn(chosen, kind_of[chosen.run_id], draws / runs)
        return sorted(drawn.values(), key=lambda one: one.chosen[:2], reverse=True)

    def count_repeated(self) -> int:
        """How many runs were added under an id that another one has."""
        return sum(one == other for one, other in pairwise(sorted(self._hashes)))

    def _strata(self) -> list[tuple[Sequence[Cell], int]]:
        """The strata as their cells, each with the number of its draws."""
        completed = self._kinds.get("", [])
        failures = {kind: cells for kind, cells in self._kinds.items() if kind}
        n_completed, n_failed = _runs(completed), sum(map(_runs, failures.values()))
        if min(self._size, n_completed + n_failed) < 2:
            every = [cell for cells in self._kinds.values() for cell in cells]
            return [(every, 1)] if _runs(every) else []
        of_failures = _failure_draws(n_failed, n_completed, self._size)
        of_completed = min(self._size - of_failures, n_completed)
        strata = _divide(completed, of_completed) if of_completed else []
        if of_failures:
            kinds = self._failure_kinds(failures, of_failures)
            for cells, draws in zip(kinds, allot([_runs(cells) for cells in kinds], of_failures), strict=True):
                strata += _divide(cells, draws)
        return strata

    def _failure_kinds(self, failures: Mapping[str, Sequence[Cell]], most: int) -> list[Sequence[Cell]]:
        """The cells of each kind of failure, at most so many: the most frequent by themselves, the rest as one."""
        if not self.has_all_kinds:
            most = 1
        ordered = [failures[kind] for kind in sorted(failures, key=lambda kind: (-_runs(failures[kind]), kind))]
        if len(ordered) <= most:
            return ordered
        rest = ordered[most - 1 :]
        return [*ordered[: most - 1], _merge(rest)]


OTHER = "\x00other"
"""The kind of the failures whose own kind is one too many."""


def allot(counts: Sequence[int], draws: int) -> list[int]:
    """``draws`` divided among strata of so many runs: at least one each, at most all of its runs, else in proportion
    (by Sainte-Laguë's method). There are at least as many draws as strata, and at least as many runs as draws."""
    given = [1] * len(counts)
    heap = [(-counts[i] / 1.5, i) for i in range(len(counts)) if counts[i] > 1]
    heapq.heapify(heap)
    for _ in range(draws - len(counts)):
        _, i = heapq.heappop(heap)
        given[i] += 1
        if given[i] < counts[i]:
            heapq.heappush(heap, (-counts[i] / (given[i] + 0.5), i))
    return given


def _failure_draws(failed: int, completed: int, size: int) -> int:
    """How many of the sample are failures: their share of the runs, at least a quarter, as they show what to fix."""
    if not failed or not completed:
        return min(failed, size)
    share = size * failed / (failed + completed)
    wanted = max(1, round(share), math.ceil(size * _FAILURES_SHARE))
    # One completed run at least, and no draw without a run.
    return max(size - completed, min(wanted, failed, size - 1)) if failed + completed > size else failed


def _divide(cells: Sequence[Cell], draws: int) -> list[tuple[Sequence[Cell], int]]:
    """A stratum divided by time into parts of about as many runs, with its draws."""
    parts = _parts(cells, max(1, min(SLICES, draws // _LEAST_DRAWS)))
    return list(zip(parts, allot([_runs(part) for part in parts], draws), strict=True))


def _parts(cells: Sequence[Cell], most: int) -> list[Sequence[Cell]]:
    parts: list[Sequence[Cell]] = []
    part: list[Cell] = []
    total, seen = _runs(cells), 0
    for cell in cells:
        part.append(cell)
        seen += cell.runs
        # Rounded towards a smaller number of parts, each with runs.
        if _runs(part) and seen >= total * (len(parts) + 1) / most:
            parts.append(part)
            part = []
    return parts


def _merge(kinds: Iterable[Sequence[Cell]]) -> list[Cell]:
    """The cells of several kinds as those of one, by slice."""
    return [
        Cell(sum(cell.runs for cell in same), [entry for cell in same for entry in cell.entries])
        for same in zip(*kinds, strict=True)
    ]


def _runs(cells: Iterable[Cell]) -> int:
    return sum(cell.runs for cell in cells)


def _by_hash(entry: Entry) -> int:
    return entry[0]
