"""Whether something passes, in words: by an interval it passes, fails, or is too close to call."""

from __future__ import annotations


def describe_passed(passed: bool | None, score: float | None) -> str:
    """``passes``, ``fails``, ``too close to call`` (a score without a decision) or ``not scored``."""
    if passed is not None:
        return "passes" if passed else "fails"
    return "not scored" if score is None else "too close to call"
