"""One tree of errors, each with its exit code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tasks import errors
from tasks.errors import AgentReportError, RefusedError

_ROOT = Path(__file__).parents[1]
_TREE = {name for name, thing in vars(errors).items() if isinstance(thing, type) and issubclass(thing, Exception)}


@pytest.mark.parametrize("name", sorted(_TREE))
def test_refusals_exit_with_2_and_everything_else_with_1(name: str) -> None:
    error = getattr(errors, name)
    assert issubclass(error, AgentReportError)
    assert (error.exit_code, error.prefix) == ((2, "Refused") if issubclass(error, RefusedError) else (1, "Failed"))


def test_no_other_module_extends_the_tree() -> None:
    elsewhere = [
        f"{path.relative_to(_ROOT)}: {node.name}"
        for top in ("flows", "tasks", "deployments")
        for path in sorted((_ROOT / top).rglob("*.py"))
        if path.name != "errors.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and _TREE & {ast.unparse(base).rpartition(".")[2] for base in node.bases}
    ]
    assert not elsewhere


def test_a_refusal_is_raised_as_what_is_wrong() -> None:
    """The base class explains nothing: one of its subclasses is raised."""
    assert not [
        str(path.relative_to(_ROOT))
        for top in ("flows", "tasks", "deployments")
        for path in (_ROOT / top).rglob("*.py")
        if "raise RefusedError(" in path.read_text(encoding="utf-8")
    ]
