"""The sentence on how far the judge can be trusted, and where it stands in the Markdown."""

from __future__ import annotations

import pytest

from tasks.calibration.agreement import ALL, Agreement, CriterionAgreement
from tasks.calibration.agreement_summary import describe_agreement
from tasks.statistics.estimate import Estimate

_KAPPA = Estimate(value=0.61, low=0.4, high=0.8, n=40)


def _agreement(**fields: object) -> Agreement:
    known = {"environment": "demo", "labels": 40, "labelers": 2}
    return Agreement.model_validate(known | fields)


@pytest.mark.parametrize("agreement", [None, Agreement(environment="demo")])
def test_without_labels_it_says_how_to_get_them(agreement: Agreement | None) -> None:
    assert describe_agreement(agreement, 12) == (
        "not compared with people's labels yet: by public benchmarks, about three of ten verdicts “success” on agents' "
        "trajectories are wrong; to measure this judge, run agent-report label 12"
    )


def test_with_too_few_it_gives_no_figure() -> None:
    found = _agreement(labels=1, labelers=1, criteria=(CriterionAgreement(criterion=ALL),))
    assert (
        describe_agreement(found, 12) == "too few labels to say how far it agrees with people (1 label of one person)"
    )
    assert describe_agreement(_agreement(), 12).startswith("too few labels")


def test_the_figure_of_all_criteria_with_its_interval() -> None:
    other = CriterionAgreement(criterion="accuracy", weighted_kappa=Estimate(value=0.1))
    found = _agreement(criteria=(other, CriterionAgreement(criterion=ALL, weighted_kappa=_KAPPA)))
    text = (
        "its agreement with people is substantial "
        "(weighted kappa of the scores 0.61, 95 %: 0.40 to 0.80; 40 labels of 2 people)"
    )
    assert describe_agreement(found, 12) == text
    # Where labels are only passed or not there is the plain kappa alone.
    plain = _agreement(criteria=(CriterionAgreement(criterion=ALL, kappa=Estimate(value=0.3)),))
    assert "is fair (kappa of pass and fail 0.30; 40 labels" in describe_agreement(plain, 12)
    corrected = found.model_copy(update={"pass_rate": Estimate(value=0.8), "corrected_pass_rate": Estimate(value=0.7)})
    assert describe_agreement(corrected, 12) == f"{text}; it passes 80%, corrected for its known errors 70%"


def test_labels_of_runs_are_said_to_make_it_too_low() -> None:
    whole = CriterionAgreement(criterion=ALL, weighted_kappa=_KAPPA)
    said = describe_agreement(_agreement(criteria=(whole,), run_labels=40), 12)
    assert said.endswith(
        "40 labels of 2 people); an underestimate, since people labeled runs and the judge scored agents"
    )
    assert "underestimate" not in describe_agreement(_agreement(criteria=(whole,)), 12)
