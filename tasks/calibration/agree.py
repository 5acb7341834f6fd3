"""Measuring the judge: its verdicts against people's labels, and its answers against each other. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt

import numpy as np

from tasks.calibration.agreement import (
    ALL,
    ENOUGH_AGENTS,
    MINIMUM_AGENTS,
    MINIMUM_RUNS,
    RUNS_AGAINST_AGENTS,
    AgentRate,
    Agreement,
    CriterionAgreement,
    RunAgreement,
)
from tasks.calibration.judging import JudgedReport, Judging, RepeatedAnswer
from tasks.calibration.label_weights import agent_weights
from tasks.calibration.labels import Label, Opinion, PairedRating, rate_agents
from tasks.calibration.pairs import Pairs, Repeat, build_pairs, compare_pairs, compare_repeats
from tasks.calibration.pass_rate import correct_agent_rates, correct_success_rate
from tasks.calibration.rated_runs import MatchedLabels, match_labels, rate_outcomes
from tasks.calibration.run_pairs import compare_failure_modes, compare_runs
from tasks.report.rows import SUCCESS_QUESTION
from tasks.statistics.clusters import Floats
from tasks.wording.counts import counted, is_are


def measure_agreement(judging: Judging, labels: Sequence[Label]) -> Agreement:
    """How far the judge and people agree, over the labels that a verdict of this judge's model can be found for; those
    of other judges are counted only.

    Without any label that counts there is stability, the judge's own success rate and its agreement with the source's
    outcomes, and the rest is empty.
    """
    matched = match_labels(judging, labels)
    used = [*(label for _, label in matched.on_runs), *matched.on_agents]
    on_agents = rate_agents(matched.on_agents, judging.agent_runs)
    on_runs = matched.rated
    of_success = [rating for rating in on_runs if rating.unit.criterion == SUCCESS_QUESTION]
    outcomes = rate_outcomes(judging)
    rates = correct_success_rate(of_success, judging.reports, judging.report_id)
    runs = _by_question(on_runs, judging.reports)
    return Agreement(
        environment=judging.environment,
        report_id=judging.report_id,
        labels=len(used),
        run_labels=len(matched.on_runs),
        labelers=len({label.labeler for label in used}),
        left_out=matched.left_out,
        last_labeled_at=max((label.created_at for label in used), default=None),
        judge_model=judging.model,
        runs=runs,
        outcomes=compare_runs(SUCCESS_QUESTION, outcomes, judging.reports, reference="source") if outcomes else None,
        failure_modes=compare_failure_modes(of_success, judging.reports),
        criteria=tuple(
            _criterion(name, of, judging.reports, whole=number == 0)
            for number, (name, of) in enumerate(_by_criterion(on_agents).items())
        ),
        stability=_stability(judging.asked),
        people=_people([*on_agents, *on_runs]),
        success_rate=rates.judged,
        corrected_success_rate=rates.corrected,
        uncorrected=rates.uncorrected,
        agent_rates=tuple(
            AgentRate(agent_id=agent_id, judged=rate.judged, corrected=rate.corrected, uncorrected=rate.uncorrected)
            for agent_id, rate in correct_agent_rates(of_success, judging.reports, judging.report_id).items()
        ),
        sensitivity=rates.sensitivity,
        specificity=rates.specificity,
        warnings=tuple(_warnings(judging, matched, on_agents, used)),
    )


def _by_question(rated: Sequence[PairedRating], reports: Mapping[int, JudgedReport]) -> tuple[RunAgreement, ...]:
    """The question of success first, then criteria by name."""
    names = sorted({rating.unit.criterion for rating in rated}, key=lambda name: (name != SUCCESS_QUESTION, name))
    return tuple(
        compare_runs(name, [rating for rating in rated if rating.unit.criterion == name], reports) for name in names
    )


def _by_criterion(rated: Sequence[PairedRating]) -> dict[str, list[PairedRating]]:
    """All ratings first, then those of each criterion, by name; empty without any."""
    names = sorted({rating.unit.criterion for rating in rated})
    own = {name: [rating for rating in rated if rating.unit.criterion == name] for name in names}
    # A criterion may be called "all" itself; then it is the one that stands under its name.
    return ({ALL: list(rated)} if rated else {}) | own


def _criterion(
    name: str, rated: Sequence[PairedRating], reports: Mapping[int, JudgedReport], *, whole: bool
) -> CriterionAgreement:
    def weigh(of: Sequence[PairedRating]) -> Floats:
        return agent_weights(of, reports, None if whole else name)

    def pairs(of: Sequence[PairedRating]) -> Pairs:
        return build_pairs([(rating.agent_id, rating.judge, rating.people) for rating in of], weigh(of))

    found = compare_pairs(
        name,
        agents=len({rating.agent_id for rating in rated}),
        scored=pairs([rating for rating in rated if None not in (rating.judge.score, rating.people.score)]),
        decided=pairs([rating for rating in rated if None not in (rating.judge.passed, rating.people.passed)]),
    )
    sampled = [rating for rating in rated if rating.sampling_variance is not None]
    if not sampled or found.noise.value is None:
        return found
    variance = np.average([rating.sampling_variance or 0.0 for rating in sampled], weights=weigh(sampled))
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


def _people(rated: Sequence[PairedRating]) -> tuple[CriterionAgreement, ...]:
    shared = [rating for rating in rated if len(rating.labelers) > 1]
    return tuple(
        compare_repeats(name, [Repeat(rating.agent_id, tuple(rating.labelers.values())) for rating in of])
        for name, of in _by_criterion(shared).items()
    )


def _warnings(
    judging: Judging,
    matched: MatchedLabels,
    on_agents: Sequence[PairedRating],
    used: Sequence[Label],
) -> list[str]:
    warnings = []
    if matched.left_out:
        warnings.append(
            f"{counted(matched.left_out, 'label is', 'labels are')} of reports by another judge than {judging.model}, "
            "and left out: label a report of this judge, or have it judge the same runs"
        )
    if matched.waiting:
        warnings.append(
            f"{counted(matched.waiting, 'label answers', 'labels answer')} whether runs did their task, on which this "
            "judge has no verdict: they count as soon as a report by it has verdicts on these runs"
        )
    if not used:
        return warnings
    if matched.rated:
        warnings += _of_runs(matched.rated)
    if on_agents:
        warnings += _of_agents(on_agents, beside_runs=bool(matched.rated))
    of_agents = sum(label.judge_fingerprint != judging.fingerprint for label in matched.on_agents)
    if other := matched.earlier + of_agents:
        warnings.append(
            f"{counted(other, 'label is', 'labels are')} compared with reports by the same model with other criteria, "
            "parameters, guidance or another prompt"
        )
    if matched.outgrown:
        warnings.append(
            f"{counted(matched.outgrown, 'label is', 'labels are')} of runs that only an earlier form of this judge "
            "has a verdict on (other criteria, parameters, guidance or another prompt), and left out"
        )
    return warnings


def _of_runs(on_runs: Sequence[PairedRating]) -> list[str]:
    of_success = [rating for rating in on_runs if rating.unit.criterion == SUCCESS_QUESTION]
    agents = len({rating.agent_id for rating in of_success})
    have = f"{counted(len(of_success), 'run')} of {counted(agents, 'agent')}"
    warnings = []
    if len(of_success) < MINIMUM_RUNS:
        warnings.append(f"success is labelled on {have}: figures on it need at least {MINIMUM_RUNS} runs")
    elif agents < MINIMUM_AGENTS:
        warnings.append(
            f"{have} {is_are(len(of_success))} labelled: with fewer than {MINIMUM_AGENTS} agents, intervals take runs "
            "as the sample, and hold for these agents only"
        )
    return warnings + _one_sided(of_success, MINIMUM_RUNS)


def _of_agents(on_agents: Sequence[PairedRating], *, beside_runs: bool) -> list[str]:
    warnings = []
    if any(rating.from_runs for rating in on_agents):
        warnings.append(RUNS_AGAINST_AGENTS)
    agents = len({rating.agent_id for rating in on_agents})
    have = f"{counted(len(on_agents), 'verdict')} of people on scores of {counted(agents, 'agent')}"
    if beside_runs:
        warnings.append(
            f"{have} cannot be compared with verdicts on runs: they stand in a table of their own, and correct no rate"
        )
    if agents < MINIMUM_AGENTS:
        warnings.append(
            f"{have}: labels of at least {MINIMUM_AGENTS} agents are needed for any "
            f"figure, and of {ENOUGH_AGENTS} for one to rely on"
        )
    elif agents < ENOUGH_AGENTS:
        warnings.append(
            f"{have}: labels of at least {ENOUGH_AGENTS} agents are needed for figures to rely on; "
            "look at the intervals"
        )
    return warnings + _one_sided(on_agents, MINIMUM_AGENTS)


def _one_sided(rated: Sequence[PairedRating], least: int) -> list[str]:
    sides = [rating.people.passed for rating in rated if rating.people.passed is not None]
    if len(sides) < least or len(set(sides)) > 1:
        return []
    return [f"people label everything as {'pass' if sides[0] else 'fail'}: kappa needs both"]
