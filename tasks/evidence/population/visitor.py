"""What is computed over every finished run of a population while it is scanned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tasks.evidence.criterion_tally import CriterionTally, RunValues
from tasks.evidence.types import Run, RunId


class RunVisitor(Protocol):
    """Is shown the finished runs of one agent, each once, in any order, as the source has them: not redacted.

    ``columns`` are the columns of the contract that it reads beyond those of every scan. What it keeps is bounded,
    whatever the number of runs.
    """

    @property
    def columns(self) -> frozenset[str]:
        """Names of the contract's columns of a run."""
        ...

    def visit(self, run: Run, cost_usd: float | None) -> None:
        """Take one run into account; ``cost_usd`` is None where it is unknown."""
        ...

    def tallies(self) -> dict[str, CriterionTally]:
        """What was found on all runs, by criterion."""
        ...

    def check_sample(self, runs: Sequence[tuple[Run, float | None]]) -> dict[RunId, RunValues]:
        """What is found on each of ``runs`` (with its cost), which were counted before."""
        ...
