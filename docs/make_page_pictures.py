"""Makes the pictures of a report's page: the demo's, and one of a hundred agents.

``python docs/make_page_pictures.py``, with Chromium. The demo makes the weeks before its report, so that
there is something to compare with.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

_DOCS = Path(__file__).parent


def make_report(folder: Path, agents: int) -> int:
    """A report of the demo with so many agents, after its weeks of sample data, in a warehouse of its own; its id."""
    from tasks.warehouse.sql import open_warehouse

    command = [sys.executable, "-m", "deployments.cli", "demo", "--agents", str(agents), "--folder", str(folder)]
    subprocess.run(command, check=True, cwd=_DOCS.parent, stdout=subprocess.DEVNULL)  # noqa: S603
    warehouse = open_warehouse(f"sqlite:///{folder / 'warehouse.db'}")
    return int(warehouse.list_reports()[0]["id"])


def render(report_id: int, place: Path) -> None:
    """The page as ``agent-report show`` makes it, with a Jaeger to link to."""
    from tasks.connecting import open_clients
    from tasks.render.html.html import render_html
    from tasks.stored.page import load_page
    from tasks.wire.trace_pages import find_trace_pages

    with open_clients():
        page = replace(load_page(report_id), trace_pages=find_trace_pages("jaeger+https://jaeger.example.com"))
    place.write_text(render_html(page), encoding="utf-8")


def main() -> None:
    """Write ``page.png``, ``page-agent.png``, ``page-100.png``, ``page-phone.png`` and ``page-print.png``."""
    open_browser = runpy.run_path(str(_DOCS / "make_screenshots.py"))["open_browser"]
    with tempfile.TemporaryDirectory() as scratch, open_browser(width=1200, height=980) as page:
        for agents, name in ((14, "demo"), (100, "hundred")):
            folder = Path(scratch) / name
            report_id = make_report(folder, agents)
            os.environ["AGENT_REPORT_WAREHOUSE_URL"] = f"sqlite:///{folder / 'warehouse.db'}"
            render(report_id, Path(scratch) / f"{name}.html")
        demo, hundred = ((Path(scratch) / f"{name}.html").as_uri() for name in ("demo", "hundred"))
        still = "document.documentElement.style.scrollBehavior = 'auto'"
        page.goto(demo)
        page.screenshot(path=_DOCS / "images" / "page.png")
        # An agent of which success and completion differ.
        page.evaluate(
            f"{still}; for (const agent of document.querySelectorAll('details.agent'))"
            " if (agent.querySelector('h3').textContent.includes('release-notes')) {"
            " agent.open = true; agent.scrollIntoView(); }"
        )
        page.wait_for_timeout(300)
        page.screenshot(path=_DOCS / "images" / "page-agent.png")
        page.emulate_media(color_scheme="dark")
        page.set_viewport_size({"width": 1200, "height": 800})
        page.goto(hundred)
        page.evaluate(f"{still}; document.getElementById('agents').scrollIntoView()")
        page.wait_for_timeout(300)
        page.screenshot(path=_DOCS / "images" / "page-100.png")
        phone = page.context.browser.new_page(viewport={"width": 390, "height": 844}, device_scale_factor=2)
        phone.goto(demo)
        phone.screenshot(path=_DOCS / "images" / "page-phone.png")
        # What a printer gets, as it is seen on the first sheet.
        paper = page.context.browser.new_page(viewport={"width": 794, "height": 1123})
        paper.goto(demo)
        paper.emulate_media(media="print")
        paper.evaluate("document.body.style.padding = '60px 53px'")
        paper.screenshot(path=_DOCS / "images" / "page-print.png")


if __name__ == "__main__":
    main()
