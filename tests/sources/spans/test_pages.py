"""Pages behind cursors: in order, as they are needed, and with an end."""

from __future__ import annotations

from itertools import count, islice
from typing import Any

import pytest

from tasks.errors import SourceError
from tasks.sources.spans.pages import Page, read_pages


def _ask(pages: dict[str | None, tuple[int, object]], asked: list[str | None] | None = None) -> Any:
    def ask(cursor: str | None) -> Page:
        if asked is not None:
            asked.append(cursor)
        number, following = pages[cursor]
        return [{"number": number}], following

    return ask


@pytest.mark.parametrize("last", [None, "", 2, "a", "b"], ids=str)
def test_pages_end_without_another_cursor(last: object) -> None:
    pages = read_pages(_ask({None: (1, "a"), "a": (2, 2), "2": (3, "b"), "b": (4, last)}))
    assert [row["number"] for page in pages for row in page] == [1, 2, 3, 4]


def test_pages_are_asked_for_as_they_are_needed() -> None:
    asked: list[str | None] = []
    list(islice(read_pages(_ask({None: (1, "a"), "a": (2, None)}, asked)), 1))
    assert asked == [None]


def test_a_list_without_an_end_is_an_error() -> None:
    cursors = count()
    with pytest.raises(SourceError, match="no last page: after 20 "):
        list(read_pages(lambda _: ([], next(cursors) + 1), most=20))
