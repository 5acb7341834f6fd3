"""An answer follows its schema, or its endpoint does not enforce it."""

from __future__ import annotations

import json

import pytest

from tasks.judge.endpoint.schema import follows

_INNER = {"type": "object", "properties": {"score": {"type": "number"}}, "required": ["score"]}
_SCHEMA = {
    "type": "object",
    "properties": {"criteria": {"type": "object", "properties": {"care": _INNER}, "required": ["care"]}, "more": {}},
    "required": ["criteria"],
}
_GOOD = {"criteria": {"care": {"score": None}}}


def test_with_all_that_is_required_it_does() -> None:
    assert follows(json.dumps(_GOOD), _SCHEMA)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Good.",
        f"```json\n{json.dumps(_GOOD)}\n```",
        "[]",
        '{"criteria": {}}',
        '{"criteria": {"care": {}}}',
        "[" * 99999,
    ],
)
def test_without_it_does_not(text: str) -> None:
    assert not follows(text, _SCHEMA)
