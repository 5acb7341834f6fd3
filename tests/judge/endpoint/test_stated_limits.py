"""What endpoints state about length, in the words of more than forty servers and proxies."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tasks.judge.endpoint.stated_limits import StatedLimits, read_stated_limits

WORDINGS = json.loads((Path(__file__).parents[2] / "fixtures" / "length_refusals.json").read_text(encoding="utf-8"))


def stated(found: StatedLimits | None) -> dict[str, Any]:
    return {name: value for name, value in asdict(found).items() if value is not None} if found else {}


@pytest.mark.parametrize("wording", WORDINGS, ids=[wording["server"] for wording in WORDINGS])
def test_what_is_stated_is_read(wording: dict[str, Any]) -> None:
    found = read_stated_limits(wording["words"], wording.get("body"))
    refused = {"refused": wording["refused"]} if wording["refused"] else {}
    assert stated(found) == refused | wording["stated"]


@pytest.mark.parametrize("wording", [row for row in WORDINGS if row["refused"]], ids=lambda row: str(row["server"]))
def test_letters_quotes_and_separators_do_not_matter(wording: dict[str, Any]) -> None:
    # Of a name such as maxOutputTokens the capitals are what parts its words.
    words = wording["words"] if re.search("[a-z][A-Z]", wording["words"]) else wording["words"].upper()
    assert stated(read_stated_limits(words.replace("`", "'"), wording.get("body"))) == stated(
        read_stated_limits(wording["words"], wording.get("body"))
    )


def test_what_stands_far_behind_is_not_read() -> None:
    assert read_stated_limits("x" * 2000 + " maximum context length is 4096 tokens, 5000 requested") is None


@pytest.mark.parametrize(
    "text", ["max_tokens " * 200, "tokens of " * 300, "9" * 5000, "1,234," * 300, "exceed prompt " * 200, "a-" * 900]
)
def test_hostile_words_hold_no_limits(text: str) -> None:
    found = read_stated_limits(text, {"n_ctx": 10**30, "deep": [[[[[[[[text]]]]]]]]})
    assert found is None or not found.has_limit
