"""A piece of what setup creates on a Prefect server, and its state there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from prefect.client.orchestration import SyncPrefectClient

State = Literal["there", "missing", "different", "skipped", "warning"]
"""``skipped``: not requested, with the reason; ``warning``: it exists, but does not do what it should."""


@dataclass(frozen=True, slots=True)
class Found:
    """One thing on the server: what it is, its state, and a short detail without secrets."""

    what: str
    state: State
    detail: str = ""

    @property
    def is_due(self) -> bool:
        """Whether it has to be created or updated."""
        return self.state in ("missing", "different")


class Piece(Protocol):
    """What is checked together and created together."""

    def inspect(self, client: SyncPrefectClient) -> Sequence[Found]:
        """The state on the server; changes nothing."""
        ...

    def make(self, client: SyncPrefectClient) -> None:
        """Create what is missing and update what is different, and nothing else.

        Raises:
            RefusedError: it needs something that only a person can provide.
        """
        ...
