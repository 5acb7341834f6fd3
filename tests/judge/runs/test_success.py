"""How many runs did their task: the source's own outcomes where it has them, else those of the sample and the judge."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tasks.evidence.types import Evidence, Population, Run
from tasks.judge.criteria.computed import compute_criteria
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.evaluation import Evaluation
from tasks.judge.runs.success import estimate_success
from tasks.judge.runs.verdict import RunVerdict

RUBRIC = {"works": Criterion(kind="success")}


def population(succeeded: int, not_succeeded: int) -> Population:
    return Population(
        runs=1000, completed=1000, failed=0, unfinished=0, succeeded=succeeded, not_succeeded=not_succeeded
    )


@pytest.mark.parametrize(
    ("succeeded", "not_succeeded", "rate", "runs"), [(430, 570, 0.43, 1000), (430, 569, 0.75, 4), (0, 0, 0.75, 4)]
)
def test_outcomes_of_the_whole_population_count_before_a_sample(
    succeeded: int,
    not_succeeded: int,
    rate: float,
    runs: int,
    make_evidence: Callable[..., Evidence],
    make_run: Callable[..., Run],
) -> None:
    evidence = make_evidence([make_run(n) for n in range(1, 5)]).model_copy(
        update={"population": population(succeeded, not_succeeded)}
    )
    verdicts = tuple(RunVerdict(str(n), f"R{n}", "no" if n == 4 else "yes") for n in range(1, 5))
    found = estimate_success(evidence, {verdict.run_id: verdict for verdict in verdicts})
    assert (found.value, found.n) == (pytest.approx(rate), runs)
    # The criterion is the same number.
    evaluation = Evaluation("1", "evaluated", run_verdicts=verdicts)
    works = compute_criteria(RUBRIC, evidence, {}, evaluation).verdicts["works"]
    assert (works.score, works.runs_decided) == (pytest.approx(10 * rate), runs)
    assert (works.score_low, works.score_high) == (
        pytest.approx(10 * (found.low or 0)),
        pytest.approx(10 * (found.high or 0)),
    )
