"""The time around runs in which Jaeger is to look, in the two forms that its APIs take."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from tasks.evidence.types import Run

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# Clocks of the agents' hosts and of the database differ, and a run's row is not written when its first span starts.
# Ids and tags are exact, so that a wide window finds nothing wrong.
_MARGIN_US = 3_600 * 1_000_000
_LAST_US = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // _MICROSECOND


class TraceWindow(NamedTuple):
    """Microseconds since 1970, from and to."""

    start_us: int
    end_us: int

    @property
    def start_rfc3339(self) -> str:
        """The start with nanoseconds and Z, as v3 wants it."""
        return _rfc3339(self.start_us)

    @property
    def end_rfc3339(self) -> str:
        """The end with nanoseconds and Z."""
        return _rfc3339(self.end_us)


def window_of(runs: Iterable[Run], now: datetime) -> TraceWindow:
    """An hour more on both sides than ``runs`` took; one that has not ended reaches to ``now``. No runs: the epoch."""
    starts, ends = [], []
    for run in runs:
        starts.append((run.started_at - _EPOCH) // _MICROSECOND)
        ended = run.ended_at
        ends.append(
            ((max(now, run.started_at) if ended is None else max(ended, run.started_at)) - _EPOCH) // _MICROSECOND
        )
    return TraceWindow(
        max(0, min(starts, default=0) - _MARGIN_US), min(_LAST_US, max(0, max(ends, default=0) + _MARGIN_US))
    )


def _rfc3339(microseconds: int) -> str:
    moment = _EPOCH + timedelta(microseconds=microseconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + f".{moment.microsecond:06d}000Z"
