"""The rules of the house: who may import whom, and where settings are read."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
_FLOORS = ["wire", "evidence", "judge", "report", "warehouse"]
_MODULES = sorted(path for top in ("flows", "tasks", "deployments") for path in (_ROOT / top).rglob("*.py"))


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def _floor(path: Path) -> str | None:
    parts = path.relative_to(_ROOT).parts
    return parts[1] if parts[0] == "tasks" and len(parts) > 2 else None


@pytest.mark.parametrize("path", _MODULES, ids=lambda path: str(path.relative_to(_ROOT)))
def test_imports_point_to_the_same_floor_or_down(path: Path) -> None:
    imports = _imports(path)
    floor = _floor(path)
    top = path.relative_to(_ROOT).parts[0]
    if top != "deployments":
        assert not [name for name in imports if name.split(".")[0] == "deployments"]
    if top == "tasks":
        assert not [name for name in imports if name.split(".")[0] == "flows"]
    if floor is not None:
        assert not [name for name in imports if name.split(".")[0].startswith("prefect")]
        above = _FLOORS[_FLOORS.index(floor) + 1 :]
        own = [name.split(".")[1] for name in imports if name.startswith("tasks.")]
        assert not [name for name in own if name in above]
        assert set(own) <= {*_FLOORS, "counting", "errors", "settings"}


@pytest.mark.parametrize("path", [p for p in _MODULES if _floor(p)], ids=lambda path: str(path.relative_to(_ROOT)))
def test_clients_come_in_as_arguments(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "os.environ" not in text
    assert "Settings(" not in text


def test_no_module_is_a_drawer() -> None:
    assert not [path for path in _MODULES if path.stem in ("utils", "helpers", "common")]


def test_flows_hold_flows_only() -> None:
    for path in (_ROOT / "flows").glob("[a-z]*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            assert not isinstance(node, ast.ClassDef), path
            if isinstance(node, ast.FunctionDef):
                assert any("flow" in ast.dump(decorator) for decorator in node.decorator_list), node.name
                assert not [inner for inner in ast.walk(node) if isinstance(inner, ast.If | ast.Try)], node.name
