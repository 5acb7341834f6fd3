"""The sentence on how far the judge can be trusted, and where it stands in the Markdown."""

from __future__ import annotations

import pytest

from tasks.calibration.agreement import ALL, Agreement, CriterionAgreement, RunAgreement
from tasks.calibration.agreement_summary import describe_agreement
from tasks.report.rows import SUCCESS_QUESTION
from tasks.statistics.estimate import Estimate

_KAPPA = Estimate(value=0.61, low=0.4, high=0.8, n=40)


def _agreement(**fields: object) -> Agreement:
    known = {"environment": "demo", "labels": 40, "labelers": 2}
    return Agreement.model_validate(known | fields)


@pytest.mark.parametrize("agreement", [None, Agreement(environment="demo")])
def test_without_labels_it_explains_how_to_get_them(agreement: Agreement | None) -> None:
    assert describe_agreement(agreement, 12) == (
        "not compared with people's labels yet: by public benchmarks, about three of ten verdicts “success” on agents' "
        "trajectories are wrong; to measure this judge, run agent-report label 12"
    )


def test_without_labels_the_outcomes_of_the_source_are_named() -> None:
    outcomes = RunAgreement(question=SUCCESS_QUESTION, reference="source", runs=80, kappa=_KAPPA)
    assert describe_agreement(Agreement(environment="demo", outcomes=outcomes), 12) == (
        "its agreement with the outcomes that the source states is substantial (kappa on runs 0.61, 95%: 0.40 to "
        "0.80; 80 runs)"
    )
    few = outcomes.model_copy(update={"runs": 3, "kappa": Estimate()})
    assert "too few outcomes" in describe_agreement(Agreement(environment="demo", outcomes=few), 12)


def test_with_too_few_it_gives_no_figure() -> None:
    found = _agreement(labels=1, labelers=1, criteria=(CriterionAgreement(criterion=ALL),))
    assert describe_agreement(found, 12) == (
        "too few labels to conclude how far it agrees with people (1 label of one person)"
    )
    assert describe_agreement(_agreement(), 12).startswith("too few labels")


def test_the_figures_on_runs_with_their_intervals() -> None:
    on_success = RunAgreement(
        question=SUCCESS_QUESTION,
        kappa=_KAPPA,
        sensitivity=Estimate(value=0.85, low=0.7, high=0.9),
        specificity=Estimate(value=0.75, low=0.6, high=0.9),
    )
    found = _agreement(runs=(on_success, RunAgreement(question="tone")))
    text = (
        "its agreement with people is substantial (kappa on runs 0.61, 95%: 0.40 to 0.80; of the runs that people "
        "pass it passes 85%, of those that they fail it fails 75%; 40 labels of 2 people)"
    )
    assert describe_agreement(found, 12) == text
    rates = {"success_rate": Estimate(value=0.51), "corrected_success_rate": Estimate(value=0.43, low=0.3, high=0.55)}
    assert describe_agreement(found.model_copy(update=rates), 12) == (
        f"{text}; by its verdicts 51% of the runs succeed, corrected for its known errors 43%, 95%: 30% to 55%"
    )


def test_without_verdicts_on_runs_the_figure_of_scores_of_agents() -> None:
    other = CriterionAgreement(criterion="accuracy", weighted_kappa=Estimate(value=0.1))
    found = _agreement(criteria=(other, CriterionAgreement(criterion=ALL, weighted_kappa=_KAPPA)))
    assert "(weighted kappa of the scores of agents 0.61, 95%: 0.40 to 0.80;" in describe_agreement(found, 12)
    # Where labels are only passed or not there is the plain kappa alone.
    plain = _agreement(criteria=(CriterionAgreement(criterion=ALL, kappa=Estimate(value=0.3)),))
    assert "is fair (kappa of pass and fail of agents 0.30; 40 labels" in describe_agreement(plain, 12)
