"""Warnings of models that are about to go, or that are unknown."""

from __future__ import annotations

import re
from pathlib import Path

import openai
import pytest

from tasks.evidence.prices import ModelPrice, RunPrices
from tasks.judge.endpoint.models import SHUTDOWN_DATES, model_warning
from tasks.settings import DEFAULT_JUDGE_MODEL

OPENAI = "https://api.openai.com/v1"


def warning(model: str, base_url: str = OPENAI, prices: RunPrices | None = None) -> str | None:
    return model_warning(model, base_url=base_url, prices=prices or RunPrices())


def test_the_table_is_the_sdks() -> None:
    source = (Path(openai.__file__).parent / "types" / "shared" / "chat_model.py").read_text(encoding="utf-8")
    entries = re.split(r"^- ", source.partition("Deprecated values:")[2], flags=re.MULTILINE)[1:]
    announced = {
        model: date[1]
        for entry in entries
        if (date := re.search(r"shutdown\s+date:\s+(\d{4}-\d\d-\d\d)", entry))
        for model in re.findall(r'"([^"]+)"', entry)
    }
    assert len(announced) > 50
    assert announced == SHUTDOWN_DATES


@pytest.mark.parametrize(
    "model", ["gpt-4o-mini", "GPT-4o-mini", "openai/gpt-4o-mini", "ft:gpt-4o-mini-2024-07-18:acme::7p"]
)
@pytest.mark.parametrize("base_url", [OPENAI, "https://proxy.example/v1"])
def test_a_model_that_goes_is_named_with_its_date(model: str, base_url: str) -> None:
    text = warning(model, base_url) or ""
    assert repr(model) in text
    assert "2027-01-14" in text
    assert "\n" not in text


@pytest.mark.parametrize("model", [DEFAULT_JUDGE_MODEL, "gpt-5.4-mini-2026-03-17", "gpt-5.2-pro"])
def test_a_current_model_is_no_matter(model: str) -> None:
    assert warning(model) is None


def test_a_model_that_nobody_knows_is_named_where_openai_is_asked() -> None:
    assert "'gtp-5.4' is known neither" in (warning("gtp-5.4") or "")
    assert warning("gtp-5.4", "http://127.0.0.1:8000/v1") is None
    assert warning("gtp-5.4", "https://api.openai.com.example.org/v1") is None


def test_a_model_with_a_price_of_ones_own_is_known() -> None:
    assert warning("gtp-5.4", prices=RunPrices({"gtp-5.4": ModelPrice(input=1, output=2)})) is None
