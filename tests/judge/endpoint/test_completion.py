"""What the body of a reply holds, in every shape that servers send; and what does not pass for a completion."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.judge.endpoint.completion import read_completion

FIXTURES = Path(__file__).parents[2] / "fixtures"
CASES: list[dict[str, Any]] = json.loads((FIXTURES / "completions.json").read_text(encoding="utf-8"))


def encoded(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_every_body_of_the_table_is_read_or_is_none(case: dict[str, Any]) -> None:
    if "text" not in case:
        with pytest.raises(ValueError, match=r".") as caught:
            read_completion(encoded(case["body"]))
        assert not isinstance(caught.value, json.JSONDecodeError) or case["body"]
        return
    found = read_completion(encoded(case["body"]))
    assert found.text == case["text"]
    for name in ("finish_reason", "model", "usage"):
        if name in case:
            assert getattr(found, name) == case[name]
    if case.get("reasoned"):
        assert found.reasoned


@pytest.mark.parametrize(
    "text", ["data: " * 50_000, "data: {" * 50_000, "data: {}\n" * 50_000, ":\n" * 100_000, '{"choices":' * 50_000]
)
def test_a_hostile_body_is_no_completion(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_completion(text.encode())
