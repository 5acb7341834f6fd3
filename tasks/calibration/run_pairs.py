"""The judge against a reference, run by run: sensitivity, specificity and kappa, with intervals by agent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from tasks.calibration.agreement import MINIMUM_AGENTS, MINIMUM_RUNS, ModeAgreement, RunAgreement
from tasks.calibration.judging import JudgedReport, JudgedRun
from tasks.calibration.label_weights import run_weights
from tasks.calibration.labels import PairedRating
from tasks.calibration.pairs import build_pairs, pass_kappa, same_verdict
from tasks.statistics.clusters import Floats, Keys, share_estimate
from tasks.statistics.estimate import Estimate

Bools = npt.NDArray[np.bool_]
Reference = Literal["people", "source"]


def is_decided(rating: PairedRating) -> bool:
    """Whether both the judge and the reference decided."""
    return rating.judge.passed is not None and rating.people.passed is not None


def cluster_keys(rated: Sequence[PairedRating]) -> tuple[Keys, Literal["agents", "runs"]]:
    """What the intervals take as the sample: the agent of each rating, or the run where there are too few agents."""
    agents = np.array([rating.agent_id for rating in rated], dtype=np.str_)
    if len(np.unique(agents)) >= MINIMUM_AGENTS:
        return agents, "agents"
    # Joined by what no id holds.
    return np.array([f"{r.agent_id}\0{r.unit.run_id}" for r in rated], dtype=np.str_), "runs"


def compare_runs(
    question: str,
    rated: Sequence[PairedRating],
    reports: Mapping[int, JudgedReport],
    *,
    reference: Reference = "people",
) -> RunAgreement:
    """The judge against ``reference`` on one question; no figure for fewer than ``MINIMUM_RUNS`` decided runs.

    Kappa is Cohen's (1960), its interval a jackknife; the shares have Jeffreys' interval at the effective sample size.
    """
    decided = [rating for rating in rated if is_decided(rating)]
    undecided = sum(rating.people.passed is not None and rating.judge.passed is None for rating in rated)
    keys, by = cluster_keys(decided)
    agents = len({rating.agent_id for rating in decided})
    found = RunAgreement(
        question=question, reference=reference, runs=len(decided), agents=agents, undecided=undecided, by=by
    )
    if len(decided) < MINIMUM_RUNS:
        return found
    weights = weigh(decided, reports, reference)
    judge = np.array([bool(rating.judge.passed) for rating in decided])
    people = np.array([bool(rating.people.passed) for rating in decided])
    pairs = build_pairs([(key, r.judge, r.people) for key, r in zip(keys, decided, strict=True)], weights)
    return found.model_copy(
        update={
            "sensitivity": _share(judge[people], keys[people], weights[people]),
            "specificity": _share(~judge[~people], keys[~people], weights[~people]),
            "same_verdict": same_verdict(pairs),
            "kappa": pass_kappa(pairs),
        }
    )


def compare_failure_modes(
    rated: Sequence[PairedRating], reports: Mapping[int, JudgedReport]
) -> tuple[ModeAgreement, ...]:
    """How often people confirm a failure, by the failure mode that the judge names; the most frequent first.

    ``rated`` are on the question of success. Modes are the same whatever their case and white space. Verdicts without a
    mode, or of a report that is gone, are left out.
    """
    by_mode: dict[str, list[PairedRating]] = defaultdict(list)
    names: dict[str, str] = {}
    for rating in rated:
        run = _run(rating, reports)
        if is_decided(rating) and rating.judge.passed is False and run is not None and run.failure_mode.strip():
            mode = " ".join(run.failure_mode.split())
            by_mode[mode.casefold()].append(rating)
            names.setdefault(mode.casefold(), mode)
    found = []
    for folded, own in by_mode.items():
        keys, _ = cluster_keys(own)
        failed = np.array([rating.people.passed is False for rating in own])
        share = _share(failed, keys, run_weights(own, reports))
        found.append(ModeAgreement(failure_mode=names[folded], runs=len(own), confirmed=int(failed.sum()), share=share))
    return tuple(sorted(found, key=lambda mode: (-mode.runs, mode.failure_mode)))


def weigh(rated: Sequence[PairedRating], reports: Mapping[int, JudgedReport], reference: Reference) -> Floats:
    """For how many runs each rating stands: a labelled run for those that were not drawn too, one with an outcome by
    the source for its place in the sample; mean 1."""
    if reference == "people":
        return run_weights(rated, reports)
    runs = [_run(rating, reports) for rating in rated]
    weights = np.array([1.0 if run is None else run.weight for run in runs])
    return weights / weights.mean() if len(weights) else weights


def _run(rating: PairedRating, reports: Mapping[int, JudgedReport]) -> JudgedRun | None:
    report = reports.get(rating.unit.report_id)
    return None if report is None else report.runs.get((rating.agent_id, rating.unit.run_id or ""))


def _share(hits: Bools, keys: Keys, weights: Floats) -> Estimate:
    return share_estimate(hits.astype(float), keys, weights)
