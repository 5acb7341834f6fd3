"""Makes the README's pictures of a report's page: the demo's, and that of a hundred agents.

``python docs/make_page_pictures.py``, with Chromium. The sample's report is made once; the weeks before it are made up
from it, so that there is something to compare with.
"""

from __future__ import annotations

import os
import random
import runpy
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

_DOCS = Path(__file__).parent
_WEEKS = 9
_MOVED = {"deploy-pilot": -2.8, "access-broker": -2.2, "refund-desk": 2.4}


def make_report(folder: Path, agents: int) -> tuple[Any, int]:
    """A report of the demo with so many agents in a warehouse of its own; the warehouse and the report's id."""
    from tasks.warehouse.sql import open_warehouse

    command = [sys.executable, "-m", "deployments.cli", "demo", "--agents", str(agents), "--folder", str(folder)]
    subprocess.run(command, check=True, cwd=_DOCS.parent, stdout=subprocess.DEVNULL)  # noqa: S603
    warehouse = open_warehouse(f"sqlite:///{folder / 'warehouse.db'}")
    return warehouse, warehouse.list_reports()[0]["id"]


def make_past(warehouse: Any, report_id: int) -> int:
    """The report once more as the newest of ten, one a week, in which some agents got worse or better; its id."""
    from tasks.stored_reports import compare_stored

    report = warehouse.load_report(report_id)
    criteria, runs = warehouse.load_criteria(report_id), warehouse.load_runs(report_id)
    chance = random.Random(7)  # noqa: S311
    newest = report_id
    for week in range(_WEEKS, -1, -1):
        before = timedelta(weeks=week)
        row = {name: value for name, value in report.items() if name not in ("id", "owner", "heartbeat")}
        for name in ("created_at", "evidence_until", "generation_started_at", "generation_completed_at"):
            row[name] = row[name] - before
        drift = 0.0 if not week else chance.gauss(-0.03 * week, 0.15)
        row["team_score"] = round(min(10.0, row["team_score"] + drift), 2)
        details = [_earlier(agent, week, chance) for agent in warehouse.load_agents(report_id)]
        newest = warehouse.create_report({"environment": row["environment"], "created_at": row["created_at"]})
        warehouse.write_report(newest, row, details, _of(criteria, newest), _ended(_of(runs, newest), details))
    warehouse.discard_report(report_id)
    compare_stored(newest, None)
    return int(newest)


def _of(rows: list[dict[str, Any]], report_id: int) -> list[dict[str, Any]]:
    return [row | {"report_id": report_id} for row in rows]


def _ended(runs: list[dict[str, Any]], details: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As many of each agent's runs as its success rate says have succeeded."""
    wanted = {row["agent_id"]: row["success_rate"] for row in details}
    for agent_id, rate in wanted.items():
        own = [run for run in runs if run["agent_id"] == agent_id and run["succeeded"] is not None]
        over = sum(run["succeeded"] for run in own) - round((rate or 0) * len(own))
        for run in own:
            if over and run["succeeded"] is (over > 0):
                run["succeeded"] = over < 0
                over -= 1 if over > 0 else -1
    return runs


def _earlier(agent: dict[str, Any], week: int, chance: random.Random) -> dict[str, Any]:
    from tasks.evidence.metrics import wilson_interval

    row = {name: value for name, value in agent.items() if name != "report_id"}
    if not week or row["score"] is None:
        return row
    moved = _MOVED.get(row["agent_name"], 0.0)
    row["score"] = max(0.0, min(10.0, row["score"] - moved + chance.gauss(0, 0.25)))
    succeeded = round(20 * max(0.0, min(1.0, row["success_rate"] - moved / 6 + chance.gauss(0, 0.05))))
    low, high = wilson_interval(succeeded, 20) or (0.0, 1.0)
    return row | {"success_rate": succeeded / 20, "success_rate_low": low, "success_rate_high": high}


def render(report_id: int, place: Path) -> None:
    """The page as ``agent-report show`` makes it, with a Jaeger to link to."""
    from tasks.paging import load_page
    from tasks.report.html import render_html

    page = replace(load_page(report_id), jaeger_ui_url="https://jaeger.example.com")
    place.write_text(render_html(page), encoding="utf-8")


def main() -> None:
    """Write ``docs/page.png``, ``page-agent.png``, ``page-100.png``, ``page-phone.png`` and ``page-print.png``."""
    open_browser = runpy.run_path(str(_DOCS / "make_screenshots.py"))["open_browser"]
    with tempfile.TemporaryDirectory() as scratch, open_browser(width=1200, height=980) as page:
        for agents, name in ((14, "demo"), (100, "hundred")):
            folder = Path(scratch) / name
            warehouse, report_id = make_report(folder, agents)
            os.environ["AGENT_REPORT_WAREHOUSE_URL"] = f"sqlite:///{folder / 'warehouse.db'}"
            newest = make_past(warehouse, report_id)
            render(newest, Path(scratch) / f"{name}.html")
        demo, hundred = ((Path(scratch) / f"{name}.html").as_uri() for name in ("demo", "hundred"))
        still = "document.documentElement.style.scrollBehavior = 'auto'"
        page.goto(demo)
        page.screenshot(path=_DOCS / "page.png")
        page.evaluate(f"{still}; document.querySelector('details.agent').scrollIntoView()")
        page.wait_for_timeout(300)
        page.screenshot(path=_DOCS / "page-agent.png")
        page.emulate_media(color_scheme="dark")
        page.set_viewport_size({"width": 1200, "height": 800})
        page.goto(hundred)
        page.evaluate(f"{still}; document.getElementById('agents').scrollIntoView()")
        page.wait_for_timeout(300)
        page.screenshot(path=_DOCS / "page-100.png")
        phone = page.context.browser.new_page(viewport={"width": 390, "height": 844}, device_scale_factor=2)
        phone.goto(demo)
        phone.screenshot(path=_DOCS / "page-phone.png")
        # What a printer gets, as it is seen on the first sheet.
        paper = page.context.browser.new_page(viewport={"width": 794, "height": 1123})
        paper.goto(demo)
        paper.emulate_media(media="print")
        paper.evaluate("document.body.style.padding = '60px 53px'")
        paper.screenshot(path=_DOCS / "page-print.png")


if __name__ == "__main__":
    main()
