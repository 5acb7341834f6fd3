"""What real servers answer, as bug reports of others quote it: each is the fault that it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.judge.endpoint.faults.fault import recognise
from tasks.judge.endpoint.faults.table import FAULTS
from tasks.judge.endpoint.refusals.refusal import read_refusal
from tasks.judge.endpoint.refusals.stated import read_stated_refusal

CASES = json.loads((Path(__file__).parents[2] / "fixtures" / "endpoint_refusals.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['cause']}-{case['server']}-{case['status']}")
def test_what_a_real_server_returns(case: dict[str, Any]) -> None:
    text = case["body"] if isinstance(case["body"], str) else json.dumps(case["body"])
    if case["status"] == 200:
        stated = read_stated_refusal(text.encode(), {})
        assert stated is not None
        refusal = stated.refusal
    else:
        refusal = read_refusal(case["status"], text.encode(), {})
    assert refusal.words
    assert next(recognise(refusal, FAULTS)).cause == case["cause"], refusal.describe()
