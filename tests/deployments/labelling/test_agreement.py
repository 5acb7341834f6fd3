"""What to do next, by what is known of the judge."""

from __future__ import annotations

import pytest

from deployments.labelling.agreement import next_step
from tasks.calibration.agreement import ALL, ENOUGH_AGENTS, Agreement, CriterionAgreement
from tasks.statistics.estimate import Estimate

_KAPPA = Estimate(value=0.8, low=0.6, high=0.9, n=40)


def _agreement(**fields: object) -> Agreement:
    """Of a judge that can be relied on, but for ``fields``; those of the criterion ``all`` begin with ``all_``."""
    sure = Estimate(value=0.1, low=-0.2, high=0.4)
    whole: dict[str, object] = {"criterion": ALL, "agents": ENOUGH_AGENTS, "kappa": _KAPPA, "bias": sure}
    whole |= {name.removeprefix("all_"): value for name, value in fields.items() if name.startswith("all_")}
    other = CriterionAgreement(criterion="tone", kappa=Estimate(value=0.2))
    known: dict[str, object] = {"environment": "prod", "report_id": 12, "labels": 40, "labelers": 2}
    known |= {name: value for name, value in fields.items() if not name.startswith("all_")}
    return Agreement.model_validate(known | {"criteria": (CriterionAgreement.model_validate(whole), other)})


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "can be relied on as far as the intervals say"),
        ({"labels": 0}, "`agent-report label 12` asks about a sample of runs"),
        ({"all_agents": 6}, "label more agents (`agent-report label 12 --count 20`): 6 are labelled"),
        ({"left_out": 41}, "most labels are of another judge"),
        ({"labelers": 1}, "let a second person label the same runs"),
        ({"all_bias": Estimate(value=0.8, low=0.5, high=1.1)}, "too generous by about 0.8 points"),
        ({"all_bias": Estimate(value=-0.8, low=-1.1, high=-0.5)}, "too severe by about 0.8 points"),
        ({"run_labels": 40, "all_kappa": Estimate(value=0.4)}, "label agents as a whole"),
        ({"all_kappa": Estimate(value=0.4)}, "disagree on too many verdicts, most on tone"),
    ],
)
def test_the_next_step_is_what_most_is_wanting(fields: dict[str, object], says: str) -> None:
    assert says in next_step(_agreement(**fields))
