"""What the calls for one answer have in common, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from tasks.evidence.types import AgentId
from tasks.judge.endpoint.stop_signal import StopSignal
from tasks.judge.prompt.instructions import Kind


@dataclass(slots=True)
class Spent:
    """Tokens and USD of the calls made for one question; what no call reported, or one call did not, is None."""

    calls: int = 0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None
    known_cost_usd: float = 0.0
    unknown: set[str] = field(default_factory=set)

    def add(self, prompt_tokens: int | None, completion_tokens: int | None, cost_usd: float | None) -> None:
        """Count one reply. One unknown part makes the sum unknown: it is never taken for 0."""
        self.calls += 1
        self.known_cost_usd += cost_usd or 0.0
        for name, value in (
            ("prompt_tokens", prompt_tokens),
            ("completion_tokens", completion_tokens),
            ("cost_usd", cost_usd),
        ):
            if value is None or name in self.unknown:
                self.unknown.add(name)
                setattr(self, name, None)
            else:
                setattr(self, name, (getattr(self, name) or 0) + value)

    def include(self, other: Spent) -> None:
        """Count what ``other`` counted."""
        self.calls += other.calls
        self.known_cost_usd += other.known_cost_usd
        self.unknown |= other.unknown
        for name in ("prompt_tokens", "completion_tokens", "cost_usd"):
            values = [value for value in (getattr(self, name), getattr(other, name)) if value is not None]
            setattr(self, name, None if name in self.unknown or not values else sum(values))

    def lose(self, calls: int) -> None:
        """Note ``calls`` that were sent and never answered: their cost is unknown."""
        if calls:
            self.unknown |= {"prompt_tokens", "completion_tokens", "cost_usd"}
            self.prompt_tokens = self.completion_tokens = self.cost_usd = None


@dataclass(frozen=True, slots=True)
class CallContext:
    """One answer that is wanted: its key in the ledger, the report and agent that it is for, and its limits.

    ``fingerprint`` stands for the question and ``sample`` (from 0). ``deadline`` is of ``time.monotonic`` and bounds
    waiting, calls and retries. Answers paid for before ``fresh_since`` (aware; None: no bound) are not reused.
    ``spent`` adds up what the calls cost.
    """

    fingerprint: str
    kind: Kind
    model: str
    deadline: float
    stop: StopSignal
    report_id: int | None = None
    agent_id: AgentId | None = None
    sample: int = 0
    fresh_since: datetime | None = None
    spent: Spent = field(default_factory=Spent)
