"""Whether a run did its task, in words: by its verdict, or by its status where there is none."""

from __future__ import annotations

from typing import NamedTuple

from tasks.report.rows import RunRow


class RunWords(NamedTuple):
    """``look`` is ok, no, unsure or open; ``short`` is one or two words, ``words`` a phrase ("" where only the status
    is known)."""

    look: str
    short: str
    words: str


def has_verdict(run: RunRow) -> bool:
    """Whether the judge was asked about this run, or its source states whether it did its task."""
    return run["succeeded"] is not None or bool(run["verdict"] or run["verdict_error"])


def describe_run(run: RunRow, *, judged: bool) -> RunWords:
    """The words of one run; ``judged``: some runs of its agent have verdicts, so that none is a lack."""
    if run["completed"] is None:
        return RunWords("open", "unfinished", "unfinished")
    if run["succeeded"] is not None:
        return (
            RunWords("ok", "yes", "did its task") if run["succeeded"] else RunWords("no", "no", "did not do its task")
        )
    if run["verdict"] == "cannot_tell":
        return RunWords("unsure", "cannot tell", "the judge cannot tell")
    if run["verdict_error"]:
        return RunWords("unsure", "unusable", "no usable verdict")
    if judged:
        return RunWords("unsure", "not judged", "not judged")
    return RunWords(completion_look(run), "", "")


def completion_look(run: RunRow) -> str:
    """ok, no or open, by the status alone."""
    return "open" if run["completed"] is None else "ok" if run["completed"] else "no"
