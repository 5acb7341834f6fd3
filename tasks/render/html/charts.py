"""The figures of a page: numbers as people read them, and the geometry of its bars, lines and time lines."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from tasks.comparison.description import format_difference
from tasks.render.html.page import HistoryPoint
from tasks.report.nested_rows import WaterfallSpanRow
from tasks.wording.counts import counted
from tasks.wording.durations import format_duration
from tasks.wording.formats import format_score

MOST_POINTS = 12
_BEFORE_UNIT = re.compile(r"(?<=\d) ")


def percent(share: float | None) -> str:
    """A share (0 to 1, held to that) as a length in SVG: ``12.5%``."""
    if share is None or math.isnan(share):
        return "0%"
    return f"{round(max(0.0, min(1.0, share)) * 100, 1):g}%"


def format_seconds(seconds: float | None) -> str:
    """``1 min 12 s`` with no line that begins with a unit; a dash when it was not measured."""
    return _BEFORE_UNIT.sub("\u00a0", format_duration(seconds))


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
    return format_difference(metric, value).replace("-", "−").replace(" ", "\u00a0")


@dataclass(frozen=True, slots=True)
class Trend:
    """A small chart over the last reports, and the same in words.

    Its lines are SVG paths in a square of 100 by 100 that is drawn as wide as there is room; a dot is a line without a
    length and with round ends. ``gap`` and ``others`` are what cannot be compared with the newest report.
    """

    title: str
    top: str
    bottom: str
    first: str
    last: str
    text: str
    line: str
    gap: str
    whiskers: str
    dots: str
    others: str
    newest: str


def score_trend(history: Sequence[HistoryPoint]) -> Trend | None:
    """The scores of the last reports; None with fewer than two of them."""
    points = [(point, point.score, None, None) for point in history if point.score is not None]
    lowest = min((score for _, score, _, _ in points), default=0.0)
    bottom = float(max(0, min(8, math.floor(lowest) - 1)))
    return _trend("Score", points, bottom, 10.0, format_score, f"{bottom:.0f}", "10")


def rate_trend(history: Sequence[HistoryPoint]) -> Trend | None:
    """The success rates of the last reports with their intervals, where fewer than two have any their completion rates;
    None with fewer than two of either."""
    succeeded = [
        (point, point.success_rate, point.success_low, point.success_high)
        for point in history
        if point.success_rate is not None
    ]
    if len(succeeded) >= 2:
        return _rates("Success", succeeded)
    completed = [
        (point, point.completion_rate, point.low, point.high) for point in history if point.completion_rate is not None
    ]
    return _rates("Completion", completed)


def _rates(title: str, points: Sequence[tuple[HistoryPoint, float, float | None, float | None]]) -> Trend | None:
    return _trend(title, points, 0.0, 1.0, lambda value: f"{value:.0%}", "0%", "100%")


def _trend(
    title: str,
    points: Sequence[tuple[HistoryPoint, float, float | None, float | None]],
    bottom: float,
    top: float,
    shown: Callable[[float], str],
    bottom_label: str,
    top_label: str,
) -> Trend | None:
    points = points[-MOST_POINTS:]
    if len(points) < 2:
        return None

    def height(value: float) -> str:
        # A little room above and below, so that no dot is cut.
        return f"{92 - 84 * (value - bottom) / (top - bottom):.3g}"

    across = [f"{2 + 96 * number / (len(points) - 1):.3g}" for number in range(len(points))]
    places = [f"{x} {height(value)}" for x, (_, value, _, _) in zip(across, points, strict=True)]
    comparable = [point.comparable for point, _, _, _ in points]
    steps = list(pairwise(zip(places, comparable, strict=True)))
    return Trend(
        title=title,
        top=top_label,
        bottom=bottom_label,
        first=format_day(points[0][0].created_at),
        last=format_day(points[-1][0].created_at),
        text=f"{title} in the last {counted(len(points), 'report')}, the newest last: "
        + ", ".join(shown(value) for _, value, _, _ in points),
        line=_joined(steps),
        gap="".join(f"M{a}L{b}" for (a, here), (b, there) in steps if not (here and there)),
        whiskers="".join(
            f"M{x} {height(low)}V{height(high)}"
            for x, (_, _, low, high) in zip(across, points, strict=True)
            if low is not None and high is not None
        ),
        dots="".join(f"M{place}h0" for place, same in zip(places, comparable, strict=True) if same),
        others="".join(f"M{place}h0" for place, same in zip(places, comparable, strict=True) if not same),
        newest=f"M{places[-1]}h0",
    )


def _joined(steps: Sequence[tuple[tuple[str, bool], tuple[str, bool]]]) -> str:
    """The path along the steps of which both ends can be compared: one line for as long as they follow each other."""
    path, end = "", ""
    for (start, here), (stop, there) in steps:
        if here and there:
            path += f"L{stop}" if end == start else f"M{start}L{stop}"
            end = stop
    return path


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


def build_waterfall(spans: Sequence[WaterfallSpanRow] | None, total: int | None, most: int) -> Waterfall | None:
    """The ``most`` longest of ``spans`` (rows of ``waterfall``), of ``total`` in the trace; None without any.

    Where some are left out, calls of LLMs and tools stay rather than what holds them.
    """
    if not spans:
        return None
    # The longest of all, which holds the others, and then what the time went into rather than what was around it.
    by_length = sorted(range(len(spans)), key=lambda index: -spans[index]["duration_seconds"])
    works = [index for index in by_length[1:] if spans[index]["kind"] in ("llm", "tool")]
    longest = list(dict.fromkeys([by_length[0], *works, *by_length] if len(spans) > most else by_length))[:most]
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
    return Waterfall(bars, format_seconds(length), max(total or 0, len(spans)))
