"""Measuring the judge: its verdicts against people's labels, and its answers against each other. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import sqrt

import numpy as np

from tasks.calibration.agreement import (
    ALL,
    ENOUGH_AGENTS,
    MINIMUM_AGENTS,
    RUNS_AGAINST_AGENTS,
    Agreement,
    CriterionAgreement,
)
from tasks.calibration.judging import JudgedReport, Judging, RepeatedAnswer
from tasks.calibration.label_weights import label_weights
from tasks.calibration.labels import Label, Opinion, PairedRating, build_words
from tasks.calibration.pairs import Pairs, Repeat, build_pairs, compare_pairs, compare_repeats
from tasks.calibration.pass_rate import PassRate, correct_pass_rate
from tasks.statistics.clusters import Floats
from tasks.wording.counts import counted

_OF_RUNS = "labels of single runs do not correct the judge's verdicts on agents"


def measure_agreement(judging: Judging, labels: Sequence[Label]) -> Agreement:
    """How far the judge and people agree, over the labels of this judge's model; those of others are counted only.

    Without any label that counts there is stability and the judge's own pass rate, and the rest is empty.
    """
    counted = [label for label in labels if label.judge_model == judging.model]
    words = build_words(counted, judging.runs)
    rates = _rates(words, judging)
    return Agreement(
        environment=judging.environment,
        report_id=judging.report_id,
        labels=len(counted),
        run_labels=sum(label.run_id is not None for label in counted),
        labelers=len({label.labeler for label in counted}),
        left_out=len(labels) - len(counted),
        last_labeled_at=max((label.created_at for label in counted), default=None),
        judge_model=judging.model,
        criteria=tuple(
            _criterion(name, of, judging.reports, whole=number == 0)
            for number, (name, of) in enumerate(_by_criterion(words).items())
        ),
        stability=_stability(judging.asked),
        people=_people(words),
        pass_rate=rates.judged,
        corrected_pass_rate=rates.corrected,
        uncorrected=rates.uncorrected,
        sensitivity=rates.sensitivity,
        specificity=rates.specificity,
        warnings=tuple(_warnings(judging, counted, words, len(labels) - len(counted))),
    )


def _rates(words: Sequence[PairedRating], judging: Judging) -> PassRate:
    """The pass rate, corrected by people's words on agents as a whole; of runs the judge has given no verdict."""
    rates = correct_pass_rate([word for word in words if not word.of_runs], judging.reports, judging.report_id)
    if rates.judged.value is None or rates.corrected.value is not None or not any(word.of_runs for word in words):
        return rates
    return replace(rates, uncorrected=_OF_RUNS)


def _by_criterion(words: Sequence[PairedRating]) -> dict[str, list[PairedRating]]:
    """All words first, then those of each criterion, by name; empty without any."""
    names = sorted({word.unit[2] for word in words})
    own = {name: [word for word in words if word.unit[2] == name] for name in names}
    # A criterion may be called "all" itself; then it is the one that stands under its name.
    return ({ALL: list(words)} if words else {}) | own


def _criterion(
    name: str, words: Sequence[PairedRating], reports: Mapping[int, JudgedReport], *, whole: bool
) -> CriterionAgreement:
    def weigh(of: Sequence[PairedRating]) -> Floats:
        return label_weights(of, reports, None if whole else name)

    def pairs(of: Sequence[PairedRating]) -> Pairs:
        return build_pairs([(word.agent_id, word.judge, word.people) for word in of], weigh(of))

    found = compare_pairs(
        name,
        agents=len({word.agent_id for word in words}),
        scored=pairs([word for word in words if None not in (word.judge.score, word.people.score)]),
        decided=pairs([word for word in words if None not in (word.judge.passed, word.people.passed)]),
    )
    sampled = [word for word in words if word.sampling_variance is not None]
    if not sampled or found.noise.value is None:
        return found
    variance = np.average([word.sampling_variance or 0.0 for word in sampled], weights=weigh(sampled))
    return found.model_copy(update={"sampling_noise": sqrt(variance)})


def _stability(asked: Sequence[RepeatedAnswer]) -> tuple[CriterionAgreement, ...]:
    def repeat(question: RepeatedAnswer) -> Repeat:
        threshold = question.threshold
        passes = [None if threshold is None else score >= threshold for score in question.scores]
        opinions = (Opinion(score, passed) for score, passed in zip(question.scores, passes, strict=True))
        return Repeat(question.agent_id, tuple(opinions))

    several = [question for question in asked if len(question.scores) > 1]
    names = sorted({question.criterion for question in several})
    groups = {ALL: [repeat(question) for question in several]} if several else {}
    groups |= {name: [repeat(q) for q in several if q.criterion == name] for name in names}
    return tuple(compare_repeats(name, repeats) for name, repeats in groups.items())


def _people(words: Sequence[PairedRating]) -> tuple[CriterionAgreement, ...]:
    shared = [word for word in words if len(word.labelers) > 1]
    return tuple(
        compare_repeats(name, [Repeat(word.agent_id, tuple(word.labelers.values())) for word in of])
        for name, of in _by_criterion(shared).items()
    )


def _warnings(judging: Judging, used: Sequence[Label], words: Sequence[PairedRating], left_out: int) -> list[str]:
    warnings = []
    if left_out:
        warnings.append(
            f"{counted(left_out, 'label is', 'labels are')} of reports by another judge than {judging.model}, "
            "and left out: label a report of this judge"
        )
    if not used:
        return warnings
    if any(word.of_runs for word in words):
        warnings.append(RUNS_AGAINST_AGENTS)
    agents = len({word.agent_id for word in words})
    have = f"{counted(len(used), 'label')} of {counted(agents, 'agent')}"
    if agents < MINIMUM_AGENTS:
        warnings.append(
            f"{have}: labels of at least {MINIMUM_AGENTS} agents are needed for any "
            f"figure, and of {ENOUGH_AGENTS} for one to rely on"
        )
    elif agents < ENOUGH_AGENTS:
        warnings.append(
            f"{have}: labels of at least {ENOUGH_AGENTS} agents are needed for "
            "figures to rely on; look at the intervals"
        )
    other = sum(1 for label in used if label.judge_fingerprint != judging.fingerprint)
    if other:
        warnings.append(
            f"{counted(other, 'label is', 'labels are')} of reports by the same model with other criteria, "
            "parameters or another prompt"
        )
    one_sided = {word.people.passed for word in words if word.people.passed is not None}
    if len(one_sided) == 1 and agents >= MINIMUM_AGENTS:
        warnings.append(f"people label everything as {'pass' if True in one_sided else 'fail'}: kappa needs both")
    return warnings
