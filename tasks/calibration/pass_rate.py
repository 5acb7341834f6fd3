"""The share of an environment's runs that did their task: as the judge has it, and corrected for the judge's errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from tasks.calibration.agreement import MINIMUM_RUNS
from tasks.calibration.judging import JudgedReport, JudgedRun, RunKey
from tasks.calibration.label_weights import run_weights
from tasks.calibration.labels import PairedRating
from tasks.evidence.types import AgentId
from tasks.report.rows import SUCCESS_QUESTION
from tasks.statistics.clusters import Codes, Floats, Keys, clusters_of
from tasks.statistics.estimate import Estimate
from tasks.statistics.sampling import inclusion_probabilities
from tasks.statistics.two_phase import TwoPhase, estimate_kinds, percentiles
from tasks.statistics.weighted import build_group, estimate_groups, estimate_share, weighted_share
from tasks.wording.counts import counted, is_are

Bools = NDArray[np.bool_]

_YES, _NO, _NEITHER, _KNOWN = range(4)
_KINDS = 4
_NAMES = {_YES: "calls a success", _NO: "calls a failure", _NEITHER: "does not decide"}
_LARGEST_UNCHECKED = 0.1
"""Of a kind of verdict no run has to be labelled where it is at most this share of all."""
_MOST_CHANCE = 0.025
_CHOSEN = 0.001
"""By the p-value of the labels' numbers by agent: below it they were not drawn from all runs."""


@dataclass(frozen=True, slots=True)
class PassRate:
    """Shares of runs, 0 to 1: ``judged`` by outcomes of the source and the judge's verdicts, ``corrected`` for the
    judge's errors, ``labelled`` by people's labels of this report's runs alone.

    ``sensitivity`` and ``specificity`` are the judge's. ``uncorrected`` states why ``corrected`` is not known, and
    ``source`` what it is corrected by: labels of runs of this report, or of earlier ones.
    """

    judged: Estimate = field(default_factory=Estimate)
    corrected: Estimate = field(default_factory=Estimate)
    sensitivity: Estimate = field(default_factory=Estimate)
    specificity: Estimate = field(default_factory=Estimate)
    uncorrected: str | None = None
    labelled: Estimate = field(default_factory=Estimate)
    source: Literal["own", "earlier"] | None = None


def correct_success_rate(
    rated: Sequence[PairedRating], reports: Mapping[int, JudgedReport], report_id: int
) -> PassRate:
    """The share of the population of report ``report_id`` that did its task, from ``rated`` runs.

    From ``MINIMUM_RUNS`` labels of its own runs on (in whichever report they were labelled): the share of successes
    among the runs that the judge calls a success, a failure, or neither, times their shares (``estimate_kinds``). With
    fewer, from the judge's sensitivity and specificity on runs of other reports, by the estimator of W. Rogan and B.
    Gladen ("Estimating prevalence from the results of a screening test", American Journal of Epidemiology 107 (1978),
    71-76): it takes the judge to err here as it did there. Runs whose outcome the source has count as they are.

    A run is the unit. All agents are in the report, so that they are strata and no sample, and labels are drawn from
    all runs with known chances: those of runs that people chose count only where every run is labelled. An agent of
    which nothing was judged is left out. The interval is about what agents do, not about these runs alone: it has a
    width also where all of them are labelled.
    """
    target = reports.get(report_id)
    runs = _judged_runs(target) if target is not None else {}
    if not runs:
        return PassRate(uncorrected="the judge gave no verdict on runs in this report")
    newest = _newest(rated)
    found = _from_own(runs, newest)
    if found.corrected.value is not None:
        return found
    return _from_earlier(runs, newest, reports, found)


def correct_agent_rates(
    rated: Sequence[PairedRating], reports: Mapping[int, JudgedReport], report_id: int
) -> dict[AgentId, PassRate]:
    """``correct_success_rate`` of each agent that was judged, by labels of its own runs only.

    What is known of the judge on other agents corrects none: it errs more on some agents than on others (simulated, an
    interval that takes all to be alike covers 75%).
    """
    target = reports.get(report_id)
    newest = _newest(rated)
    by_agent: dict[AgentId, dict[RunKey, JudgedRun]] = {}
    for key, run in (_judged_runs(target) if target is not None else {}).items():
        by_agent.setdefault(run.agent_id, {})[key] = run
    return {agent_id: _from_own(runs, newest) for agent_id, runs in by_agent.items()}


def _judged_runs(report: JudgedReport) -> dict[RunKey, JudgedRun]:
    """All runs of agents of which at least one run was judged, or has an outcome."""
    judged = {
        run.agent_id for run in report.runs.values() if run.outcome is not None or SUCCESS_QUESTION in run.verdicts
    }
    return {key: run for key, run in report.runs.items() if run.agent_id in judged}


def _kind(run: JudgedRun) -> int:
    if run.outcome is not None:
        return _KNOWN
    return {True: _YES, False: _NO, None: _NEITHER}[run.verdicts.get(SUCCESS_QUESTION)]


def _newest(rated: Sequence[PairedRating]) -> dict[RunKey, PairedRating]:
    """People's verdict on each run, the one of the newest report where a run was labelled in several."""
    decided = [rating for rating in rated if rating.labelers and rating.people.passed is not None]
    found: dict[RunKey, PairedRating] = {}
    for rating in sorted(decided, key=lambda rating: rating.unit.report_id):
        if rating.unit.run_id is not None:
            found[rating.unit.agent_id, rating.unit.run_id] = rating
    return found


def _truths(runs: Mapping[RunKey, JudgedRun], rated: Mapping[RunKey, PairedRating]) -> dict[RunKey, bool]:
    """People's verdicts on ``runs``: without those of runs that people chose, of which no chance is known, unless
    every run that has no outcome is labelled."""
    own = {key: rating for key, rating in rated.items() if key in runs}
    is_whole = all(key in own for key, run in runs.items() if run.outcome is None)
    return {key: bool(rating.people.passed) for key, rating in own.items() if rating.drawn or is_whole}


def _judged_rate(runs: Mapping[RunKey, JudgedRun]) -> Estimate:
    parts: dict[AgentId, tuple[list[float], list[float], float]] = {}
    for run in runs.values():
        hits, weights, size = parts.get(run.agent_id, ([], [], 0.0))
        kind = _kind(run)
        if kind != _NEITHER:
            hits.append(float(run.outcome if run.outcome is not None else kind == _YES))
            weights.append(run.weight)
        parts[run.agent_id] = (hits, weights, size + run.weight)
    return estimate_groups([build_group(*part) for part in parts.values()])


def _from_own(runs: Mapping[RunKey, JudgedRun], rated: Mapping[RunKey, PairedRating]) -> PassRate:
    judged, truths = _judged_rate(runs), _truths(runs, rated)
    kinds = np.array([_kind(run) for run in runs.values()], dtype=np.intp)
    if np.all(kinds == _KNOWN):
        return PassRate(judged, judged)
    weights = np.array([run.weight for run in runs.values()])
    known = kinds == _KNOWN
    given = np.array([np.nan if (truth := truths.get(key)) is None else float(truth) for key in runs])
    checked = ~np.isnan(given)[~known]
    labels = int(checked.sum())
    chances = np.ones(len(runs))
    agents = np.array([run.agent_id for run in runs.values()], dtype=np.str_)
    draws = np.array([run.draw for run in runs.values()])
    chances[~known] = _chances(agents[~known], draws[~known], checked)
    outcomes = np.array([np.nan if run.outcome is None else float(run.outcome) for run in runs.values()])
    given[known] = outcomes[known]
    labelled = ~np.isnan(given)
    if labels < MINIMUM_RUNS:
        return PassRate(judged, uncorrected=_too_few(labels, len(runs.keys() & rated.keys()) - len(truths)))
    alone = estimate_share(list(given[labelled]), list(weights[labelled] / chances[labelled]))
    reason = _unlabelled(kinds, agents, weights, labelled, chances)
    if reason:
        return PassRate(judged, labelled=alone, uncorrected=reason)
    found = estimate_kinds(kinds, _KINDS, weights, given, chances)
    corrected = found.estimate_true().model_copy(update={"n": labels})
    return PassRate(judged, corrected, *_errors(found, labels), labelled=alone, source="own")


def _chances(agents: Keys, sizes: Floats, checked: Bools) -> Floats:
    """How likely each run was to be labelled: drawn from all runs, or where people chose agents, from those of each."""
    chances = inclusion_probabilities(sizes, int(checked.sum()))
    codes, count = clusters_of(agents)
    found, expected = np.bincount(codes, checked, count), np.bincount(codes, chances, count)
    distance = float(((found - expected) ** 2 / np.maximum(expected, 1e-9)).sum())
    if count > 1 and special.chdtrc(count - 1, distance) < _CHOSEN:
        for agent in range(count):
            own = codes == agent
            # Without a label nothing is divided by it.
            chances[own] = inclusion_probabilities(sizes[own], int(checked[own].sum()))
    return chances


def _unlabelled(kinds: Codes, agents: Keys, weights: Floats, labelled: Bools, chances: Floats) -> str:
    """Of what too much is not labelled, as a reason; "" when nothing."""
    for kind, name in _NAMES.items():
        share = float(weights[kinds == kind].sum() / weights.sum())
        if share > _LARGEST_UNCHECKED and not labelled[kinds == kind].any():
            return f"of the runs that the judge {name} ({share:.0%}) none is labelled"
    never = chances == 0
    share = float(weights[never].sum() / weights.sum())
    if share > _LARGEST_UNCHECKED:
        left = counted(len(np.unique(agents[never])), "agent")
        return f"the labels are of chosen agents: {left} with {share:.0%} of the runs without one"
    return ""


def _errors(found: TwoPhase, n: int) -> tuple[Estimate, Estimate]:
    """Sensitivity and specificity; none where the judge called nothing a success, or nothing a failure."""
    if not found.point.shares[0, [_YES, _NO]].all():
        return Estimate(n=n), Estimate(n=n)
    point, draws = found.point, found.draws
    return (
        percentiles(float(point.among_true(_YES, _NO)[0]), draws.among_true(_YES, _NO), n),
        percentiles(float(point.among_false(_NO, _YES)[0]), draws.among_false(_NO, _YES), n),
    )


def _too_few(labels: int, chosen: int) -> str:
    runs = f"{counted(labels, 'run')} {is_are(labels)} labelled"
    if chosen:
        return f"{runs} of those drawn at random: at least {MINIMUM_RUNS} are needed, and people chose {chosen} others"
    return f"{runs}: at least {MINIMUM_RUNS} are needed"


def _from_earlier(
    runs: Mapping[RunKey, JudgedRun],
    rated: Mapping[RunKey, PairedRating],
    reports: Mapping[int, JudgedReport],
    own: PassRate,
) -> PassRate:
    used = [rating for rating in rated.values() if rating.judge.passed is not None and rating.drawn]
    people = np.array([bool(rating.people.passed) for rating in used], dtype=bool)
    judge = np.array([bool(rating.judge.passed) for rating in used], dtype=bool)
    if min(people.sum(), (~people).sum()) < MINIMUM_RUNS:
        return own
    weights = run_weights(used, reports)
    right = [
        weighted_share(judge[people].astype(float), weights[people]),
        weighted_share((~judge[~people]).astype(float), weights[~people]),
    ]
    rng = np.random.default_rng(1)
    kinds = np.array([_kind(run) for run in runs.values()], dtype=np.intp)
    outcomes = np.array([np.nan if run.outcome is None else float(run.outcome) for run in runs.values()])
    decided = kinds != _NEITHER
    if not np.any((kinds == _YES) | (kinds == _NO)):
        return own
    of = np.array([run.weight for run in runs.values()])[decided]
    found = estimate_kinds(kinds[decided], _KINDS, of, outcomes[decided], np.ones(int(decided.sum())))
    drawn = [
        rng.beta(value * worth + 0.5, (1 - value) * worth + 0.5, len(found.draws.shares)) for value, worth in right
    ]
    values = _rogan_gladen(found.draws.shares, found.draws.rates, *drawn)
    if np.isnan(values).mean() > _MOST_CHANCE:
        reason = "the labels, most of earlier reports, do not show that the judge is better than chance"
        return replace(own, uncorrected=reason)
    (sensitivity, _), (specificity, _) = right
    point = _rogan_gladen(found.point.shares, found.point.rates, np.array([sensitivity]), np.array([specificity]))
    n = len(used)
    return PassRate(
        own.judged,
        percentiles(float(point[0]), values, n),
        percentiles(sensitivity, drawn[0], int(people.sum())),
        percentiles(specificity, drawn[1], int((~people).sum())),
        labelled=own.labelled,
        source="earlier",
    )


def _rogan_gladen(shares: Floats, rates: Floats, sensitivity: Floats, specificity: Floats) -> Floats:
    """The share of successes, of runs that the judge decided or whose outcome is known; NaN where it errs as chance."""
    power = sensitivity + specificity - 1
    decided = shares[:, _YES] + shares[:, _NO]
    with np.errstate(divide="ignore", invalid="ignore"):
        true = np.clip((shares[:, _YES] / decided + specificity - 1) / power, 0, 1)
    found: Floats = np.where(power > 0, decided * true + shares[:, _KNOWN] * rates[:, _KNOWN], np.nan)
    return found
