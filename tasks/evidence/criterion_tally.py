"""What code found on a criterion: on one run, and over all of them."""

from __future__ import annotations

from typing import TypeAlias

from tasks.evidence.fact import Fact

RunValues: TypeAlias = dict[str, float | None]
"""What was found on one run, 0 to 1 by criterion; None is undecided."""


class CriterionTally(Fact):
    """One criterion over all finished runs, as the source has them.

    ``total`` is the sum of what was found on the decided runs; ``passed`` counts those that meet it. ``problem`` is the
    first fault that left a run undecided, redacted; of ``problems`` runs.
    """

    runs: int = 0
    decided: int = 0
    passed: int = 0
    total: float = 0.0
    problem: str = ""
    problems: int = 0
