"""The words of docs/style.md: none of the expressions that it rules out is in code, templates or documentation.

Text in quotation marks and code spans is left out.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
_FOLDERS = ("agent_report", "benchmarks", "deployments", "docs", "flows", "tasks", "tests")
_SUFFIXES = (".py", ".html", ".js", ".md")
_FILES = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Makefile",
    "README.md",
    "constraints.txt",
    "prefect.yaml",
    "pyproject.toml",
)
# What others wrote or could write: agents, their users, attackers. The prompt's wording is a version of the judge, so
# that a change of it makes all paid answers void. Migrations are as they were released.
_QUOTING = (
    "deployments/demo/team/",
    "docs/style.md",
    "tasks/judge/prompt/attack_words.py",
    "tasks/judge/prompt/instructions.py",
    "tasks/judge/prompt/prompts.py",
    "tasks/judge/prompt/suspicion.py",
    "tasks/render/html/templates/vendor/",
    "tasks/warehouse/alembic/versions/",
    "tests/fixtures/",
    "tests/test_style.py",
)
_PATTERNS = (
    r"told",
    r"settl(e|es|ed|ing)",
    r"somebody|nobody|whoever",
    r"says? so",
    r"(is|are|was|were|be|been|being) said",
    r"h[eo]ld(s|ing)? (\w+ ){0,2}against",
    r"(take|takes|took|taken|taking) (it |them |this |that |one )?up",
    r"(is|are|was|were|be|been|being) away",
    r"anew",
    r"need(s|ed|ing)? work",
    r"in the making",
    r"for ever",
    r"be had",
    r"what becomes? of",
    r"(is|are|was|were|be|been|being) looked at",
    r"talk(s|ed|ing)? (\w+ ){0,2}round",
    r"(judge|person|people|person)(['\N{RIGHT SINGLE QUOTATION MARK}]s)? word",
)
# Names that users have on their servers.
_KEPT = ("somebody hears of failed reports and agents below their threshold",)
_RULED_OUT = re.compile(rf"\b(?:{'|'.join(_PATTERNS)})\b", re.IGNORECASE)


def _paths() -> Iterator[str]:
    files = [path for folder in _FOLDERS for path in (_ROOT / folder).rglob("*") if path.suffix in _SUFFIXES]
    for path in sorted([*files, *(_ROOT / name for name in _FILES)]):
        name = path.relative_to(_ROOT).as_posix()
        if path.exists() and not name.startswith(_QUOTING):
            yield name


def _python_prose(text: str) -> str:
    """Comments and strings; comments on consecutive lines are one text."""
    parts = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            parts.append(token.string.lstrip("#"))
        elif token.type not in (tokenize.NL, tokenize.INDENT, tokenize.DEDENT):
            parts.append(token.string if token.type == tokenize.STRING else "\n\n")
    # "" makes nothing of a text that goes over several string tokens: they are adjacent.
    return " ".join(parts)


def _markdown_prose(text: str) -> str:
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"^>.*$|\"[^\"\n]*\"", "", text, flags=re.MULTILINE)


def _prose(name: str) -> str:
    text = (_ROOT / name).read_text(encoding="utf-8")
    if name == "CHANGELOG.md":
        # What was released stays as it was released.
        text = text.partition("## [Unreleased]")[2].partition("\n## [")[0]
    if name.endswith(".py"):
        return _python_prose(text)
    return _markdown_prose(text) if name.endswith(".md") else text


def _found(prose: str) -> list[str]:
    """The expressions that are ruled out, each with a few words around it, outside code spans and quotations."""
    for kept in _KEPT:
        prose = prose.replace(kept, "…")
    prose = re.sub(r"``[^`]*``|`[^`\n]*`", "…", prose)
    prose = re.sub(r"[ \t]*\n[ \t#]*(?=\S)", " ", prose)
    prose = re.sub(
        r"\N{LEFT DOUBLE QUOTATION MARK}[^\N{RIGHT DOUBLE QUOTATION MARK}]*\N{RIGHT DOUBLE QUOTATION MARK}", "…", prose
    )
    return [prose[max(0, match.start() - 30) : match.end() + 20] for match in _RULED_OUT.finditer(prose)]


def test_no_expression_that_the_style_rules_out() -> None:
    found = {name: _found(_prose(name)) for name in _paths()}
    assert not {name: expressions for name, expressions in found.items() if expressions}


def test_every_expression_of_the_style_page_is_found() -> None:
    page = (_ROOT / "docs" / "style.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", page.partition("## Expressions we do not use")[2], re.MULTILINE)
    expressions = [expression.strip(' "') for row in rows[2:] for expression in row.split(",")]
    assert len(expressions) > 30
    assert [expression for expression in expressions if not _RULED_OUT.search(expression)] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("# It is\n# told at once.\n", 1),
        ('"""Whoever\n    reads this."""\n', 1),
        ("told = 1\n", 0),
        ('x = "``told`` is a name"\n', 0),
        ("# fold against\n", 0),
    ],
)
def test_comments_and_strings_of_python_are_prose(text: str, found: int) -> None:
    assert len(_found(_python_prose(text))) == found


def test_code_and_quotations_of_markdown_are_not_prose() -> None:
    text = "```sh\ntold\n```\n\n> told\n\n`told` and “told”, told.\n"
    assert len(_found(_markdown_prose(text))) == 1
