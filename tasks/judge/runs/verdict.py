"""The judge on one run: whether it did its task, which criteria it meets, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tasks.evidence.types import RunId
from tasks.judge.prompt.citations import Citation

Check = Literal["pass", "fail", "cannot_tell"]
"""Whether a run meets one criterion."""

Success = Literal["yes", "no", "cannot_tell"]
"""Whether a run did its task."""


@dataclass(frozen=True, slots=True)
class RunVerdict:
    """The judge on the run ``run_id``, which it was shown as ``label``.

    ``success`` is None where there is no usable verdict, and ``problem`` is the reason. ``checks`` are by criterion;
    one that is absent was not answered in a usable way, or rests on no quote. ``evidence`` holds the quotes that were
    found, ``quotes_dropped`` counts the others. ``failure_mode`` is "" for a success. ``step`` is the label of the step
    at which it may have gone wrong, "" where none is named: a candidate, since judges rarely find the right one;
    ``step_name`` is the tool that was called there, or "a message". Of several samples ``unstable`` is that they
    disagree on success.
    """

    run_id: RunId
    label: str
    success: Success | None
    checks: Mapping[str, Check] = field(default_factory=dict)
    evidence: tuple[Citation, ...] = ()
    failure_mode: str = ""
    step: str = ""
    step_name: str = ""
    problem: str = ""
    unstable: bool = False
    quotes_dropped: int = 0
