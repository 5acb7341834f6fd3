"""The service tier that calls are made in, and the way back to the standard tier where it is not available."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Mapping
from typing import Any

from tasks.judge.endpoint.access.extra import EXTRA, TIER
from tasks.judge.endpoint.refusals.refusal import Refusal

logger = logging.getLogger(__name__)

FLEX = "flex"
# Groq's own status for "flex tier capacity exceeded".
_NO_CAPACITY = 498
_UNAVAILABLE = re.compile(r"resource[ _]unavailable|flex[^.]{0,60}(?:capacity|unavailable|not available|overloaded)")
_NAMED = re.compile(r"service[ _-]?tier|\bflex\b")


class ServiceTier:
    """The tier that ``AGENT_REPORT_JUDGE_EXTRA`` asks for; flex is given up for good once it is refused.

    Shared by the clients of one endpoint and model.
    """

    def __init__(self, asked: str = "") -> None:
        self._lock = threading.Lock()
        self._current = asked

    @property
    def current(self) -> str:
        """The tier of the next call; "" is the endpoint's own choice."""
        return self._current

    def body(self, extra: Mapping[str, Any], tier: str) -> dict[str, Any]:
        """``extra`` for a call in ``tier``: without one it names none."""
        return {name: value for name, value in extra.items() if name != TIER or tier}

    def is_refused(self, tier: str, refusal: Refusal) -> bool:
        """Whether a call in ``tier`` was refused for this tier, so that the standard one may do better.

        Of 429 only a lack of capacity is: a limit of calls holds in every tier.
        """
        if tier != FLEX:
            return False
        status, words = refusal.status, refusal.words.lower()
        if status == _NO_CAPACITY:
            return True
        if status in (429, 503):
            return "resource_unavailable" in refusal.names or _UNAVAILABLE.search(words) is not None
        return status in (400, 403, 404, 422) and (refusal.param == TIER or _NAMED.search(words) is not None)

    def give_up(self, reason: str) -> None:
        """Ask in the standard tier from now on; the first call that does so logs it."""
        with self._lock:
            if not self._current:
                return
            logger.warning(
                "%s asks for the service tier %s, which is not available here (%s): calls use the standard tier, at "
                "its price",
                EXTRA,
                self._current,
                reason,
            )
            self._current = ""
