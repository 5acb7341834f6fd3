"""Cohen's kappa: the agreement of two raters beyond chance."""

from __future__ import annotations

import numpy as np

from tasks.statistics.clusters import Floats


def cohens_kappa(table: Floats) -> float:
    """Cohen's kappa of a square table of counts, first rater by second; NaN where it is undefined.

    Quadratic weights: 1 - Σ (i-j)² p_ij / Σ (i-j)² p_i. p_.j (J. Cohen, "Weighted kappa", Psychological Bulletin 70
    (1968), 213-220). Of two levels this is the unweighted kappa (J. Cohen, "A coefficient of agreement for nominal
    scales", Educational and Psychological Measurement 20 (1960), 37-46).
    """
    return float(cohens_kappas(table[np.newaxis])[0])


def cohens_kappas(tables: Floats) -> Floats:
    """``cohens_kappa`` of many tables (shape: number, levels, levels) at once, as a jackknife needs."""
    levels = np.arange(tables.shape[1])
    distance = np.subtract.outer(levels, levels) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = tables / tables.sum(axis=(1, 2), keepdims=True)
        observed = np.einsum("tij,ij->t", shares, distance)
        expected = np.einsum("ti,tj,ij->t", shares.sum(axis=2), shares.sum(axis=1), distance)
        found: Floats = 1 - observed / expected
    return found
