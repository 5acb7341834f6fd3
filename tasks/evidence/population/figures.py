"""What all finished runs of a window add up to, one run after the other: bounded state, whatever their number.

Of each run two numbers are kept at most, for exact means and percentiles. The same runs in another order give the same.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from tasks.evidence.failures import LONGEST_EXAMPLE, normalise_error
from tasks.evidence.left_out import LeftOut
from tasks.evidence.metrics import quantile, run_tokens
from tasks.evidence.population.sampling import OTHER, SLICES, Chosen, Drawn, Sampler
from tasks.evidence.population.visitor import RunVisitor
from tasks.evidence.prices import RunPrices
from tasks.evidence.types import DayFigures, FailurePattern, FutureRuns, LeftOutRuns, Population, Run, RunId

RedactTexts = Callable[[Sequence[str]], Sequence[str]]
_MOST_PATTERNS = 30
_OTHER_PATTERNS = "errors of other kinds"
_MOST_MODELS = 50
_ERRORS_KNOWN = 2_000
_MOST_STATUSES = 200
_OTHER_STATUSES = "other statuses"


@dataclass(slots=True)
class _Kind:
    """The failures of one kind: how many, and the newest with its error."""

    runs: int = 0
    newest: tuple[datetime, RunId] | None = None
    error: str = ""


@dataclass(slots=True)
class _Day:
    runs: int = 0
    completed: int = 0
    seconds: float = 0.0
    timed: int = 0
    tokens: int | None = None
    cost_usd: float | None = None


@dataclass(slots=True)
class _Rows:
    """Rows that are in no figure."""

    unreadable: int = 0
    example: str = ""
    future: int = 0
    latest: datetime | None = None


class PopulationFold:
    """One agent's runs in the window from ``since`` to ``until`` (aware), each added once, in any order."""

    def __init__(
        self,
        since: datetime,
        until: datetime,
        sampler: Sampler,
        prices: RunPrices,
        visitor: RunVisitor | None = None,
    ) -> None:
        self.visitor = visitor
        self._since = since
        self._seconds = max((until - since).total_seconds(), 1.0)
        self._sampler = sampler
        self._prices = prices
        self._completed = self._failed = self._unfinished = self._succeeded = self._not_succeeded = 0
        self._durations, self._costs = array("d"), array("d")
        self._tokens = self._runs_with_tokens = 0
        self._kinds: dict[str, _Kind] = {}
        self._models: Counter[str] = Counter()
        self._days: dict[date, _Day] = {}
        self._left_out = LeftOut()
        self._statuses: Counter[tuple[str, bool]] = Counter()
        self._rows = _Rows()
        self._normalise = lru_cache(_ERRORS_KNOWN)(normalise_error)

    @property
    def runs(self) -> int:
        """The runs that were added, whatever their status."""
        return self._completed + self._failed + self._unfinished

    @property
    def unreadable(self) -> tuple[int, str]:
        """How many rows could not be read, and one of them."""
        return self._rows.unreadable, self._rows.example

    @property
    def future(self) -> FutureRuns:
        """The runs that start in the future."""
        return FutureRuns(count=self._rows.future, latest=self._rows.latest)

    def add(self, run: Run, raw_id: Any) -> None:
        """Count ``run``, and draw it or not."""
        if run.outcome == "unfinished":
            self._unfinished += 1
            self._leave_out(run)
            return
        day = self._days.setdefault(run.started_at.date(), _Day())
        day.runs += 1
        kind = ""
        if run.outcome == "failed":
            self._failed += 1
            kind = self._count_failure(run)
        else:
            self._completed += 1
            day.completed += 1
        if run.succeeded is not None:
            self._succeeded += run.succeeded
            self._not_succeeded += not run.succeeded
        if run.model_name is not None and (run.model_name in self._models or len(self._models) < _MOST_MODELS):
            self._models[run.model_name] += 1
        cost_usd = self._count_amounts(run, day)
        place = min(SLICES - 1, int((run.started_at - self._since).total_seconds() / self._seconds * SLICES))
        self._sampler.add(Chosen(run.started_at, run.id, raw_id), kind, max(0, place))
        if self.visitor is not None:
            self.visitor.visit(run, cost_usd)

    def skip_future(self, started_at: datetime) -> None:
        """Count a run that starts in the future."""
        self._rows.future += 1
        self._rows.latest = max(self._rows.latest or started_at, started_at)

    def skip_unreadable(self, example: str) -> None:
        """Count a row whose id or start cannot be read; ``example`` is a sentence's part."""
        self._rows.unreadable += 1
        # The smallest, so that the order of the rows does not matter.
        self._rows.example = min(self._rows.example or example, example)

    @property
    def repeated(self) -> int:
        """How many finished runs have the id of another one."""
        return self._sampler.count_repeated()

    def draw(self) -> list[Drawn]:
        """The sample, newest first."""
        return self._sampler.draw()

    def build(self, drawn: Sequence[Drawn], redact: RedactTexts) -> Population:
        """The figures; patterns of failures name the runs that were ``drawn``. Texts are redacted whole, then cut."""
        durations = sorted(self._durations)
        costs = self._costs
        return Population(
            runs=self._completed + self._failed,
            completed=self._completed,
            failed=self._failed,
            unfinished=self._unfinished,
            avg_duration_seconds=_mean(durations),
            p50_duration_seconds=quantile(durations, 0.5),
            p95_duration_seconds=quantile(durations, 0.95),
            avg_tokens=self._tokens / self._runs_with_tokens if self._runs_with_tokens else None,
            runs_with_tokens=self._runs_with_tokens,
            total_tokens=self._tokens if self._runs_with_tokens else None,
            avg_cost_usd=_mean(costs),
            total_cost_usd=math.fsum(costs) if costs else None,
            runs_with_cost=len(costs),
            failure_patterns=self._patterns(drawn, redact),
            models=tuple(name for name, _ in sorted(self._models.items(), key=lambda item: (-item[1], item[0]))),
            daily=tuple(_day_figures(day, self._days[day]) for day in sorted(self._days)),
            succeeded=self._succeeded,
            not_succeeded=self._not_succeeded,
            left_out=self._left_out_runs(redact),
        )

    def _leave_out(self, run: Run) -> None:
        if run.left_out_for == "end":
            self._left_out.add([run])
            return
        key = run.status, run.left_out_for == "unknown status"
        if key not in self._statuses and len(self._statuses) >= _MOST_STATUSES:
            key = _OTHER_STATUSES, key[1]
        self._statuses[key] += 1

    def _left_out_runs(self, redact: RedactTexts) -> LeftOutRuns:
        left_out = copy(self._left_out)
        left_out.statuses, left_out.unknown_statuses = Counter(), Counter()
        keys = sorted(self._statuses)
        for (status, is_unknown), shown in zip(keys, redact([status for status, _ in keys]), strict=True):
            left_out.add_status(shown, self._statuses[status, is_unknown], is_unknown=is_unknown)
        return left_out.counts()

    def _count_failure(self, run: Run) -> str:
        # Tool calls and traces are not at hand for every run.
        error = run.error or run.status.strip() or "no status"
        pattern = self._normalise(error) or "no error"
        if pattern not in self._kinds and len(self._kinds) >= self._sampler.most_kinds:
            pattern = OTHER
        kind = self._kinds.setdefault(pattern, _Kind())
        kind.runs += 1
        if kind.newest is None or (run.started_at, run.id) > kind.newest:
            kind.newest, kind.error = (run.started_at, run.id), error
        return pattern

    def _count_amounts(self, run: Run, day: _Day) -> float | None:
        """Durations, tokens and costs; returns the cost."""
        if run.duration_seconds is not None:
            self._durations.append(run.duration_seconds)
            day.seconds += run.duration_seconds
            day.timed += 1
        tokens = run_tokens(run, None)
        if tokens.total is not None:
            self._tokens += tokens.total
            self._runs_with_tokens += 1
            day.tokens = (day.tokens or 0) + tokens.total
        cost_usd = run.cost_usd
        if cost_usd is None:
            cost_usd = self._prices.cost_usd(run.model_name, tokens, run.started_at)
        if cost_usd is not None:
            self._costs.append(cost_usd)
            day.cost_usd = (day.cost_usd or 0.0) + cost_usd
        return cost_usd

    def _patterns(self, drawn: Sequence[Drawn], redact: RedactTexts) -> tuple[FailurePattern, ...]:
        """The kinds of failure, the most frequent first; those beyond a number as one."""
        raw = sorted(self._kinds, key=lambda pattern: (pattern == OTHER, -self._kinds[pattern].runs, pattern))
        errors = redact([self._kinds[pattern].error for pattern in raw])
        # Kinds that differ in what was redacted are one.
        kind_of = {pattern: normalise_error(error) for pattern, error in zip(raw, errors, strict=True)}
        totals: Counter[str] = Counter()
        examples: dict[str, str] = {}
        for pattern, error in zip(raw, errors, strict=True):
            totals[kind_of[pattern]] += 0 if pattern == OTHER else self._kinds[pattern].runs
            examples.setdefault(kind_of[pattern], error[:LONGEST_EXAMPLE])
        kept = [kind for kind, runs in sorted(totals.items(), key=lambda item: (-item[1], item[0])) if runs]
        if OTHER in self._kinds or len(kept) > _MOST_PATTERNS:
            kept = kept[: _MOST_PATTERNS - 1]
        ids: dict[str, list[RunId]] = {}
        for one in drawn:
            if one.kind:
                found = OTHER if one.kind == OTHER else kind_of[one.kind]
                ids.setdefault(found if found in kept else OTHER, []).append(one.chosen.run_id)
        patterns = [
            FailurePattern(pattern=kind, count=totals[kind], run_ids=tuple(ids.get(kind, ())), example=examples[kind])
            for kind in kept
        ]
        rest = self._failed - sum(pattern.count for pattern in patterns)
        if rest:
            others = next((error for kind, error in examples.items() if kind not in kept), "")
            run_ids = tuple(ids.get(OTHER, ()))
            patterns.append(FailurePattern(pattern=_OTHER_PATTERNS, count=rest, run_ids=run_ids, example=others))
        return tuple(patterns)


def _day_figures(day: date, found: _Day) -> DayFigures:
    return DayFigures(
        day=day.isoformat(),
        runs=found.runs,
        completed=found.completed,
        avg_duration_seconds=found.seconds / found.timed if found.timed else None,
        total_tokens=found.tokens,
        total_cost_usd=found.cost_usd,
    )


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None
