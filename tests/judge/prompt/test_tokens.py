"""Estimates against what vocabularies of today's models come to, and their correction."""

from __future__ import annotations

import base64
import json
import random

import pytest

from tasks.judge.prompt.tokens import TokenScale, clip_tokens, estimate_tokens, text_tokens

PROSE = (
    "Thanks for waiting. I can see two bookings under your name, one for May 20 and one for June 3. Which of them "
    "would you like to change? There is a fee of 50 dollars for each passenger, as the ticket is a basic one. "
)
ROWS = json.dumps([{"order_id": "ORD-48213", "status": "refunded", "amount_cents": 12950, "lines": [{"sku": "A-1"}]}])


@pytest.mark.parametrize(
    ("text", "bytes_per_token"),
    [
        (PROSE * 5, 4.2),
        (ROWS * 5, 2.8),
        (random.Random(1).randbytes(2000).hex(), 1.8),
        (base64.b64encode(random.Random(1).randbytes(2000)).decode(), 1.5),
    ],
    ids=["prose", "tool JSON", "hex", "base64"],
)
def test_the_estimate_is_near_what_was_measured(text: str, bytes_per_token: float) -> None:
    assert estimate_tokens(text) == pytest.approx(len(text.encode()) / bytes_per_token, rel=0.15)


def test_the_ends_of_the_scale() -> None:
    assert estimate_tokens("") == 0
    assert estimate_tokens("\ud800") >= 0
    assert estimate_tokens("漢字" * 50) > 100


def test_the_scale_follows_the_counts_and_forgets_slowly() -> None:
    scale = TokenScale()
    assert scale.factor == 1
    scale.learn(1000, 1300)
    assert scale.factor == pytest.approx(1.3)
    for _ in range(6):
        scale.learn(1000, 900)
    assert scale.factor == pytest.approx(0.9, rel=0.02)


@pytest.mark.parametrize("counted", [None, 0, 10**9])
def test_nonsense_does_not_move_it_far(counted: int | None) -> None:
    scale = TokenScale()
    scale.learn(1000, counted)
    scale.learn(0, 50)
    assert 0.4 <= scale.factor <= 2.5


def test_a_text_is_clipped_by_its_own_density() -> None:
    prose, noise = "the refund of the order was made " * 400, random.Random(1).randbytes(6600).hex()
    assert len(clip_tokens(prose, 500)) > 2 * len(clip_tokens(noise, 500))
    for text in (prose, noise):
        assert 400 < estimate_tokens(clip_tokens(text, 500)) < 600


def test_megabytes_are_estimated_from_their_ends() -> None:
    text = "the refund of the order was made " * 200_000
    assert text_tokens(text) == pytest.approx(estimate_tokens(text), rel=0.02)
