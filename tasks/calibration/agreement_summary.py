"""How far the judge can be trusted, in a sentence: for the Markdown of a report."""

from __future__ import annotations

from tasks.calibration.agreement import ALL, Agreement, CriterionAgreement, describe_kappa
from tasks.statistics.estimate import Estimate
from tasks.wording.trust import BENCHMARK_FINDING


def describe_agreement(agreement: Agreement | None, report_id: int) -> str:
    """What is known of how far judge and people agree, as plain text; without labels, how to get to know it."""
    if agreement is None or not agreement.labels:
        return (
            f"not compared with people's labels yet: {BENCHMARK_FINDING}; "
            f"to measure this judge, run agent-report label {report_id}"
        )
    by = "one person" if agreement.labelers == 1 else f"{agreement.labelers} people"
    labels = f"{agreement.labels} label{'s' if agreement.labels > 1 else ''} of {by}"
    found = next((item for item in agreement.criteria if item.criterion == ALL), None)
    kind, kappa = _kappa(found) if found is not None else ("kappa", Estimate())
    if kappa.value is None:
        return f"too few labels to say how far it agrees with people ({labels})"
    between = "" if kappa.low is None or kappa.high is None else f", 95 %: {kappa.low:.2f} to {kappa.high:.2f}"
    text = f"its agreement with people is {describe_kappa(kappa.value)} ({kind} {kappa.value:.2f}{between}; {labels})"
    if agreement.run_labels:
        text += "; an underestimate, since people labeled runs and the judge scored agents"
    corrected = agreement.corrected_pass_rate.value
    if corrected is not None and agreement.pass_rate.value is not None:
        text += f"; it passes {agreement.pass_rate.value:.0%}, corrected for its known errors {corrected:.0%}"
    return text


def _kappa(found: CriterionAgreement) -> tuple[str, Estimate]:
    if found.weighted_kappa.value is not None:
        return "weighted kappa of the scores", found.weighted_kappa
    return "kappa of pass and fail", found.kappa
