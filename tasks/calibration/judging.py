"""What a warehouse holds of a judge: its verdicts of some reports, and what it was asked several times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tasks.calibration.labels import ItemKey
from tasks.evidence.types import AgentId


@dataclass(frozen=True, slots=True)
class JudgedReport:
    """The judge's verdicts of a report: whether each unit passed, and by agent whether the agent as a whole did."""

    units: Mapping[ItemKey, bool]
    agents: Mapping[AgentId, bool | None]


@dataclass(frozen=True, slots=True)
class RepeatedAnswer:
    """One question about an agent that the judge answered several times: its scores on one criterion."""

    agent_id: AgentId
    criterion: str
    threshold: float | None
    scores: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Judging:
    """What is known of the judge of report ``report_id``.

    ``runs`` is how many runs each verdict is over, by report and agent; ``reports`` the judge's verdicts of this report
    and of those that labels are of, as far as they are still there.
    """

    environment: str
    report_id: int
    model: str | None
    fingerprint: str | None
    runs: Mapping[tuple[int, AgentId], int]
    reports: Mapping[int, JudgedReport]
    asked: Sequence[RepeatedAnswer] = ()
