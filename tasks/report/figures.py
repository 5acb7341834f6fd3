"""The figures of a page: numbers as people read them, and the geometry of its bars, lines and time lines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from tasks.report.page import HistoryPoint

MOST_POINTS = 12


def percent(share: float | None) -> str:
    """A share (0 to 1, held to that) as a length in SVG: ``12.5%``."""
    if share is None or math.isnan(share):
        return "0%"
    return f"{round(max(0.0, min(1.0, share)) * 100, 1):g}%"


def format_seconds(seconds: float | None) -> str:
    """``0.45 s``, ``8.0 s``, ``1 min 12 s``, ``2.1 h``; a dash when it was not measured."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.2f}\u00a0s" if seconds < 1 else f"{seconds:.1f}\u00a0s"
    if seconds < 3600:
        return f"{seconds // 60:.0f}\u00a0min {seconds % 60:.0f}\u00a0s"
    return f"{seconds / 3600:.1f}\u00a0h"


def format_count(count: float | None) -> str:
    """A whole number with its thousands apart; a dash when it was not measured."""
    return "–" if count is None else f"{count:,.0f}"


def format_time(moment: datetime | None) -> str:
    """``25 Nov 2026, 14:46 UTC``; a dash when it is not known."""
    return "–" if moment is None else f"{moment.day} {moment:%b %Y, %H:%M} UTC"


def format_day(moment: datetime) -> str:
    """``25 Nov``."""
    return f"{moment.day} {moment:%b}"


def format_signed(value: float | None, metric: str) -> str:
    """A difference with its sign in the metric's own unit; a dash when it is not known."""
    if value is None:
        return "–"
    sign = "+" if value > 0 else "−" if value < 0 else "±"
    size = abs(value)
    if metric == "success_rate":
        return f"{sign}{size * 100:.0f}\u00a0points"
    if metric == "avg_duration_seconds":
        return f"{sign}{format_seconds(size)}"
    if metric.endswith("cost_usd"):
        return f"{sign}${size:.4f}"
    return f"{sign}{size:.1f}"


@dataclass(frozen=True, slots=True)
class Dot:
    """A point of a trend; places in percent. ``low`` and ``high`` are the ends of its interval, if it has one."""

    x: str
    y: str
    solid: bool
    low: str = ""
    high: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A line between two neighbours of a trend; dashed where they cannot be compared."""

    x1: str
    y1: str
    x2: str
    y2: str
    solid: bool


@dataclass(frozen=True, slots=True)
class Trend:
    """A small chart over the last reports, and the same in words."""

    title: str
    top: str
    bottom: str
    first: str
    last: str
    text: str
    dots: Sequence[Dot]
    lines: Sequence[Line]


def score_trend(history: Sequence[HistoryPoint]) -> Trend | None:
    """The scores of the last reports; None with fewer than two of them."""
    points = [(point, point.score, None, None) for point in history if point.score is not None]
    lowest = min((score for _, score, _, _ in points), default=0.0)
    bottom = float(max(0, min(8, math.floor(lowest) - 1)))
    return _trend("Score", points, bottom, 10.0, lambda value: f"{value:.1f}", f"{bottom:.0f}", "10")


def rate_trend(history: Sequence[HistoryPoint]) -> Trend | None:
    """The success rates of the last reports with their intervals; None with fewer than two of them."""
    points = [(point, point.success_rate, point.low, point.high) for point in history if point.success_rate is not None]
    return _trend("Success rate", points, 0.0, 1.0, lambda value: f"{value:.0%}", "0%", "100%")


def _trend(
    title: str,
    points: Sequence[tuple[HistoryPoint, float, float | None, float | None]],
    bottom: float,
    top: float,
    shown: Any,
    bottom_label: str,
    top_label: str,
) -> Trend | None:
    points = points[-MOST_POINTS:]
    if len(points) < 2:
        return None

    def height(value: float | None) -> str:
        # A little room above and below, so that no dot is cut.
        return "" if value is None else percent(0.92 - 0.84 * (value - bottom) / (top - bottom))

    def place(number: int) -> str:
        return percent(0.03 + 0.94 * number / (len(points) - 1))

    dots = [
        Dot(place(number), height(value), point.comparable, height(low), height(high))
        for number, (point, value, low, high) in enumerate(points)
    ]
    lines = [Line(a.x, a.y, b.x, b.y, a.solid and b.solid) for a, b in pairwise(dots)]
    values = ", ".join(shown(value) for _, value, _, _ in points)
    first, last = points[0][0].created_at, points[-1][0].created_at
    return Trend(
        title=title,
        top=top_label,
        bottom=bottom_label,
        first=format_day(first),
        last=format_day(last),
        text=f"{title} in the last {len(points)} reports, the newest last: {values}",
        dots=dots,
        lines=lines,
    )


@dataclass(frozen=True, slots=True)
class Bar:
    """A span on a waterfall's time line."""

    name: str
    kind: str
    depth: int
    x: str
    width: str
    seconds: str
    error: bool


@dataclass(frozen=True, slots=True)
class Waterfall:
    """A run's time line: the longest spans in order of start, over ``seconds`` in all."""

    bars: Sequence[Bar]
    seconds: str
    spans: int
    kinds: Sequence[str]


def build_waterfall(spans: Sequence[Mapping[str, Any]] | None, total: int | None, most: int) -> Waterfall | None:
    """The ``most`` longest of ``spans`` (rows of ``waterfall``), of ``total`` in the trace; None without any."""
    if not spans:
        return None
    longest = sorted(range(len(spans)), key=lambda index: -spans[index]["duration_seconds"])[:most]
    kept = [spans[index] for index in sorted(longest)]
    begin = min(span["start_seconds"] for span in kept)
    end = max(span["start_seconds"] + span["duration_seconds"] for span in kept)
    length = max(end - begin, 1e-9)
    bars = [
        Bar(
            name=span["name"],
            kind=span["kind"] if span["kind"] in ("llm", "tool", "agent") else "other",
            depth=max(0, min(7, span["depth"])),
            # Of the shortest span something is to be seen, and of the last one too.
            x=percent(min(0.994, (span["start_seconds"] - begin) / length)),
            width=percent(max(0.006, span["duration_seconds"] / length)),
            seconds=format_seconds(span["duration_seconds"]),
            error=bool(span["error"]),
        )
        for span in kept
    ]
    kinds = [kind for kind in ("agent", "llm", "tool", "other") if any(bar.kind == kind for bar in bars)]
    return Waterfall(bars, format_seconds(length), max(total or 0, len(spans)), kinds)
