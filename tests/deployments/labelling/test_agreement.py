"""What to do next, by what is known of the judge."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from deployments.labelling.agreement import next_step, print_agreement
from tasks.calibration.agreement import Agreement, RunAgreement
from tasks.report.rows import SUCCESS_QUESTION
from tasks.statistics.estimate import Estimate

_KAPPA = Estimate(value=0.8, low=0.6, high=0.9, n=40)


def _agreement(**fields: object) -> Agreement:
    """Of a judge that can be relied on, but for ``fields``; those on success begin with ``on_``."""
    success: dict[str, object] = {"question": SUCCESS_QUESTION, "runs": 40, "agents": 6, "kappa": _KAPPA}
    success |= {name.removeprefix("on_"): value for name, value in fields.items() if name.startswith("on_")}
    other = RunAgreement(question="tone", kappa=Estimate(value=0.2))
    known: dict[str, object] = {"environment": "prod", "report_id": 12, "labels": 40, "labelers": 2}
    known |= {name: value for name, value in fields.items() if not name.startswith("on_")}
    return Agreement.model_validate({"runs": (RunAgreement.model_validate(success), other)} | known)


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, "can be relied on as far as the intervals show"),
        ({"labels": 0}, "`agent-report label 12` asks about a sample of runs"),
        ({"on_runs": 6}, "label more runs (`agent-report label 12 --count 40`): 6 are labelled"),
        ({"runs": ()}, "label more runs (`agent-report label 12 --count 40`): 0 are labelled"),
        ({"left_out": 41}, "most labels are of another judge"),
        ({"labelers": 1}, "let a second person label the same runs"),
        ({"on_kappa": Estimate(value=0.4)}, "disagree on too many runs, most on tone"),
        ({"on_kappa": Estimate(value=0.4)}, "`agent-report agreement 12 --examples` shows them"),
    ],
)
def test_the_next_step_is_what_most_is_wanting(fields: dict[str, object], shown: str) -> None:
    assert shown in next_step(_agreement(**fields))


def test_kappa_is_shown_on_a_terminal_of_80_columns() -> None:
    rate = Estimate(value=0.85, low=0.55, high=0.97, n=40)
    console = Console(file=io.StringIO(), width=80, highlight=False)
    print_agreement(console, _agreement(on_sensitivity=rate, on_specificity=rate), {})
    assert isinstance(console.file, io.StringIO)
    [row] = [line for line in console.file.getvalue().splitlines() if line.startswith("Did it do its task?")]
    assert row.endswith("0.80 (0.60 to 0.90)")
