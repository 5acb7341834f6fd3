"""How far the judge can be trusted, in a sentence: for the Markdown of a report."""

from __future__ import annotations

from tasks.calibration.agreement import ALL, Agreement, RunAgreement, describe_kappa
from tasks.report.rows import SUCCESS_QUESTION
from tasks.statistics.estimate import Estimate
from tasks.wording.trust import BENCHMARK_FINDING


def describe_agreement(agreement: Agreement | None, report_id: int) -> str:
    """What is known of how far judge and people agree, as plain text; without labels, how far it agrees with outcomes
    that the source states, and without these how to get to know it."""
    if agreement is not None and not agreement.labels and agreement.outcomes is not None:
        return _describe_outcomes(agreement.outcomes)
    if agreement is None or not agreement.labels:
        return (
            f"not compared with people's labels yet: {BENCHMARK_FINDING}; "
            f"to measure this judge, run agent-report label {report_id}"
        )
    by = "one person" if agreement.labelers == 1 else f"{agreement.labelers} people"
    labels = f"{agreement.labels} label{'s' if agreement.labels > 1 else ''} of {by}"
    success = next((found for found in agreement.runs if found.question == SUCCESS_QUESTION), None)
    kind, kappa = _kappa(agreement, success)
    if kappa.value is None:
        return f"too few labels to conclude how far it agrees with people ({labels})"
    text = (
        f"its agreement with people is {describe_kappa(kappa.value)} ({kind} {kappa.value:.2f}{_between(kappa, '.2f')}"
    )
    if success is not None and None not in (success.sensitivity.value, success.specificity.value):
        text += (
            f"; of the runs that people pass it passes {success.sensitivity.value:.0%}, of those that they fail it "
            f"fails {success.specificity.value:.0%}"
        )
    text += f"; {labels})"
    corrected = agreement.corrected_success_rate
    if corrected.value is not None and agreement.success_rate.value is not None:
        text += (
            f"; by its verdicts {agreement.success_rate.value:.0%} of the runs succeed, corrected for its known errors "
            f"{corrected.value:.0%}{_between(corrected, '.0%')}"
        )
    return text


def _describe_outcomes(found: RunAgreement) -> str:
    if found.kappa.value is None:
        return f"too few outcomes of the source to conclude how far it agrees with them ({found.runs} runs)"
    return (
        f"its agreement with the outcomes that the source states is {describe_kappa(found.kappa.value)} (kappa on runs "
        f"{found.kappa.value:.2f}{_between(found.kappa, '.2f')}; {found.runs} runs)"
    )


def _between(estimate: Estimate, shape: str) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f", 95%: {estimate.low:{shape}} to {estimate.high:{shape}}"


def _kappa(agreement: Agreement, success: RunAgreement | None) -> tuple[str, Estimate]:
    if success is not None:
        return "kappa on runs", success.kappa
    found = next((item for item in agreement.criteria if item.criterion == ALL), None)
    if found is None:
        return "kappa", Estimate()
    if found.weighted_kappa.value is not None:
        return "weighted kappa of the scores of agents", found.weighted_kappa
    return "kappa of pass and fail of agents", found.kappa
