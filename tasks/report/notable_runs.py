"""The best and the worst run of an agent, once it is known which runs did their task."""

from __future__ import annotations

from tasks.evidence.metrics import find_best_run
from tasks.evidence.types import Evidence, Run, RunRef
from tasks.judge.runs.success import Verdicts, run_success
from tasks.wording.counts import counted


def choose_best_run(evidence: Evidence, verdicts: Verdicts) -> RunRef | None:
    """The best of the runs that did their task; where none is known to have, of those not known to have failed at it.

    None where no such run completed.
    """
    done, open_runs = _runs_that(evidence, verdicts, True), _runs_that(evidence, verdicts, None)
    return find_best_run(done or open_runs, evidence.traces, evidence.costs_usd)


def choose_worst_run(evidence: Evidence, verdicts: Verdicts) -> RunRef | None:
    """The worst run by its status, where that failed; else the newest run of the most frequent failure mode.

    Where no run is known to have failed at its task, the one that stands out by what was measured.
    """
    measured = evidence.metrics.worst_run
    missed = _runs_that(evidence, verdicts, False)
    possible = [*missed, *_runs_that(evidence, verdicts, None)]
    if measured is not None and any(run.id == measured.run_id and run.outcome == "failed" for run in possible):
        return measured
    if not missed:
        return measured
    modes: dict[str, list[Run]] = {}
    for run in missed:
        modes.setdefault(_failure_mode(run, verdicts).casefold(), []).append(run)
    unnamed = modes.pop("", [])
    newest, *others = max(modes.values(), key=len, default=unnamed)
    total = f"{counted(len(missed), 'run')} that did not do {'its' if len(missed) == 1 else 'their'} task"
    mode = _failure_mode(newest, verdicts)
    reason = f"the newest of {total}"
    if mode:
        reason = f"the newest failure of the most frequent kind ({1 + len(others)} of {total}): {mode}"
    return RunRef(run_id=newest.id, status=newest.status, reason=reason, duration_seconds=newest.duration_seconds)


def _failure_mode(run: Run, verdicts: Verdicts) -> str:
    return verdicts[run.id].failure_mode.strip() if run.id in verdicts else ""


def _runs_that(evidence: Evidence, verdicts: Verdicts, succeeded: bool | None) -> list[Run]:
    """The finished runs that did their task (True), did not (False), or of which it is not known (None)."""
    return [run for run in evidence.finished_runs if run_success(run, verdicts.get(run.id)).succeeded is succeeded]
