"""The ledger as the judge sees it: what was paid for, found again by the fingerprint of what went in."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict


class PaidAnswer(BaseModel):
    """One answer that the endpoint charged for, usable or not. Unknown tokens and costs are None."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    fingerprint: str
    kind: Literal["agent", "team"]
    model: str
    answer: str
    outcome: str
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None
    cost_usd: float | None
    latency_seconds: float
    attempts: int
    report_id: int | None
    agent_id: int | None


class Ledger(Protocol):
    """Where paid answers are kept; safe to call from many threads."""

    def find(self, fingerprint: str) -> PaidAnswer | None:
        """The newest usable answer under this fingerprint, or None."""

    def commit(self, answer: PaidAnswer) -> None:
        """Keep ``answer`` for good; returns once it is durable."""


def fingerprint(parts: dict[str, Any]) -> str:
    """SHA-256 (hex) over the canonical JSON of ``parts``: sorted keys, no white space, ASCII, times as ISO UTC."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=_plain)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _plain(value: object) -> object:
    # Not model_dump(mode="json"): that refuses the lone surrogates which agents' texts can hold.
    if isinstance(value, BaseModel):
        return value.model_dump(mode="python")
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    raise TypeError(f"{type(value).__name__} has no canonical form")
