"""Prefect walks through a parameter for futures to resolve, and does not walk through a quoted one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from prefect.utilities.collections import visit_collection

from tasks.bridge.decorators import flow, step
from tasks.bridge.quoting import quoted, unquoted


class _Watched(list[Any]):
    """A list that counts how often it is iterated over."""

    walks = 0

    def __iter__(self) -> Iterator[Any]:
        self.walks += 1
        return super().__iter__()


@step("take")
def _take(value: Any) -> int:
    [inner] = value
    return int(inner.walks)


@flow(name="quoting")
def _count_walks(bare: list[Any], wrapped: list[Any]) -> tuple[int, int]:
    # The flow's own parameters were walked through already.
    before = bare[0].walks, wrapped[0].walks
    return _take(bare) - before[0], _take(quoted(wrapped)) - before[1]


def test_a_quoted_parameter_reaches_the_task_unwrapped_and_unwalked(
    shared_server: str, at_server: Callable[[str], AbstractContextManager[None]]
) -> None:
    with at_server(shared_server):
        bare, wrapped = _count_walks([_Watched([1])], [_Watched([1])])
    assert bare > 0
    assert wrapped == 0


def test_an_unquoted_value_is_walked_through() -> None:
    # What the measurement in the module is about; when this fails, Prefect no longer walks and quoting can go.
    seen: list[Any] = []
    visit_collection([1, [2]], visit_fn=seen.append, return_data=False)
    assert 2 in seen


def test_what_is_not_quoted_stays_as_it_is() -> None:
    assert unquoted(7) == 7
    assert unquoted(quoted(7)) == 7
