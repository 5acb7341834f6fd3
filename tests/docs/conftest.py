"""README, CONTRIBUTING and the pages under docs/, as text with code blocks, tables and links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Page:
    """A page of Markdown; ``name`` is its path from the top."""

    name: str
    text: str

    @property
    def blocks(self) -> list[tuple[str, str]]:
        """Language and content of every code block."""
        return _FENCE.findall(self.text)

    @property
    def prose(self) -> str:
        """The text without code blocks."""
        return _FENCE.sub("", self.text)

    def of_language(self, language: str) -> list[str]:
        """The content of the code blocks in this language."""
        return [content for found, content in self.blocks if found == language]

    def rows(self, title: str) -> list[list[str]]:
        """The cells of all tables whose first title is ``title``."""
        tables = re.findall(rf"^\| {re.escape(title)} \|.*?\n\|[-|]+\n((?:\|.*\n)+)", self.text, re.MULTILINE)
        assert tables, f"no table {title!r} in {self.name}"
        lines = [line for table in tables for line in table.splitlines()]
        return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]

    @property
    def anchors(self) -> set[str]:
        """The anchors of its headings, as the site and code hosts make them."""
        headings = re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE)
        plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
        return {re.sub(r"[ ]+", "-", heading.strip()) for heading in plain}


def load_pages() -> dict[str, Page]:
    """Every page by its path."""
    paths = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    names = [path.relative_to(ROOT).as_posix() for path in paths]
    return {name: Page(name, (ROOT / name).read_text(encoding="utf-8")) for name in names}


_PAGES = load_pages()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes ``page`` runs on every page."""
    if "page" in metafunc.fixturenames:
        metafunc.parametrize("page", list(_PAGES.values()), ids=list(_PAGES))


@pytest.fixture(scope="session")
def pages() -> dict[str, Page]:
    """Every page by its path."""
    return _PAGES


@pytest.fixture(scope="session")
def readme(pages: dict[str, Page]) -> Page:
    """The README."""
    return pages["README.md"]
