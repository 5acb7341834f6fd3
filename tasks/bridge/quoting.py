"""What keeps large values cheap as parameters: Prefect walks through every parameter of every task run.

The evidence of one agent, 20 runs of 100 spans, is 8,000 visits and 20 ms of CPU a task run.
(tests/bridge/test_quoting.py)
"""

from __future__ import annotations

from typing import TypeVar, cast

from prefect.utilities.annotations import quote

T = TypeVar("T")


def quoted(value: T) -> T:
    """``value`` wrapped so that Prefect does not walk through it. As a parameter it reaches the task unwrapped."""
    return cast(T, quote(value))


def unquoted(value: T) -> T:
    """``value`` without a wrapper that it came with, as the result of another task does."""
    return cast(T, value.unquote()) if isinstance(value, quote) else value
