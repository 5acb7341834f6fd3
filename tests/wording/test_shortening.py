"""Texts cut to their ends."""

from __future__ import annotations

import pytest

from tasks.wording.shortening import clip_end, clip_middle


@pytest.mark.parametrize("text", [None, "", "short", "x" * 70])
def test_short_texts_are_left_alone(text: str | None) -> None:
    assert clip_middle(text, 70) == (text or "")


def test_long_texts_keep_head_and_tail_and_state_how_much_is_missing() -> None:
    clipped = clip_middle("H" * 1000 + "T" * 1000, 90)
    assert clipped.startswith("H" * 60 + " [… 1,910 characters left out] ")
    assert clipped.endswith("T" * 30)
    assert len(clipped) < 130


@pytest.mark.parametrize("limit", [0, 1, 2, 10, 40])
def test_clipping_never_makes_a_text_longer(limit: int) -> None:
    for length in range(120):
        text = "x" * length
        assert len(clip_middle(text, limit)) <= length


def test_a_beginning_states_how_much_follows() -> None:
    assert clip_end("ab", 2) == "ab"
    assert clip_end("abcd", 2) == "ab… [2 more characters]"
    assert clip_end("a\x00b", 3) == "a\ufffdb"


def test_a_beginning_clipped_again_counts_all_that_is_left_out() -> None:
    text = "x" * 1000
    assert clip_end(clip_end(text, 700), 400) == clip_end(text, 400)
