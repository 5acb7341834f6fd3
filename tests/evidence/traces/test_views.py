"""Views of one call are one call, and two calls stay two, in every convention."""

from __future__ import annotations

import random

import pytest

from tasks.evidence.traces.views import View, same_calls

SDK, WRAPPER, THIRD = "com.anthropic.sdk.python", "opentelemetry.instrumentation.anthropic", "openinference"


def test_no_views_are_no_calls() -> None:
    assert same_calls([]) == []


@pytest.mark.parametrize(
    ("one", "another", "calls"),
    [
        # By the provider's id, whatever the times and tokens are.
        (View(0, 9, WRAPPER, "msg_1", (100, 11)), View(1, 8, SDK, "msg_1", (100, 10)), 1),
        (View(0, 9, WRAPPER, "msg_1"), View(20, 29, SDK, "msg_1"), 1),
        (View(0, 9, SDK, "msg_1"), View(1, 8, SDK, "msg_1"), 2),
        # By the times, with equal tokens that are known.
        (View(0, 9, WRAPPER, None, (100, 10)), View(1, 8, SDK, "msg_1", (100, 10)), 1),
        (View(1, 8, WRAPPER, None, (100, 10)), View(0, 9, SDK, None, (100, 10)), 1),
        (View(0, 9, WRAPPER, None, (100, 10)), View(0, 9, SDK, None, (100, 10)), 1),
        (View(0, 9, WRAPPER, None, (100, 10)), View(5, 10, SDK, None, (100, 10)), 2),
        (View(0, 9, WRAPPER, None, (100, 10)), View(9, 10, SDK, None, (100, 10)), 2),
        (View(0, 9, WRAPPER, None, (100, 10)), View(1, 8, SDK, None, (100, 11)), 2),
        (View(0, 9, WRAPPER), View(1, 8, SDK), 2),
        (View(0, 9, WRAPPER, "msg_1", (100, 10)), View(1, 8, SDK, "msg_2", (100, 10)), 2),
        # Without a scope it is unknown what wrote a span.
        (View(0, 9, "", None, (100, 10)), View(1, 8, SDK, None, (100, 10)), 2),
        (View(0, 9, "", "msg_1"), View(1, 8, SDK, "msg_1"), 2),
    ],
)
def test_two_views(one: View, another: View, calls: int) -> None:
    assert len(same_calls([one, another])) == calls
    assert len(same_calls([another, one])) == calls


def test_equal_calls_of_one_instrumentation_in_parallel_stay_apart() -> None:
    calls = [View(0, 9, SDK, None, (100, 10)), View(1, 8, SDK, None, (100, 10)), View(1, 8, SDK, None, (100, 10))]
    assert same_calls(calls) == [[0], [1], [2]]


def test_a_retry_is_a_call() -> None:
    wrapper = View(0, 100, WRAPPER, "msg_1", (100, 10))
    assert same_calls([wrapper, View(1, 20, SDK), View(30, 99, SDK, "msg_1", (100, 10))]) == [[0, 2], [1]]


def test_a_call_has_views_of_three_instrumentations() -> None:
    views = [View(0, 100, WRAPPER, None, (5, 1)), View(1, 99, THIRD, "x", (5, 1)), View(2, 98, SDK, "x", (5, 2))]
    assert same_calls(views) == [[0, 1, 2]]


def test_a_call_inside_a_tool_of_the_other_is_another() -> None:
    views = [View(0, 9, WRAPPER, None, (100, 10)), View(1, 8, SDK, None, (100, 10))]
    assert same_calls(views, lambda outer, inner: (outer, inner) != (0, 1)) == [[0], [1]]


def test_ids_that_come_again_pair_in_order_of_time() -> None:
    """Servers of one's own count from 0 in every conversation."""
    wrapper = [View(start, start + 9, WRAPPER, "id-0") for start in (0, 100, 200)]
    library = [View(start, start + 7, SDK, "id-0") for start in (101, 201)]
    assert same_calls([*wrapper, *library]) == [[0], [1, 3], [2, 4]]


@pytest.mark.parametrize("seed", range(40))
def test_calls_seen_by_two_instrumentations_are_counted_once_each(seed: int) -> None:
    """Whatever overlaps, and although all have the same tokens; and one instrumentation alone counts the same."""
    dice = random.Random(seed)
    views: list[View] = []
    number = dice.randrange(1, 40)
    for call in range(number):
        start = dice.randrange(200)
        end = start + dice.randrange(10, 60)
        tokens = (100, dice.choice((10, 10, 20)))
        call_id = f"msg_{call}" if dice.random() < 0.3 else None
        views.append(View(start, end, WRAPPER, call_id, tokens))
        views.append(View(start + dice.randrange(5), end - dice.randrange(5), SDK, call_id, tokens))
    dice.shuffle(views)
    groups = same_calls(views)
    assert sorted(position for group in groups for position in group) == list(range(2 * number))
    assert all(len({views[position].scope for position in group}) == len(group) for group in groups)
    assert len(groups) == number
    alone = [view for view in views if view.scope == SDK]
    assert same_calls(alone) == [[position] for position in range(number)]


def test_many_views_are_compared_in_little_time() -> None:
    """Three thousand that all overlap: with each compared to each this would take long."""
    views = [View(number, 1_000_000 - number, f"scope {number % 3}", None, (1, 1)) for number in range(3_000)]
    assert len(same_calls(views)) < 3_000
    views = [View(number, number + 1, f"scope {number % 2}", "one id") for number in range(3_000)]
    assert len(same_calls(views)) == 1_500
