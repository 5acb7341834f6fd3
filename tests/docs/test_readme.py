"""The README: short, with a picture, and every way of starting in it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]


def test_it_has_at_most_200_lines(readme: Any) -> None:
    assert len(readme.text.splitlines()) <= 200


def test_it_opens_with_what_it_is_and_the_picture_of_the_demo(readme: Any) -> None:
    assert re.match(r"# agent-report\n\n\*\*[^*]+\*\*\n\n!\[[^\]]+\]\(docs/images/demo\.svg\)\n", readme.text)
    picture = (_ROOT / "docs" / "images" / "demo.svg").read_text(encoding="utf-8")
    verdicts = re.findall(r">(?:passes|fails|too&#160;close&#160;to&#160;call)(?:&#160;)*<", picture)
    # Those of the agents, and the team's.
    assert len(verdicts) == 13 + 1
    assert picture.count(">no_runs") == 1
    # What comes before the README's text has to be short.
    assert "Needs&#160;attention" not in picture


def test_it_shows_how_to_get_start_and_install_it(readme: Any) -> None:
    lines = [line.partition("#")[0].strip() for block in readme.of_language("sh") for line in block.splitlines()]
    assert lines[0].startswith("git clone https://")
    assert {"make demo", "pip install -c constraints.txt -e '.[stack]'", "agent-report up --demo"} <= set(lines)
