"""Links and pictures of the documentation lead somewhere, and every page is on the site."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from posixpath import dirname, normpath
from typing import Any

_ROOT = Path(__file__).parents[2]
_LINK = re.compile(r"\]\(([^)\s]+)\)|<img src=\"([^\"]+)\"")


def _links(page: Any) -> list[str]:
    without_code = re.sub(r"`[^`\n]+`", "", page.prose)
    return [first or second for first, second in _LINK.findall(without_code)]


def test_every_link_leads_to_a_file_and_a_heading(page: Any, pages: dict[str, Any]) -> None:
    for link in _links(page):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = normpath(f"{dirname(page.name)}/{path}").lstrip("/") if path else page.name
        assert (_ROOT / target).is_file(), link
        if anchor:
            assert anchor in pages[target].anchors, link


def test_pages_of_the_site_link_within_the_site(page: Any) -> None:
    if page.name.startswith("docs/"):
        outside = [link for link in _links(page) if normpath(f"{dirname(page.name)}/{link}").split("/")[0] != "docs"]
        assert [link for link in outside if not link.startswith(("https://", "#"))] == []


def test_the_navigation_has_every_page_once(pages: dict[str, Any]) -> None:
    site = tomllib.loads((_ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]
    named = re.findall(r"'([\w/-]+\.md)'", str(site["nav"]))
    assert sorted(named) == sorted(name.removeprefix("docs/") for name in pages if name.startswith("docs/"))


def test_the_readme_names_every_page_but_the_home_page(pages: dict[str, Any], readme: Any) -> None:
    linked = {link.partition("#")[0] for link in _links(readme)}
    assert {name for name in pages if name.startswith("docs/")} - linked == {"docs/index.md"}


def test_files_named_in_code_spans_exist(page: Any) -> None:
    named = re.findall(r"`((?:docs|deployments|tasks|flows|tests|benchmarks|agent_report)/[\w/.-]*)`", page.prose)
    assert [path for path in named if not (_ROOT / path).exists()] == []


def test_no_picture_is_left_over(pages: dict[str, Any]) -> None:
    shown = {Path(link).name for page in pages.values() for link in _links(page) if "images/" in link}
    assert shown == {path.name for path in (_ROOT / "docs" / "images").iterdir()}


def test_the_pictures_that_are_drawn_load_nothing() -> None:
    for name in ("demo.svg", "architecture.svg"):
        picture = (_ROOT / "docs" / "images" / name).read_text(encoding="utf-8")
        assert set(re.findall(r"https?://[^\s\"]+", picture)) == {"http://www.w3.org/2000/svg"}
