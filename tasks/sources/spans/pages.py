"""The pages of a list in a store's API, each behind the cursor that the one before it names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from tasks.errors import SourceError

MOST_PAGES = 10_000
"""More than any store has of what is read: traces come by the hundred, spans by the thousand."""

Page: TypeAlias = tuple[list[dict[str, Any]], object]
"""The rows, and the cursor of the next page (empty: it is the last)."""


def read_pages(ask: Callable[[str | None], Page], most: int = MOST_PAGES) -> Iterator[list[dict[str, Any]]]:
    """The rows of each page that ``ask`` gives for its cursor (None: the first), asked for as they are needed.

    A cursor that came before ends them: some stores name that of the last page again.

    Raises:
        SourceError: there are more than ``most``.
    """
    cursor: str | None = None
    seen: set[str] = set()
    for _ in range(most):
        rows, following = ask(cursor)
        yield rows
        cursor = str(following) if following else None
        if cursor is None or cursor in seen:
            return
        seen.add(cursor)
    raise SourceError(f"The source has no last page: after {most:,} it still names another one")
