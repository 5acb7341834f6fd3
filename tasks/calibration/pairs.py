"""Two opinions on the same thing, pair by pair, and the figures for how far they agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from tasks.calibration.agreement import MINIMUM_AGENTS, CriterionAgreement
from tasks.calibration.labels import Opinion
from tasks.evidence.types import AgentId
from tasks.statistics.clusters import (
    Codes,
    Floats,
    Keys,
    clusters_of,
    jackknife,
    kish_share,
    positive_jackknife,
    share_estimate,
)
from tasks.statistics.estimate import Estimate
from tasks.statistics.intervals import wilson_interval
from tasks.statistics.kappa import cohens_kappa, cohens_kappas

_LEVELS = 11
"""Whole scores from 0 to 10."""

_LEAST_RANKED = 4


@dataclass(frozen=True, slots=True)
class Pairs:
    """n pairs of opinions: ``scores`` and ``passed`` of shape (n, 2), NaN where one is not known; ``agents`` (n).

    ``counts`` (n) is how much each counts, 1 on average where pairs stand for others (``label_weights``); less than 1
    where several pairs come of one question.
    """

    agents: Keys
    scores: Floats
    passed: Floats
    counts: Floats


def build_pairs(pairs: Sequence[tuple[AgentId, Opinion, Opinion]], counts: Floats | None = None) -> Pairs:
    """One pair for each (agent, first opinion, second opinion); each counts 1 without ``counts``."""
    return Pairs(
        agents=np.array([agent for agent, _, _ in pairs], dtype=np.str_),
        scores=_numbers([(first.score, second.score) for _, first, second in pairs]),
        passed=_numbers([(first.passed, second.passed) for _, first, second in pairs]),
        counts=np.ones(len(pairs)) if counts is None else counts,
    )


def _numbers(values: Sequence[tuple[float | None, float | None]]) -> Floats:
    return np.array([[np.nan if v is None else float(v) for v in pair] for pair in values], dtype=float).reshape(-1, 2)


def compare_pairs(criterion: str, *, agents: int, scored: Pairs, decided: Pairs) -> CriterionAgreement:
    """First (the judge) against second (people) of ``agents`` agents, where both gave a score (``scored``) and where of
    both it is known whether it passes (``decided``); no figure for fewer than ``MINIMUM_AGENTS`` agents.

    Every pair counts as much as it stands for, in figures and intervals. Kappa: Cohen 1960, on pass or fail; weighted
    kappa: Cohen 1968, quadratic weights, on whole scores; rank correlation: Spearman, interval
    by Bonett and Wright 2000 over the number of agents. The other intervals leave out one agent at a time
    (``jackknife``). Unequal pairs are worth fewer agents (Kish 1965).
    """
    return CriterionAgreement(
        criterion=criterion,
        agents=agents,
        same_verdict=same_verdict(decided),
        kappa=pass_kappa(decided),
        weighted_kappa=_score_kappa(scored),
        rank_correlation=_rank_correlation(scored),
        bias=_bias(scored),
        noise=_noise(scored),
    )


@dataclass(frozen=True, slots=True)
class Repeat:
    """Several opinions on one and the same question about an agent."""

    agent_id: AgentId
    opinions: tuple[Opinion, ...]


def compare_repeats(criterion: str, repeats: Sequence[Repeat]) -> CriterionAgreement:
    """How far opinions on the same questions agree; a single opinion cannot show agreement, and is left out.

    Kappas are over all ordered pairs of each question's opinions, weighed so that a question with m of them counts m
    (the coincidences of Krippendorff 2004, ch. 11; on pass and fail Scott's pi). n is the number of questions.
    """
    repeats = [repeat for repeat in repeats if len(repeat.opinions) > 1]
    both = [(r.agent_id, a, b, len(r.opinions) - 1) for r in repeats for a, b in permutations(r.opinions, 2)]
    pairs = build_pairs([(agent, first, second) for agent, first, second, _ in both])
    pairs = Pairs(pairs.agents, pairs.scores, pairs.passed, np.array([1.0 / others for *_, others in both]))
    scored, decided = _known(pairs, pairs.scores), _known(pairs, pairs.passed)
    n = len(repeats)
    return CriterionAgreement(
        criterion=criterion,
        agents=len(np.unique(pairs.agents)),
        kappa=pass_kappa(decided).model_copy(update={"n": n}),
        weighted_kappa=_score_kappa(scored).model_copy(update={"n": n}),
        noise=_spread(repeats),
        unstable=_unstable(repeats),
    )


def _known(pairs: Pairs, values: Floats) -> Pairs:
    keep = ~np.isnan(values).any(axis=1)
    return Pairs(pairs.agents[keep], pairs.scores[keep], pairs.passed[keep], pairs.counts[keep])


def _is_enough(agents: Keys) -> bool:
    return len(np.unique(agents)) >= MINIMUM_AGENTS


def same_verdict(pairs: Pairs) -> Estimate:
    """The share of pairs that both pass or both do not; without a value for fewer than ``MINIMUM_AGENTS`` clusters."""
    if not _is_enough(pairs.agents):
        return Estimate(n=len(pairs.agents))
    return share_estimate((pairs.passed[:, 0] == pairs.passed[:, 1]).astype(float), pairs.agents, pairs.counts)


def pass_kappa(pairs: Pairs) -> Estimate:
    """Cohen's kappa of pass and fail, by clusters; without a value for fewer than ``MINIMUM_AGENTS`` of them."""
    return _kappa(pairs, pairs.passed.astype(np.intp), 2)


def _score_kappa(pairs: Pairs) -> Estimate:
    # Halves go up, as people round: numpy would round them to the even number.
    return _kappa(pairs, np.clip(np.floor(pairs.scores + 0.5), 0, _LEVELS - 1).astype(np.intp), _LEVELS)


def _kappa(pairs: Pairs, levels: Codes, size: int) -> Estimate:
    n = len(levels)
    if not _is_enough(pairs.agents):
        return Estimate(n=n)
    codes, groups = clusters_of(pairs.agents)
    tables = np.zeros((groups, size, size))
    np.add.at(tables, (codes, levels[:, 0], levels[:, 1]), pairs.counts)
    whole = tables.sum(axis=0)
    value = cohens_kappa(whole)
    if np.isfinite(value) and value >= 1 - 1e-9:
        return _perfect(whole, _worth(pairs, groups), n)
    return jackknife(value, cohens_kappas(whole - tables), n, lowest=-1, highest=1, worth=_worth(pairs, groups))


def _worth(pairs: Pairs, groups: int) -> float:
    """How many agents that count alike ``groups`` agents are worth."""
    return groups * kish_share(pairs.counts)


def _perfect(table: Floats, groups: float, n: int) -> Estimate:
    """No disagreement was observed: the lower bound is Wilson's, at the effective number of agents."""
    lowest, _ = wilson_interval(groups, groups) or (0.0, 1.0)
    shares = table / table.sum()
    expected = float((shares.sum(axis=0) * shares.sum(axis=1)).sum())
    return Estimate(value=1.0, low=max(-1.0, (lowest - expected) / (1 - expected)), high=1.0, n=n)


def _rank_correlation(pairs: Pairs) -> Estimate:
    n = len(pairs.agents)
    if not _is_enough(pairs.agents) or (np.ptp(pairs.scores, axis=0) == 0).any():
        return Estimate(n=n)
    ranks = np.stack([_ranks(side, pairs.counts) for side in pairs.scores.T])
    covariance = np.cov(ranks, aweights=pairs.counts)
    value = float(np.clip(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]), -1, 1))
    agents = _worth(pairs, len(np.unique(pairs.agents)))
    if agents <= _LEAST_RANKED:
        return Estimate(value=value, n=n)
    error = np.sqrt((1 + value**2 / 2) / (agents - 3))
    low, high = np.tanh(np.arctanh(np.clip(value, -0.999999, 0.999999)) + np.array([-1.96, 1.96]) * error)
    return Estimate(value=value, low=min(float(low), value), high=max(float(high), value), n=n)


def _ranks(values: Floats, counts: Floats) -> Floats:
    """Mid-ranks, where a value that counts twice takes two ranks."""
    _, codes = np.unique(values, return_inverse=True)
    sizes = np.bincount(codes, counts)
    ranks: Floats = (np.cumsum(sizes) - sizes / 2)[codes]
    return ranks


def _bias(pairs: Pairs) -> Estimate:
    if not _is_enough(pairs.agents):
        return Estimate(n=len(pairs.agents))
    count, _, total, _ = _sums(pairs)
    value = total.sum() / count.sum()
    replicates = (total.sum() - total) / (count.sum() - count)
    worth = _worth(pairs, len(count))
    return jackknife(float(value), replicates, len(pairs.agents), lowest=-10, highest=10, worth=worth)


def _noise(pairs: Pairs) -> Estimate:
    if not _is_enough(pairs.agents):
        return Estimate(n=len(pairs.agents))
    sums = _sums(pairs)
    value = _deviation(*(part.sum() for part in sums))
    replicates = _deviation(*(part.sum() - part for part in sums))
    return positive_jackknife(float(value), replicates, len(pairs.agents), worth=_worth(pairs, len(sums[0])))


def _sums(pairs: Pairs) -> tuple[Floats, Floats, Floats, Floats]:
    """Number, sum of the squared counts, sum and sum of squares of the differences, agent by agent."""
    codes, groups = clusters_of(pairs.agents)
    difference = pairs.scores[:, 0] - pairs.scores[:, 1]
    parts = (pairs.counts, pairs.counts**2, pairs.counts * difference, pairs.counts * difference**2)
    number, squared, total, squares = (np.bincount(codes, part, groups).astype(np.float64) for part in parts)
    return number, squared, total, squares


def _deviation(count: Floats, squared: Floats, total: Floats, squares: Floats) -> Floats:
    # With equal counts of 1 the divisor is n - 1.
    deviation: Floats = np.sqrt(np.maximum(squares - total**2 / count, 0) / (count - squared / count))
    return deviation


def _spread(repeats: Sequence[Repeat]) -> Estimate:
    """The deviation of one answer around the mean of its question: pooled over questions."""
    rows = []
    for repeat in repeats:
        scores = np.array([opinion.score for opinion in repeat.opinions if opinion.score is not None])
        if len(scores) > 1:
            rows.append((repeat.agent_id, float(((scores - scores.mean()) ** 2).sum()), len(scores) - 1))
    agents = np.array([row[0] for row in rows], dtype=np.str_)
    if not _is_enough(agents):
        return Estimate(n=len(rows))
    codes, groups = clusters_of(agents)
    squares = np.bincount(codes, [row[1] for row in rows], groups)
    freedom = np.bincount(codes, [row[2] for row in rows], groups)
    value = float(np.sqrt(squares.sum() / freedom.sum()))
    replicates = np.sqrt((squares.sum() - squares) / (freedom.sum() - freedom))
    return positive_jackknife(value, replicates, len(rows))


def _unstable(repeats: Sequence[Repeat]) -> Estimate:
    sides = [(r.agent_id, {o.passed for o in r.opinions if o.passed is not None}) for r in repeats]
    agents = np.array([agent for agent, found in sides if found], dtype=np.str_)
    if not _is_enough(agents):
        return Estimate(n=len(agents))
    return share_estimate(np.array([float(len(found) > 1) for _, found in sides if found]), agents)
