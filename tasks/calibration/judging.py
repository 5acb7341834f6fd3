"""What a warehouse holds of a judge: its verdicts of some reports, and what it was asked several times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tasks.calibration.label_sample import draw_size, population_weight
from tasks.calibration.labels import ItemKey
from tasks.evidence.types import AgentId, RunId
from tasks.report.rows import SUCCESS_QUESTION, RunRow

RunKey = tuple[AgentId, RunId]
_PASSES = {"yes": True, "pass": True, "no": False, "fail": False, "cannot_tell": None}


@dataclass(frozen=True, slots=True)
class JudgedRun:
    """The judge on one run of a report.

    ``verdicts`` are by question (SUCCESS_QUESTION, or a criterion): whether it passes, None where the judge could not
    tell; a question without a usable verdict is not among them. ``outcome`` is the source's own (None: it has none),
    ``weight`` how many runs of the population this one stands for, ``draw`` its chance to be drawn for a label, up to a
    factor (``label_sample``). ``failure_mode`` is "" for a success.
    """

    agent_id: AgentId
    run_id: RunId
    verdicts: Mapping[str, bool | None]
    outcome: bool | None = None
    weight: float = 1.0
    draw: float = 1.0
    failure_mode: str = ""


def run_verdicts(run: RunRow) -> dict[str, bool | None]:
    """The judge's verdicts on a run by question: None where it could not tell. Empty without a usable verdict."""
    given = {SUCCESS_QUESTION: run["verdict"]} | dict(run["checks"] or {})
    return {question: _PASSES[verdict] for question, verdict in given.items() if verdict in _PASSES}


def build_judged_run(run: RunRow) -> JudgedRun:
    """What a row of ``report_runs`` holds of the judge."""
    return JudgedRun(
        agent_id=run["agent_id"],
        run_id=run["run_id"],
        verdicts=run_verdicts(run),
        outcome=run["succeeded"] if run["success_source"] == "source" else None,
        weight=population_weight(run),
        draw=draw_size(run),
        failure_mode=run["failure_mode"] or "",
    )


@dataclass(frozen=True, slots=True)
class JudgedReport:
    """The judge's verdicts of a report.

    ``units`` and ``agents`` are its scores of agents: whether each criterion of an agent passed, and whether the agent
    as a whole did. ``runs`` are its verdicts on runs, empty where it gave none.
    """

    units: Mapping[ItemKey, bool]
    agents: Mapping[AgentId, bool | None]
    runs: Mapping[RunKey, JudgedRun] = field(default_factory=dict)
    model: str | None = None
    fingerprint: str | None = None

    def verdicts(self, report_id: int) -> dict[ItemKey, bool | None]:
        """The verdicts on runs by item; None: the judge could not tell. Empty where it gave none."""
        return {
            ItemKey(report_id, *key, question): passed
            for key, run in self.runs.items()
            for question, passed in run.verdicts.items()
        }


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

    ``agent_runs`` is how many runs each score of an agent is over, by report and agent; ``reports`` the judge's
    verdicts of this report, of those that labels are of, and of others on labelled runs, as far as they are still
    there.
    """

    environment: str
    report_id: int
    model: str | None
    fingerprint: str | None
    agent_runs: Mapping[tuple[int, AgentId], int]
    reports: Mapping[int, JudgedReport]
    asked: Sequence[RepeatedAnswer] = ()
