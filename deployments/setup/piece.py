"""A piece of what setup makes on a Prefect server, and what is found of it there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from prefect.client.orchestration import SyncPrefectClient

State = Literal["there", "missing", "different", "skipped", "warning"]
"""``skipped``: nobody asked for it, and why; ``warning``: it is there, and does not do what it should."""


@dataclass(frozen=True, slots=True)
class Found:
    """One thing on the server: what it is, how it stands with it, and what about it, in some words without secrets."""

    what: str
    state: State
    detail: str = ""

    @property
    def is_due(self) -> bool:
        """Whether something is left to do."""
        return self.state in ("missing", "different")


class Piece(Protocol):
    """What is looked at together, and made together."""

    def inspect(self, client: SyncPrefectClient) -> Sequence[Found]:
        """What is there, changing nothing."""
        ...

    def make(self, client: SyncPrefectClient) -> None:
        """Make what is missing and change what is different, and nothing else.

        Raises:
            RefusedError: it needs something that only a person can give.
        """
        ...
