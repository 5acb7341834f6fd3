"""People's verdict on an agent: their labels of its runs, combined, as the judge's verdict is one on all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean, variance

from tasks.evidence.types import AgentId, RunId

ItemKey = tuple[int, AgentId, str]
"""Report, agent, criterion: what the judge has one score for."""


@dataclass(frozen=True, slots=True)
class Label:
    """What one person said of one run (``run_id`` None: of the agent as a whole) on one criterion.

    ``score`` is 0 to 10, or None when only ``passed`` was given. ``judge_score`` and ``judge_passed`` are the judge's
    verdict on the agent at the time.
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

    @property
    def unit(self) -> ItemKey:
        """What the judge has one score for."""
        return self.report_id, self.agent_id, self.criterion


@dataclass(frozen=True, slots=True)
class Opinion:
    """A score and whether it passes; None where it is not known (only passed was given; as many for as against)."""

    score: float | None
    passed: bool | None


@dataclass(frozen=True, slots=True)
class PairedRating:
    """People's verdict on an item beside the judge's.

    ``labelers`` holds each labeler's own opinion. ``sampling_variance`` is that of ``people.score`` from the runs
    without a label, in points squared: None where it is unknown (no labeler scored two runs), 0 where all are.
    ``of_runs`` when the opinion is on single runs, not on the agent as a whole; the judge's never is.
    """

    unit: ItemKey
    people: Opinion
    judge: Opinion
    labelers: Mapping[str, Opinion]
    sampling_variance: float | None
    of_runs: bool = False

    @property
    def agent_id(self) -> AgentId:
        """Words on the same agent are not independent of each other."""
        return self.unit[1]


def build_words(labels: Iterable[Label], runs: Mapping[tuple[int, AgentId], int]) -> list[PairedRating]:
    """One pair an item, in the order of items. ``runs``: the number of runs the judge's verdict is about, by report and
    agent.

    A labeler's opinion is the mean over the runs that they labelled, or what they said of the agent as a whole if they
    did; people's is the mean over labelers. It passes at the threshold; where a labeler only gave a pass, the majority
    says.
    """
    by_unit: dict[ItemKey, list[Label]] = defaultdict(list)
    for label in labels:
        by_unit[label.unit].append(label)
    return [_word(unit, given, runs.get(unit[:2])) for unit, given in sorted(by_unit.items())]


def _word(unit: ItemKey, labels: Sequence[Label], runs: int | None) -> PairedRating:
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
        of_runs=any(label.run_id is not None for given in by_labeler.values() for label in _heard(given)),
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
