"""What one model at one endpoint takes, learned from what it refused; later questions are made to fit at once."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace

from tasks.judge.endpoint.stated_limits import StatedLimits

logger = logging.getLogger(__name__)

# A count that differs more than this from the estimate is none of tokens: some endpoints count characters.
_LEAST_RATIO, _MOST_RATIO = 0.4, 2.5
# No model that is served holds less.
_SMALLEST_CONTEXT = 1024


@dataclass(frozen=True, slots=True)
class Bounds:
    """Tokens that a model takes, as it counts them; None is not known.

    ``context_tokens`` holds prompt and answer, ``most_prompt_tokens`` and ``most_output_tokens`` bound one of them.
    ``least_output_tokens`` is what an answer was seen to need at least.
    """

    context_tokens: int | None = None
    most_prompt_tokens: int | None = None
    most_output_tokens: int | None = None
    least_output_tokens: int | None = None

    def within(self, other: Bounds) -> Bounds:
        """The tighter of both, bound by bound."""
        return Bounds(
            _smallest(self.context_tokens, other.context_tokens),
            _smallest(self.most_prompt_tokens, other.most_prompt_tokens),
            _smallest(self.most_output_tokens, other.most_output_tokens),
            max(filter(None, (self.least_output_tokens, other.least_output_tokens)), default=None),
        )

    def holds(self, prompt_tokens: float, output_tokens: int) -> bool:
        """Whether a question of this size is within them."""
        context, most_prompt = self.context_tokens, self.most_prompt_tokens
        return (context is None or prompt_tokens + output_tokens <= context) and (
            most_prompt is None or prompt_tokens <= most_prompt
        )

    def describe(self) -> str:
        """What is known, as a phrase for people."""
        known = [
            f"{tokens:,} tokens of {what}"
            for tokens, what in (
                (self.context_tokens, "prompt and answer together"),
                (self.most_prompt_tokens, "prompt"),
                (self.most_output_tokens, "answer"),
            )
            if tokens is not None
        ]
        return ", ".join(known)


class ModelLimits:
    """The bounds of one model at one base URL; shared by all threads, one per process.

    Bounds only become tighter, so it does not matter in which order threads learn of refusals.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bounds = Bounds()

    @property
    def bounds(self) -> Bounds:
        """What is known by now."""
        return self._bounds

    def learn(self, bounds: Bounds, *, guessed: bool = False) -> bool:
        """Note ``bounds``; whether they are tighter than what was known, which is logged once.

        ``guessed``: the endpoint stated none.
        """
        with self._lock:
            tighter = self._bounds.within(bounds)
            if tighter == self._bounds:
                return False
            self._bounds = tighter
        if guessed:
            logger.warning(
                "The judge's endpoint refused a question because of its length and stated no limit: trying half, %s "
                "(to avoid refused calls, set AGENT_REPORT_JUDGE_CONTEXT_TOKENS to the model's context window)",
                tighter.describe(),
            )
        elif described := tighter.describe():
            logger.warning(
                "The judge's model accepts at most %s: questions are shortened to fit (to avoid refused calls, set "
                "AGENT_REPORT_JUDGE_CONTEXT_TOKENS and AGENT_REPORT_JUDGE_MAX_OUTPUT_TOKENS to these limits)",
                described,
            )
        return True


def count_of_prompt(stated: StatedLimits, prompt_tokens: float, output_tokens: int) -> int | None:
    """The endpoint's own count of a prompt of about ``prompt_tokens``; None when it states none.

    Some state only the prompt and the ``output_tokens`` asked for together, and not that it is both.
    """
    if stated.prompt_tokens is not None:
        return stated.prompt_tokens
    if stated.requested_tokens is None:
        return None
    alone, with_answer = stated.requested_tokens, stated.requested_tokens - output_tokens
    if with_answer <= 0:
        return alone
    return min(alone, with_answer, key=lambda tokens: abs(tokens - prompt_tokens))


def is_count_of_tokens(counted: float, estimated: float) -> bool:
    """Whether ``counted`` can be the tokens of a prompt of about ``estimated`` tokens, rather than its characters."""
    return _LEAST_RATIO * estimated <= counted <= _MOST_RATIO * estimated


def bounds_from(stated: StatedLimits | None, prompt_tokens: float, output_tokens: int) -> Bounds:
    """What a refusal of a prompt of about ``prompt_tokens`` and an answer of ``output_tokens`` shows about the model.

    Where no limit is stated, half of what was refused is a guess; a further refusal halves it again.
    """
    if stated is None or not stated.has_limit:
        if stated is not None and stated.refused == "output":
            # Some name only what was asked for, or only what would be taken.
            named = stated.output_tokens
            return Bounds(most_output_tokens=named if named and named < output_tokens else output_tokens // 2)
        return Bounds(context_tokens=int(prompt_tokens + output_tokens) // 2)
    context = stated.context_tokens
    if context is not None and context < _SMALLEST_CONTEXT:
        # vLLM 0.15 states what is left of the context for the prompt as the context.
        context += output_tokens
    bounds = Bounds(context, stated.most_prompt_tokens, stated.most_output_tokens)
    counted = count_of_prompt(stated, prompt_tokens, output_tokens)
    if bounds == Bounds() and stated.excess_tokens is not None:
        context = int((counted or prompt_tokens) - stated.excess_tokens)
        # It is the prompt that is too long by so much, or prompt and answer together.
        return Bounds(context_tokens=context if context >= output_tokens else max(1, context + output_tokens))
    if counted is not None and not is_count_of_tokens(counted, prompt_tokens):
        unit = prompt_tokens / counted
        return replace(
            bounds,
            context_tokens=_scaled(bounds.context_tokens, unit),
            most_prompt_tokens=_scaled(bounds.most_prompt_tokens, unit),
        )
    return bounds


def _scaled(tokens: int | None, unit: float) -> int | None:
    return None if tokens is None else max(1, int(tokens * unit))


def _smallest(*tokens: int | None) -> int | None:
    return min((known for known in tokens if known is not None), default=None)
