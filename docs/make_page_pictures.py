"""Makes the README's pictures of a report's page: the demo's, and that of a hundred agents.

``python docs/make_page_pictures.py``, with Chromium and Pillow (which makes the PNGs small). The sample's report is
made once; the weeks before it are made up from it, so that there is something to compare with.
"""

from __future__ import annotations

import io
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

from PIL import Image

_DOCS = Path(__file__).parent
_WEEKS = 9
_MOVED = {"deploy-pilot": -1.9, "access-broker": -1.2, "refund-desk": 1.6}


def make_report(folder: Path, agents: int) -> tuple[Any, int]:
    """A report of the demo with so many agents in a warehouse of its own; the warehouse and the report's id."""
    from tasks.warehouse.sql import open_warehouse

    command = [sys.executable, "-m", "deployments.cli", "demo", "--agents", str(agents), "--folder", str(folder)]
    subprocess.run(command, check=True, cwd=_DOCS.parent, stdout=subprocess.DEVNULL)
    warehouse = open_warehouse(f"sqlite:///{folder / 'warehouse.db'}")
    return warehouse, warehouse.list_reports()[0]["id"]


def make_past(warehouse: Any, report_id: int) -> int:
    """The report once more as the newest of ten, one a week, in which some agents got worse or better; its id."""
    report = warehouse.load_report(report_id)
    criteria, runs = warehouse.load_criteria(report_id), warehouse.load_runs(report_id)
    chance = random.Random(7)
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
        warehouse.write_report(newest, row, details, _of(criteria, newest), _of(runs, newest))
    return int(newest)


def _of(rows: list[dict[str, Any]], report_id: int) -> list[dict[str, Any]]:
    return [row | {"report_id": report_id} for row in rows]


def _earlier(agent: dict[str, Any], week: int, chance: random.Random) -> dict[str, Any]:
    from tasks.evidence.metrics import wilson_interval

    row = {name: value for name, value in agent.items() if name != "report_id"}
    if not week or row["score"] is None:
        return row
    row["score"] = max(0.0, min(10.0, row["score"] - _MOVED.get(row["agent_name"], 0.0) + chance.gauss(0, 0.25)))
    succeeded = round(20 * max(0.0, min(1.0, row["success_rate"] + chance.gauss(0, 0.05))))
    low, high = wilson_interval(succeeded, 20) or (0.0, 1.0)
    return row | {"success_rate": succeeded / 20, "success_rate_low": low, "success_rate_high": high}


def render(warehouse_folder: Path, report_id: int, place: Path) -> None:
    """The page as ``agent-report show`` makes it, with a Jaeger to link to."""
    from tasks.paging import load_page
    from tasks.report.html import render_html

    os.environ["AGENT_REPORT_WAREHOUSE_URL"] = f"sqlite:///{warehouse_folder / 'warehouse.db'}"
    page = replace(load_page(report_id), jaeger_ui_url="https://jaeger.example.com")
    place.write_text(render_html(page), encoding="utf-8")


def save(name: str, png: bytes) -> None:
    """A PNG in ``docs/`` with a palette of 200 colours, which is a third of the bytes and looks the same."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.quantize(200, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
        _DOCS / name, optimize=True
    )
    print(name, (_DOCS / name).stat().st_size // 1000, "kB")  # noqa: T201


def main() -> None:
    """Write ``docs/page.png``, ``page-agent.png``, ``page-dark.png``, ``page-phone.png`` and ``page-100.png``."""
    open_browser = runpy.run_path(str(_DOCS / "make_screenshots.py"))["open_browser"]
    with tempfile.TemporaryDirectory() as scratch, open_browser(width=1200, height=980) as page:
        for agents, name in ((14, "demo"), (100, "hundred")):
            folder = Path(scratch) / name
            warehouse, report_id = make_report(folder, agents)
            newest = make_past(warehouse, report_id)
            render(folder, newest, Path(scratch) / f"{name}.html")
        demo, hundred = ((Path(scratch) / f"{name}.html").as_uri() for name in ("demo", "hundred"))
        still = "document.documentElement.style.scrollBehavior = 'auto'"
        page.goto(demo)
        save("page.png", page.screenshot())
        page.evaluate(f"{still}; document.querySelector('details.agent').scrollIntoView()")
        page.wait_for_timeout(300)
        save("page-agent.png", page.screenshot())
        page.emulate_media(color_scheme="dark")
        page.goto(hundred)
        page.evaluate(f"{still}; document.getElementById('agents').scrollIntoView()")
        page.wait_for_timeout(300)
        save("page-100.png", page.screenshot())
        phone = page.context.browser.new_page(viewport={"width": 390, "height": 844}, device_scale_factor=2)
        phone.goto(demo)
        save("page-phone.png", phone.screenshot())
        # What a printer gets, as it is seen on the first sheet.
        paper = page.context.browser.new_page(viewport={"width": 686, "height": 1000})
        paper.goto(demo)
        paper.emulate_media(media="print")
        save("page-print.png", paper.screenshot())


if __name__ == "__main__":
    main()
