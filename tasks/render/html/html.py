"""The report as one HTML file: no network, no script but its own, and what agents and judges wrote is never markup."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tasks.calibration.agreement import describe_kappa
from tasks.comparison import changes
from tasks.comparison.comparison import HOLDS_FOR
from tasks.comparison.description import format_value, metric_title
from tasks.render import issue_text
from tasks.render.html import charts
from tasks.render.html.overview import build_overview
from tasks.render.html.page import Page
from tasks.render.html.section import Detail, build_sections
from tasks.render.html.untrusted_text import finalize, named, shown_id, untrusted
from tasks.render.success_text import format_interval, points_between
from tasks.wording import formats
from tasks.wording.counts import counted
from tasks.wording.formats import format_cost
from tasks.wording.passing import describe_passed

MOST_BYTES = 1_000_000
"""What a page may have, if that can be: then less of each text and fewer runs are shown."""

DETAILS = (
    Detail(
        all_runs=True, excerpt=600, quote=400, text=4_000, spans=40, items=30, tools=12, pattern_runs=3, run_bytes=1_800
    ),
    Detail(
        all_runs=False, excerpt=400, quote=300, text=1_200, spans=24, items=20, tools=12, pattern_runs=3, run_bytes=980
    ),
    Detail(
        all_runs=False, excerpt=240, quote=200, text=600, spans=14, items=10, tools=8, pattern_runs=2, run_bytes=880
    ),
    Detail(all_runs=False, excerpt=160, quote=140, text=400, spans=8, items=5, tools=6, pattern_runs=1, run_bytes=760),
    Detail(all_runs=False, excerpt=100, quote=100, text=240, spans=5, items=3, tools=4, pattern_runs=1, run_bytes=570),
    Detail(all_runs=False, excerpt=70, quote=70, text=140, spans=4, items=2, tools=3, pattern_runs=1, run_bytes=530),
    Detail(all_runs=False, excerpt=30, quote=30, text=48, spans=2, items=1, tools=2, pattern_runs=1, run_bytes=0),
)
_TEMPLATES = Path(__file__).parent / "templates"


def render_html(page: Page) -> str:
    """The page of a report, in as much detail as fits into ``MOST_BYTES``; the last detail there is if nothing does.

    The search starts where a report of so many runs usually fits, as most of the time of a long page is its rendering.

    Pure: the same page gives the same text, which is valid UTF-8.
    """
    likely = (i for i, detail in enumerate(DETAILS) if len(page.runs) * detail.run_bytes <= MOST_BYTES)
    for detail in DETAILS[next(likely) :]:
        text = _render(page, detail)
        if len(text.encode()) < MOST_BYTES:
            break
    return text


def _render(page: Page, detail: Detail) -> str:
    sections = build_sections(page, detail)
    style, script = _assets()
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return (
        _environment()
        .get_template("report.html")
        .render(
            page=page,
            report=page.report,
            sections=sections,
            overview=build_overview(page, sections),
            changes=changes.sort_changes(page.comparison) if page.comparison else None,
            detail=detail,
            policy=policy,
            style=Markup(style),  # noqa: S704 - our own files, here and in the next line
            script=Markup(script),  # noqa: S704
        )
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {
        "untrusted": untrusted,
        "named": named,
        "id": shown_id,
        "pct": charts.percent,
        "seconds": charts.format_seconds,
        "count": charts.format_count,
        "time": charts.format_time,
        "day": charts.format_day,
        "signed": charts.format_signed,
        "score": formats.format_score,
        "threshold": formats.format_threshold,
        "counted": counted,
        "rate": formats.format_rate,
        "cost": format_cost,
        "setting": _describe_setting,
    }
    environment.globals |= {
        "clear_changes": changes.clear_changes,
        "name_metric": metric_title,
        "format_metric": format_value,
        "describe_kappa": describe_kappa,
        "describe_passed": describe_passed,
        "interval_words": format_interval,
        "points_between": points_between,
        "HOLDS_FOR": HOLDS_FOR,
        "issue_text": issue_text,
    }
    return environment


@lru_cache(maxsize=1)
def _assets() -> tuple[str, str]:
    """The style sheet and the script: that which sorts, and our own."""
    read = [
        (_TEMPLATES / name).read_text(encoding="utf-8") for name in ("page.css", "vendor/sortable.min.js", "page.js")
    ]
    return read[0], "\n".join(read[1:])


def _digest(content: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


def _describe_setting(value: object) -> str:
    """A setting of the judge; several in one as ``name: value``."""
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')}: {part}" for name, part in value.items()) or "none"
    return str(value)
