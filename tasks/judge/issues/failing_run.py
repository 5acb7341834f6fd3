"""A run that did not do its task, with what is known of why: what the judge of issues is shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tasks.judge.issues.found_issue import RunKey


@dataclass(frozen=True, slots=True)
class FailingRun:
    """A finished run that did not do its task: by its source, else by its verdict, else by its status.

    ``failure_mode`` is the verdict's ("" without one), ``step`` the name of the step at which it may have gone wrong,
    ``checks`` the criteria that it fails, ``error`` its error where its status is a failure and ``pattern`` that
    error without what differs from run to run.
    """

    key: RunKey
    agent_name: str
    started_at: datetime | None
    failure_mode: str = ""
    quotes: tuple[str, ...] = ()
    step: str = ""
    checks: tuple[str, ...] = ()
    error: str = ""
    pattern: str = ""
