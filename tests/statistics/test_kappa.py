"""Cohen's kappa, compared with that of statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats import inter_rater

from tasks.statistics.kappa import cohens_kappa, cohens_kappas


@pytest.mark.parametrize(("levels", "weights"), [(2, {}), (2, {"wt": "quadratic"}), (11, {"wt": "quadratic"})])
def test_kappa_is_that_of_statsmodels(levels: int, weights: dict[str, str]) -> None:
    for counts in np.random.default_rng(2).integers(0, 5, (20, levels, levels)).astype(float):
        expected = float(inter_rater.cohens_kappa(counts, return_results=False, **weights))
        assert cohens_kappa(counts) == pytest.approx(expected)


def test_kappa_takes_counts_that_are_not_whole() -> None:
    table = np.array([[3.5, 0.25], [1.5, 2.0]])
    assert cohens_kappa(table) == pytest.approx(float(inter_rater.cohens_kappa(table, return_results=False)))


def test_kappa_is_undefined_where_both_raters_use_one_level_and_for_an_empty_table() -> None:
    table = np.zeros((11, 11))
    assert np.isnan(cohens_kappa(table))
    table[4, 4] = 5
    assert np.isnan(cohens_kappa(table))


def test_many_tables_at_once_give_the_same_as_one_by_one() -> None:
    tables = np.random.default_rng(3).integers(1, 5, (20, 11, 11)).astype(float)
    assert cohens_kappas(tables) == pytest.approx([cohens_kappa(table) for table in tables])
