"""The ledger as the judge sees it: what was paid for, found again by the fingerprint of what went in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from tasks.evidence.types import AgentId
from tasks.judge.prompt.instructions import Kind


class PaidAnswer(BaseModel):
    """One answer that the endpoint charged for, usable or not. Unknown tokens and costs are None.

    ``sample`` is its number among the answers to the same question, from 0; it is part of the fingerprint.
    """

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    fingerprint: str
    kind: Kind
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
    agent_id: AgentId | None
    sample: int = 0


@dataclass(slots=True)
class Claim:
    """The right to pay for the answer under ``fingerprint``; ``id`` is of this claim alone and never used again.

    ``answered`` is set by the ledger with the commit that takes the claim's place: then nothing is left to release.
    ``most_usd`` is what the call under way can cost at most (None: not known). ``unanswered`` calls were sent under it
    of which nothing came back, so that their cost is not known; it is at most ``unanswered_usd``.
    """

    id: int
    fingerprint: str
    answered: bool = False
    most_usd: float | None = None
    unanswered: int = 0
    unanswered_usd: float | None = None

    def lose(self, calls: int, most_usd: float | None) -> None:
        """Note ``calls`` of up to ``most_usd`` each of which nothing came back."""
        if calls:
            self.unanswered += calls
            self.unanswered_usd = None if most_usd is None else (self.unanswered_usd or 0.0) + calls * most_usd


@dataclass(frozen=True, slots=True)
class Paid:
    """What was paid for one agent, or the team, of a report: in ``calls``, sent and answered or not.

    Sums are None when a part of them is not known, as of a call that was never answered.
    """

    calls: int
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: float | None
    known_cost_usd: float


def unknown_cost() -> None:
    """For a claim whose cost is not known."""


class Ledger(Protocol):
    """Where paid answers are kept, and claimed before they are paid for; safe to call from many threads."""

    def find(
        self, fingerprint: str, *, since: datetime | None = None, report_id: int | None = None
    ) -> PaidAnswer | None:
        """The newest usable answer under this fingerprint, or None.

        One that arrived before ``since`` (aware) does not count. With ``report_id`` this report takes it.
        """

    def claim(
        self,
        fingerprint: str,
        *,
        kind: Kind,
        model: str,
        report_id: int | None,
        agent_id: AgentId | None,
        seconds: float,
        sample: int = 0,
        since: datetime | None = None,
        most_usd: Callable[[], float | None] = unknown_cost,
    ) -> PaidAnswer | Claim | None:
        """What ``find`` finds; else a claim, which the caller now holds; or None: another holds it, ask again soon.

        At most one claim per fingerprint is held, by one thread of one process. It lapses after ``seconds``, or as soon
        as its process is gone from this host: then it counts as a call that was never answered, and the next caller
        gets a claim. ``most_usd`` is only called for a claim: what the call can cost at most.
        """

    def commit(self, answer: PaidAnswer, claim: Claim | None = None) -> None:
        """Keep ``answer`` for good; returns once it is durable.

        A usable one takes the place of ``claim``, in the same moment. Beside an unusable one the claim stays held, for
        a call of up to its ``most_usd``. The calls of the claim that were never answered are kept along.
        Whether the claim has lapsed, and who holds it by now, does not matter to the answer: it is kept.
        """

    def release(self, claim: Claim) -> None:
        """Give ``claim`` up; nothing happens when it was answered or released. Its unanswered calls are kept."""

    def flush(self) -> None:
        """Write what could not be written so far; returns once that is done.

        Raises:
            WarehouseError: it cannot be written.
        """


def fingerprint(parts: dict[str, Any]) -> str:
    """SHA-256 (hex) over the canonical JSON of ``parts``: sorted keys, no white space, ASCII, times as ISO UTC.

    Models and dataclasses are objects of their fields.
    """
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=_plain)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _plain(value: object) -> object:
    # Not model_dump(mode="json"): that refuses the lone surrogates which agents' texts can hold.
    if isinstance(value, BaseModel):
        return value.model_dump(mode="python")
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    raise TypeError(f"{type(value).__name__} has no canonical form")
