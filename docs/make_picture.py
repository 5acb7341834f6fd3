"""Makes the README's picture from the newest report of the demo: ``agent-report demo``, then this file."""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from deployments.demo.command import print_time
from deployments.terminal.report_view import print_report
from tasks.warehouse.comparisons import load_comparison
from tasks.warehouse.sql import open_warehouse

_ROOT = Path(__file__).parents[1]
_WAREHOUSE = _ROOT / "agent-report-data" / "demo" / "warehouse.db"
_WIDTH = 84
_MARGIN = 28
_THEME = TerminalTheme(
    background=(22, 27, 34),
    foreground=(201, 209, 217),
    # Black, red, green, yellow, blue, magenta, cyan, white; a terminal's bright ones are the same here.
    normal=[
        (110, 118, 129),
        (255, 123, 114),
        (86, 211, 100),
        (227, 179, 65),
        (121, 192, 255),
        (210, 168, 255),
        (86, 212, 221),
        (240, 246, 252),
    ],
)
# Rich's own frame names a font on a server; a picture should load nothing.
_FRAME = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="-{margin} -{margin} {width} {height}" role="img">
<title>A report of agent-report's demo on a terminal</title>
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; white-space: pre;
}}
.{unique_id}-matrix text {{ dominant-baseline: auto; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
<rect x="-{margin}" y="-{margin}" width="100%" height="100%" rx="14" fill="#161b22"/>
<g><circle cx="8" cy="4" r="7" fill="#ff5f57"/><circle cx="32" cy="4" r="7" fill="#febc2e"/>
<circle cx="56" cy="4" r="7" fill="#28c840"/></g>
<g transform="translate(0, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def _cut(shown: Text) -> list[Text]:
    """The lines but for those on agents that need attention: they make the picture a third taller, and the table below
    has the same agents."""
    lines = list(shown.split("\n", allow_blank=True))
    start = next(at for at, line in enumerate(lines) if line.plain.startswith("Needs attention"))
    end = next(at for at in range(start, len(lines)) if not lines[at].plain.strip())
    return lines[:start] + lines[end + 1 :]


def main() -> None:
    """Write ``docs/images/demo.svg``."""
    warehouse = open_warehouse(f"sqlite:///{_WAREHOUSE}")
    report = warehouse.list_reports("demo", limit=1)[0]
    agents = warehouse.load_agents(report["id"])
    shown = io.StringIO()
    console = Console(width=_WIDTH, file=shown, force_terminal=True, color_system="standard", highlight=False)
    console.print(Text.assemble(("$ ", "green"), ("agent-report demo", "bold")))
    criteria, issues = warehouse.load_criteria(report["id"]), warehouse.load_issues(report["id"])
    print_report(console, report, agents, criteria, load_comparison(warehouse, report["id"]), issues)
    console.print()
    print_time(console, report, agents)
    picture = Console(record=True, width=_WIDTH, file=io.StringIO(), force_terminal=True, highlight=False)
    for line in _cut(Text.from_ansi(shown.getvalue())):
        picture.print(line)
    svg = picture.export_svg(
        title="", theme=_THEME, code_format=_FRAME.replace("{margin}", str(_MARGIN)), unique_id="report"
    )
    # As wide as the terminal's own rectangle, since Rich states less; and room for the margin on every side.
    [(width, height)] = re.findall(r'viewBox="\S+ \S+ (\S+) (\S+)"', svg)
    columns = re.search(r'<clipPath id="report-clip-terminal">\s*<rect x="0" y="0" width="([\d.]+)"', svg)
    wide = float(columns[1]) if columns else float(width)
    svg = svg.replace(f" {width} {height}", f" {wide + 2 * _MARGIN:g} {float(height) + 2 * _MARGIN:g}", 1)
    (_ROOT / "docs" / "images" / "demo.svg").write_text(svg, encoding="utf-8")
    warehouse.close()


if __name__ == "__main__":
    main()
