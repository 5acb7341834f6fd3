"""The pages under docs/ show what the program does now."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

_DOCS = Path(__file__).parents[2] / "docs"


def test_the_prompt_in_the_docs_is_the_one_that_is_sent() -> None:
    page = runpy.run_path(str(_DOCS / "make_prompt.py"))["render"]()
    stored = (_DOCS / "reference" / "prompt.md").read_text(encoding="utf-8")
    assert _without_nonces(page) == _without_nonces(stored), "run docs/make_prompt.py"


def _without_nonces(page: str) -> str:
    return re.sub(r"evidence-[0-9a-f]{16}", "evidence-…", page)


def test_the_tables_in_the_docs_are_those_of_the_warehouse() -> None:
    page = runpy.run_path(str(_DOCS / "make_tables.py"))["render"]()
    assert page == (_DOCS / "reference" / "tables.md").read_text(encoding="utf-8"), "run docs/make_tables.py"


def test_the_table_of_faults_in_the_docs_is_the_one_in_the_code() -> None:
    page = runpy.run_path(str(_DOCS / "make_judge_endpoint.py"))["render"]()
    stored = (_DOCS / "reference" / "judge-endpoint.md").read_text(encoding="utf-8")
    assert page == stored, "run docs/make_judge_endpoint.py"


def test_the_commands_in_the_docs_are_those_of_the_command_line() -> None:
    page = runpy.run_path(str(_DOCS / "make_commands.py"))["render"]()
    assert page == (_DOCS / "reference" / "commands.md").read_text(encoding="utf-8"), "run docs/make_commands.py"
