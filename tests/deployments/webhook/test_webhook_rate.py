"""So many a minute: all at once, or one after the other."""

from __future__ import annotations

from deployments.webhook.rate import Rate


def test_so_many_at_once_and_then_one_by_one() -> None:
    now = 100.0
    rate = Rate(6, lambda: now)
    assert [rate.take() for _ in range(6)] == [0.0] * 6
    assert rate.take() == 10.0
    now += 9
    assert 0.9 < rate.take() < 1.1
    now += 1.1
    assert rate.take() == 0.0
    assert rate.take() > 9
    # What was not used is not saved up.
    now += 3600
    assert [rate.take() for _ in range(6)] == [0.0] * 6
    assert rate.take() > 9
