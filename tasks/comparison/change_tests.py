"""A change before the correction for all others that were compared: its test, and how it will be described."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tasks.comparison.comparison import Change, Verdict
from tasks.statistics.correction import ALPHA, Hypothesis, bound_of, correct


@dataclass(frozen=True, slots=True)
class Weights:
    """What a test of each kind is worth beside that of a rate that fell, which is 1.

    A release is stopped for a rate, of success or of completion, which is what is hardest to see in 20 runs, so these
    have most of ``ALPHA``; a tenth or hundredth of it costs a score or a duration little, as the bound that it has to
    pass grows with the logarithm only (at 14 agents: 4.0 standard deviations instead of 3.5). The team's score and
    criteria are worth ``team`` times an agent's: there is one team. The figures were chosen by simulation, see
    tests/comparison/test_compare_simulated.py.
    """

    fall: float = 1.0
    rise: float = 0.1
    score: float = 0.02
    criterion: float = 0.006
    amount: float = 0.006
    team: float = 5.0


WEIGHTS = Weights()


@dataclass(frozen=True, slots=True)
class Test:
    """A test of one change: its hypotheses (of a rate: a fall and a rise), and whether the agent does better when the
    value falls; ``detectable`` gives the size that could have been found, from the p-value for each unit of weight
    that would have been enough; ``direction`` is the sign of the change where it is not that of the difference."""

    hypotheses: Sequence[Hypothesis]
    detectable: Callable[[float], float | None]
    falling_is_better: bool = False
    direction: float | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A change without its verdict; ``test`` is None when there is nothing to test, and ``change`` holds the reason."""

    change: Change
    test: Test | None = None


def decide(drafts: Sequence[Draft]) -> list[Change]:
    """The changes with corrected p-values, verdicts and what was detectable, in the order of ``drafts``.

    A change is called one when its corrected p-value is at most ``ALPHA`` and its interval leaves out 0 on the same
    side, so that the two never contradict each other.
    """
    hypotheses = [hypothesis for draft in drafts if draft.test for hypothesis in draft.test.hypotheses]
    corrected = iter(correct(hypotheses))
    bound = bound_of(hypotheses)
    changes = []
    for draft in drafts:
        if draft.test is None:
            changes.append(draft.change)
            continue
        p_value = min([1.0, *(next(corrected) for _ in draft.test.hypotheses)])
        changes.append(
            draft.change.model_copy(
                update={
                    "p_value": p_value,
                    "detectable": draft.test.detectable(bound),
                    "verdict": _verdict(draft.change, draft.test, p_value),
                }
            )
        )
    return changes


def _verdict(change: Change, test: Test, p_value: float) -> Verdict:
    if p_value > ALPHA or change.low is None or change.high is None or not change.low * change.high > 0:
        return "no_change"
    if test.direction is not None and test.direction * change.low <= 0:
        return "no_change"
    return "better" if (change.high < 0) == test.falling_is_better else "worse"
