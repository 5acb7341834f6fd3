"""Whether something passes, in words: by an interval it passes, fails, or is too close to call."""

from __future__ import annotations

from tasks.wording.counts import counted


def describe_passed(passed: bool | None, score: float | None) -> str:
    """``passes``, ``fails``, ``too close to call`` (a score without a decision) or ``not scored``."""
    if passed is not None:
        return "passes" if passed else "fails"
    return "not scored" if score is None else "too close to call"


def describe_undecided(more_runs: int | None) -> str:
    """What would decide what is too close to call, by ``runs_to_decide``; "" where it is decided (0)."""
    if more_runs is None:
        return "the rate is so close to the threshold that more runs would hardly decide it"
    if more_runs == 0:
        return ""
    step = 1 if more_runs < 20 else 10
    return f"about {counted(-(-more_runs // step) * step, 'more run')} would decide it"
