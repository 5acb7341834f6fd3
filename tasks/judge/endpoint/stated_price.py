"""The price of a model that no table knows, from what its endpoint states for each call (``usage.cost``)."""

from __future__ import annotations

import threading

# Output tokens cost more than input tokens: 8 times at the most for nearly all models in genai-prices, 20 for the rest.
_OUTPUT_TO_INPUT = 20


class StatedPrice:
    """What a call can cost at the most, going by the dearest call so far; shared by the threads of a report.

    A cost and two counts do not separate the prices of input and output. An output token is taken to cost 20 times an
    input token, which errs on the dear side: a call is bounded by its output limit, which few answers reach.
    """

    def __init__(self) -> None:
        self._input_usd: float | None = None
        self._lock = threading.Lock()

    def learn(
        self,
        prompt_tokens: int | None,
        completion_tokens: int | None,
        cached_tokens: int | None,
        cost_usd: float | None,
    ) -> None:
        """Take in one call; nothing is learned where a count or the cost is missing (None)."""
        if prompt_tokens is None or completion_tokens is None or cost_usd is None:
            return
        # Cached ones can be nearly free.
        weight = max(0, prompt_tokens - (cached_tokens or 0)) + _OUTPUT_TO_INPUT * completion_tokens
        if weight:
            with self._lock:
                self._input_usd = max(self._input_usd or 0.0, cost_usd / weight)

    def most_usd(self, prompt_tokens: float, completion_tokens: float) -> float | None:
        """The most that a call with so many tokens can cost; None before any call has stated its cost."""
        if self._input_usd is None:
            return None
        return self._input_usd * (prompt_tokens + _OUTPUT_TO_INPUT * completion_tokens)
