"""What people gave as labels, and each label beside the judge's verdict on the same thing.

A label of a single run is compared with a verdict on that run. Where the judge scored agents only (labels made before
it gave verdicts on runs, ``scoring: holistic``), a person's labels of an agent's runs are combined, as the judge's
score is one over all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean, variance
from typing import NamedTuple, TypeVar

from tasks.evidence.types import AgentId, RunId

T = TypeVar("T")


class ItemKey(NamedTuple):
    """What the judge has one verdict for: one question about a run, or (``run_id`` None) about an agent as a whole."""

    report_id: int
    agent_id: AgentId
    run_id: RunId | None
    criterion: str


@dataclass(frozen=True, slots=True)
class Label:
    """One person's answer about one run (``run_id`` None: about the agent as a whole) to one question: a criterion, or
    SUCCESS_QUESTION.

    ``score`` is 0 to 10, or None when only ``passed`` was given. ``judge_score`` and ``judge_passed`` are the judge's
    verdict at the time: with ``judge_on_run`` on this very run (``judge_passed`` None: it could not tell), else on the
    agent over all its runs. ``drawn``: the run was drawn at random (False: a person chose it; None: of an earlier
    version, which did not note it, and drew).
    """

    report_id: int
    agent_id: AgentId
    run_id: RunId | None
    criterion: str
    labeler: str
    score: float | None
    passed: bool | None
    threshold: float | None
    judge_model: str | None
    judge_fingerprint: str | None
    judge_score: float | None
    judge_passed: bool | None
    created_at: datetime
    judge_on_run: bool | None = None
    drawn: bool | None = None

    @property
    def unit(self) -> ItemKey:
        """What the judge's verdict at the time was on."""
        return ItemKey(self.report_id, self.agent_id, self.run_id if self.judge_on_run else None, self.criterion)


@dataclass(frozen=True, slots=True)
class Opinion:
    """A score and whether it passes; None where it is not known (only passed was given; as many for as against)."""

    score: float | None
    passed: bool | None


@dataclass(frozen=True, slots=True)
class PairedRating:
    """People's verdict on an item beside the judge's.

    ``labelers`` holds each labeler's own opinion; it is empty where the verdict is the source's own. Of an agent,
    ``sampling_variance`` is that of ``people.score`` from the runs without a label, in points squared: None where it is
    unknown (no labeler scored two runs), 0 where all are; ``from_runs`` when the opinion is combined from labels of
    single runs, which the judge's score is not. ``drawn`` is False where people chose the run themselves.
    """

    unit: ItemKey
    people: Opinion
    judge: Opinion
    labelers: Mapping[str, Opinion]
    sampling_variance: float | None = None
    from_runs: bool = False
    drawn: bool = True

    @property
    def agent_id(self) -> AgentId:
        """Items of the same agent are not independent of each other."""
        return self.unit.agent_id

    @property
    def of_run(self) -> bool:
        """Whether both verdicts are on one and the same run."""
        return self.unit.run_id is not None


def rate_agents(labels: Iterable[Label], runs: Mapping[tuple[int, AgentId], int]) -> list[PairedRating]:
    """One pair for each agent and criterion, in order. ``runs``: the number of runs the judge's score is about, by
    report and agent.

    A labeler's opinion is the mean over the runs that they labelled, or their label of the agent as a whole if there is
    one; people's is the mean over labelers. It passes at the threshold; where a labeler only gave a pass, the majority
    decides.
    """
    by_unit: dict[ItemKey, list[Label]] = defaultdict(list)
    for label in labels:
        by_unit[label.unit._replace(run_id=None)].append(label)
    return [_rate_agent(unit, given, runs.get((unit.report_id, unit.agent_id))) for unit, given in _ordered(by_unit)]


def rate_runs(labels: Iterable[tuple[ItemKey, Label]], verdicts: Mapping[ItemKey, bool | None]) -> list[PairedRating]:
    """One pair for each labelled run and question, in order. ``labels`` are under the item whose verdict they are
    compared with; the judge's ``verdicts`` are by item (None: it could not tell).

    Each labeler's newest label is their opinion; people's is that of the majority, None where as many are for as
    against.
    """
    by_unit: dict[ItemKey, dict[str, Label]] = defaultdict(dict)
    for unit, label in labels:
        known = by_unit[unit].get(label.labeler)
        if known is None or known.created_at <= label.created_at:
            by_unit[unit][label.labeler] = label
    return [
        PairedRating(
            unit=unit,
            people=_opinion(list((own := _own(given)).values()), None),
            judge=Opinion(None, verdicts.get(unit)),
            labelers=own,
            drawn=any(label.drawn is not False for label in given.values()),
        )
        for unit, given in _ordered(by_unit)
    ]


def _ordered(by_unit: Mapping[ItemKey, T]) -> list[tuple[ItemKey, T]]:
    return sorted(by_unit.items(), key=lambda item: item[0]._replace(run_id=item[0].run_id or ""))


def _own(given: Mapping[str, Label]) -> dict[str, Opinion]:
    return {labeler: Opinion(label.score, label.passed) for labeler, label in sorted(given.items())}


def _rate_agent(unit: ItemKey, labels: Sequence[Label], runs: int | None) -> PairedRating:
    newest = max(labels, key=lambda label: label.created_at)
    by_labeler: dict[str, list[Label]] = defaultdict(list)
    for label in labels:
        by_labeler[label.labeler].append(label)
    threshold = newest.threshold
    own = {
        labeler: _opinion([Opinion(label.score, label.passed) for label in _heard(given)], threshold)
        for labeler, given in sorted(by_labeler.items())
    }
    return PairedRating(
        unit=unit,
        people=_opinion(list(own.values()), threshold),
        judge=Opinion(newest.judge_score, newest.judge_passed),
        labelers=own,
        sampling_variance=_sampling_variance(list(by_labeler.values()), runs),
        from_runs=any(label.run_id is not None for given in by_labeler.values() for label in _heard(given)),
    )


def _heard(labels: Sequence[Label]) -> Sequence[Label]:
    return [label for label in labels if label.run_id is None] or labels


def _opinion(opinions: Sequence[Opinion], threshold: float | None) -> Opinion:
    scores = [opinion.score for opinion in opinions if opinion.score is not None]
    score = fmean(scores) if scores else None
    if score is not None and threshold is not None and len(scores) == len(opinions):
        return Opinion(score, score >= threshold)
    passes = [opinion.passed for opinion in opinions if opinion.passed is not None]
    share = fmean(passes) if passes else 0.5
    return Opinion(score, None if share == 0.5 else share > 0.5)


def _sampling_variance(labelers: Sequence[Sequence[Label]], runs: int | None) -> float | None:
    """The variance of the mean over labelers of a mean over m of N runs: s²/m · (1 - m/N) (Cochran 1977, 2.6)."""
    parts = []
    for labels in labelers:
        scores = [label.score for label in labels if label.run_id is not None and label.score is not None]
        if any(label.run_id is None for label in labels):
            parts.append(0.0)
        elif len(scores) > 1 and runs is not None:
            parts.append(variance(scores) / len(scores) * max(0.0, 1 - len(scores) / runs))
    # Labelers mostly see the same runs, so that their means err together: nothing is divided by their number.
    return fmean(parts) if parts else None
