from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from tasks.errors import RefusedError
from tasks.evidence.prices import RunPrices, Tokens

NOW = datetime(2026, 11, 1, tzinfo=UTC)
MILLION = Tokens(input=1_000_000, output=100_000)


def test_the_cost_of_a_known_model() -> None:
    # gpt-4o: 2.50 USD in, 10 USD out, 1.25 USD cached.
    assert RunPrices().cost_usd("gpt-4o", MILLION, NOW) == pytest.approx(3.5)
    assert RunPrices().cost_usd("gpt-4o", MILLION._replace(cached=400_000), NOW) == pytest.approx(3.0)


def test_a_version_and_a_provider_in_the_name_are_understood() -> None:
    prices = RunPrices()
    assert prices.cost_usd("gpt-4o-2024-08-06", MILLION, NOW) == pytest.approx(3.5)
    assert prices.cost_usd("openai/gpt-4o", MILLION, NOW) == pytest.approx(3.5)
    assert prices.cost_usd("somewhere/openai/gpt-4o", MILLION, NOW) == pytest.approx(3.5)


def test_a_price_with_tiers_counts_at_its_lowest() -> None:
    # A single request of a million tokens would cost twice as much; a run of that many is many requests.
    assert RunPrices().cost_usd("claude-sonnet-4-5", MILLION, NOW) == pytest.approx(3 + 1.5)


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("inhouse-router-7b", MILLION),
        ("", MILLION),
        (None, MILLION),
        ("gpt-4o", Tokens()),
        ("gpt-4o", Tokens(total=5)),
        ("gpt-4o", Tokens(input=5)),
    ],
)
def test_unknown_is_none_and_not_zero(model: str | None, tokens: Tokens) -> None:
    assert RunPrices().cost_usd(model, tokens, NOW) is None


def test_zero_tokens_cost_zero() -> None:
    assert RunPrices().cost_usd("gpt-4o", Tokens(input=0, output=0), NOW) == 0


def test_cached_tokens_that_are_no_part_of_the_input_are_left_alone() -> None:
    assert RunPrices().cost_usd("gpt-4o", Tokens(input=1_000_000, output=0, cached=2_000_000), NOW) == pytest.approx(
        2.5
    )


def test_own_prices_come_first() -> None:
    prices = RunPrices({"GPT-4o": {"input": 1, "output": 2}, "mine": {"input": 4, "output": 0, "cached": 1}})
    assert prices.cost_usd("gpt-4o", MILLION, NOW) == pytest.approx(1.2)
    assert prices.cost_usd("mine", MILLION._replace(cached=500_000), NOW) == pytest.approx(2.5)
    assert prices.cost_usd("gpt-4o-mini", MILLION, NOW) == pytest.approx(0.21)


@pytest.mark.parametrize(
    ("price", "reason"),
    [
        ({"input": -1, "output": 2}, "input"),
        ({"input": float("nan"), "output": 2}, "input"),
        ({"input": 1}, "output"),
        ({"input": 1, "output": 2, "in": 3}, "in"),
    ],
)
def test_a_price_that_is_none_is_refused_by_name(price: dict[str, float], reason: str) -> None:
    with pytest.raises(RefusedError, match=f"'mine' cannot be used: {reason}"):
        RunPrices({"mine": price})


def test_threads_share_prices() -> None:
    prices = RunPrices()
    models = ["gpt-4o", "claude-haiku-4-5", "unheard-of"] * 40
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda model: prices.cost_usd(model, MILLION, NOW), models))
    assert found == found[:3] * 40
