"""What casts doubt on a judge's verdicts on runs, before a person has looked at any: they are all alike, or call runs a
success that did not complete."""

from __future__ import annotations

from collections.abc import Iterable

from tasks.report.rows import RunRow
from tasks.wording.counts import counted

_LEAST_RUNS = 10
"""Fewer runs may well all have succeeded, or failed."""


def doubt_judge(runs: Iterable[RunRow]) -> str:
    """What to know of a judge that answered the same on all ``runs`` of a report; "" where it did not, or on few."""
    judged = [run for run in runs if run["verdict"] in ("yes", "no")]
    answers = {run["verdict"] for run in judged}
    if len(judged) < _LEAST_RUNS or len(answers) > 1:
        return ""
    if answers == {"no"}:
        finding, other = f"The judge called none of {len(judged):,} runs a success", "a success"
    else:
        finding, other = f"The judge called all {len(judged):,} runs a success", "a failure"
        if failed := sum(run["completed"] is False for run in judged):
            finding += f", also {'the one' if failed == 1 else f'the {failed:,}'} that did not complete"
    return f"{finding}. Whether it would notice {other} is not known: label some runs before you rely on its verdicts."


def doubt_successes(runs: Iterable[RunRow]) -> str:
    """That the judge calls ``runs`` of an agent a success that did not complete; "" where it does not."""
    ended = [run["verdict"] for run in runs if run["completed"] is False and run["verdict"] in ("yes", "no")]
    if not (successes := ended.count("yes")):
        return ""
    return f"the judge calls {successes} of {counted(len(ended), 'run')} a success that did not complete"
