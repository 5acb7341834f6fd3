"""What comparing two reports found: one change a metric, one comparison an agent, and the team's. Failure is data."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tasks.evidence.types import AgentId

HOLDS_FOR = (
    "If runs are independent of each other, at most 5 of 100 comparisons report a change where there is none. The "
    "rate is higher if the runs of one night resemble each other (in simulations 15, 32 and 55 of 100, at an "
    "intraclass correlation of 0.02, 0.05 and 0.1), or if whole nights are slower or faster (9 of 100)."
)
"""For what the promise of a comparison holds; docs/reference/comparison-accuracy.md describes the simulations."""

Verdict = Literal["better", "worse", "no_change", "not_comparable"]
"""``no_change``: none that could be distinguished from noise."""

Presence = Literal["both", "new", "gone", "renamed"]


class Compared(BaseModel):
    """Base of the types here: immutable, strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Change(Compared):
    """One metric of one agent, or of the team, before and after.

    ``metric`` is ``score``, ``criterion:NAME``, ``success_rate`` (which runs did their task, 0 to 1),
    ``completion_rate`` (which completed, by their statuses, 0 to 1), ``avg_duration_seconds`` or ``avg_cost_usd``.
    ``low`` and ``high`` bound ``difference`` (after - before) with 95% confidence; ``p_value`` is corrected for
    everything that was compared beside it; ``detectable`` is the smallest difference that could have been
    distinguished from noise.
    None is not measured, or not known.
    """

    metric: str
    verdict: Verdict
    before: float | None = None
    after: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    detectable: float | None = None
    method: str | None = None
    reason: str | None = None


class AgentComparison(Compared):
    """One agent, or with ``agent_id`` None the team. Of an agent that is gone, id and name are those it had.

    ``stays_close``: its scores can be compared, and in neither report do they decide whether it passes.
    """

    agent_id: AgentId | None
    agent_name: str
    presence: Presence = "both"
    baseline_name: str | None = None
    verdict: Verdict
    reason: str | None = None
    changes: tuple[Change, ...] = ()
    stays_close: bool = False


class Comparison(Compared):
    """Report ``report_id`` against ``baseline_id``.

    ``reasons`` state how the two differ as a whole (judge, agents asked for, model of the runs). What that leaves
    comparable, the verdicts show: another judge leaves the runs, another choice of agents all but the team.
    """

    baseline_id: int
    report_id: int
    baseline_created_at: datetime | None = None
    reasons: tuple[str, ...] = ()
    team: AgentComparison
    agents: tuple[AgentComparison, ...] = ()
