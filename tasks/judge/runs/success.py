"""Whether one run did its task: by the source's own outcome, else by the judge's verdict."""

from __future__ import annotations

from typing import Literal, NamedTuple

from tasks.evidence.types import Run
from tasks.judge.runs.verdict import RunVerdict


class RunSuccess(NamedTuple):
    """Whether a run did its task, and from where that is known; None each where it is not."""

    succeeded: bool | None
    source: Literal["source", "judge"] | None


def run_success(run: Run, verdict: RunVerdict | None) -> RunSuccess:
    """The source's own outcome of ``run``, else the judge's; a run that has not finished has none."""
    if run.outcome == "unfinished":
        return RunSuccess(None, None)
    if run.succeeded is not None:
        return RunSuccess(run.succeeded, "source")
    if verdict is not None and verdict.success in ("yes", "no"):
        return RunSuccess(verdict.success == "yes", "judge")
    return RunSuccess(None, None)
