"""Counting the computed criteria of one agent while its runs go by, as its source has them: before redaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tasks.evidence.criterion_tally import CriterionTally, RunValues
from tasks.evidence.known_calls import known_calls
from tasks.evidence.types import Run, RunId
from tasks.judge.criteria.check import Functions, RunFacts, check_run
from tasks.judge.criteria.criterion import Criterion, Kind
from tasks.judge.criteria.function import UndecidedError
from tasks.judge.criteria.share import is_met
from tasks.sources.contract.columns import RUN, names

_COLUMNS: dict[Kind, frozenset[str]] = {
    "max_tool_calls": frozenset({"tool_calls"}),
    "tool_must": frozenset({"tool_calls"}),
    "tool_never": frozenset({"tool_calls"}),
    "tool_order": frozenset({"tool_calls"}),
    "no_repeats": frozenset({"tool_calls"}),
    "response_matches": frozenset({"final_response"}),
    "response_equals_expected": frozenset({"final_response", "expected"}),
    "code": frozenset(names(RUN)),
}
# As many as a sample can have: their values are shown with them.
_MOST_KEPT = 1000


class _Counts:
    def __init__(self) -> None:
        self.runs = self.decided = self.passed = self.problems = 0
        self.total = 0.0
        self.problem = ""


class CriteriaVisitor:
    """Folds finished runs into a tally for each computed criterion but ``success``, which the judge decides too.

    ``columns`` are those of a run that the criteria need beside its status, times, cost and model. ``hide`` redacts
    what a person's function raised.
    """

    def __init__(self, rubric: Mapping[str, Criterion], functions: Functions, hide: Callable[[str], str]) -> None:
        self._criteria = {
            name: criterion
            for name, criterion in rubric.items()
            if criterion.is_computed and criterion.kind != "success"
        }
        self._functions = functions
        self._hide = hide
        self._counts = {name: _Counts() for name in self._criteria}
        self._kept: dict[RunId, RunValues] = {}
        self.columns: frozenset[str] = frozenset().union(
            *(_COLUMNS.get(criterion.kind, frozenset()) for criterion in self._criteria.values())
        )

    def visit(self, run: Run, cost_usd: float | None) -> None:
        """Count one finished run, which has ``columns``; ``cost_usd`` is None where it is unknown."""
        values = self._check(run, cost_usd, self._counts)
        if len(self._kept) < _MOST_KEPT:
            self._kept[run.id] = values

    def tallies(self) -> dict[str, CriterionTally]:
        """What was counted, by criterion."""
        return {
            name: CriterionTally(
                runs=counts.runs,
                decided=counts.decided,
                passed=counts.passed,
                total=counts.total,
                problem=self._hide(counts.problem) if counts.problem else "",
                problems=counts.problems,
            )
            for name, counts in self._counts.items()
        }

    def check_sample(self, runs: Sequence[tuple[Run, float | None]]) -> dict[RunId, RunValues]:
        """What was found on each of ``runs`` (with its cost), which were counted before; it is not counted again."""
        return {
            run.id: self._kept[run.id] if run.id in self._kept else self._check(run, cost_usd, None)
            for run, cost_usd in runs
        }

    def _check(self, run: Run, cost_usd: float | None, counted: Mapping[str, _Counts] | None) -> RunValues:
        facts = RunFacts(run, known_calls(run), cost_usd)
        values: RunValues = {}
        for name, criterion in self._criteria.items():
            problem = ""
            try:
                value = check_run(criterion, facts, self._functions)
            except UndecidedError as error:
                value, problem = None, str(error)
            values[name] = value
            if counted is not None:
                counts = counted[name]
                counts.runs += 1
                counts.problems += bool(problem)
                counts.problem = counts.problem or problem
                if value is not None:
                    counts.decided += 1
                    counts.passed += is_met(value, criterion)
                    counts.total += value
        return values


def visit_runs(
    rubric: Mapping[str, Criterion], functions: Functions, hide: Callable[[str], str]
) -> CriteriaVisitor | None:
    """A visitor for the runs of one agent; None where its ``rubric`` has nothing to count."""
    visitor = CriteriaVisitor(rubric, functions, hide)
    return visitor if visitor.tallies() else None
