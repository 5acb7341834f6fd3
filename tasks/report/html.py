"""The report as one HTML file: no network, no script but its own, and what agents and judges wrote is never markup."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tasks.report import changes, figures, markdown
from tasks.report.hostile import finalize, said
from tasks.report.overview import build_overview
from tasks.report.page import Page
from tasks.report.section import Detail, build_sections

MOST_BYTES = 1_000_000
"""What a page may have, if that can be: then less of each text and fewer runs are shown."""

DETAILS = (
    Detail(all_runs=True, excerpt=600, quote=400, text=4_000, spans=40),
    Detail(all_runs=False, excerpt=600, quote=300, text=1_200, spans=24),
    Detail(all_runs=False, excerpt=240, quote=200, text=600, spans=14),
    Detail(all_runs=False, excerpt=160, quote=120, text=400, spans=8),
    Detail(all_runs=False, excerpt=80, quote=80, text=160, spans=5),
)
_TEMPLATES = Path(__file__).parent / "templates"
_RUN_BYTES = 1_500


def render_html(page: Page) -> str:
    """The page of a report, in as much detail as fits into ``MOST_BYTES``; the last detail there is if nothing does.

    Pure: the same page gives the same text, which is valid UTF-8.
    """
    # What surely does not fit is not tried.
    first = 1 if len(page.runs) * _RUN_BYTES > MOST_BYTES else 0
    text = ""
    for detail in DETAILS[first:]:
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
            changes=changes.sort_changes(page.comparison),
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
        "said": said,
        "pct": figures.percent,
        "seconds": figures.format_seconds,
        "count": figures.format_count,
        "time": figures.format_time,
        "day": figures.format_day,
        "signed": figures.format_signed,
        "score": markdown.format_score,
        "rate": markdown.format_rate,
        "cost": markdown.format_cost,
        "setting": _describe_setting,
    }
    environment.globals |= {
        "told": changes.told,
        "name_metric": changes.name_metric,
        "format_metric": changes.format_metric,
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
