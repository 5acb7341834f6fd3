"""The architecture as rules: layers, no circles, small packages and modules, and where settings are read."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parents[1]
# From the bottom up: a module imports from its own layer or from those before it.
_LAYERS = (
    ("tasks.errors", "tasks.options", "tasks.settings", "tasks.wording", "tasks.wire"),
    ("tasks.statistics",),
    ("tasks.evidence",),
    ("tasks.sources", "tasks.redaction"),
    ("tasks.judge",),
    ("tasks.report",),
    ("tasks.comparison", "tasks.calibration", "tasks.gate"),
    ("tasks.render",),
    ("tasks.warehouse",),
    ("tasks.clients", "tasks.bridge"),
    ("tasks",),
    ("flows",),
    ("deployments",),
    ("agent_report",),
)
_MOST_MODULES = 15
_MOST_LINES = 400
_MAY_IMPORT_PREFECT = ("tasks.bridge", "tasks", "flows", "deployments")


def _name(path: Path) -> str:
    return ".".join(path.relative_to(_ROOT).with_suffix("").parts).removesuffix(".__init__")


_MODULES = {
    _name(path): path
    for top in ("agent_report", "flows", "tasks", "deployments")
    for path in sorted((_ROOT / top).rglob("*.py"))
}


@cache
def _tree(name: str) -> ast.Module:
    return ast.parse(_MODULES[name].read_text(encoding="utf-8"))


def _imported(tree: ast.Module) -> Iterator[str]:
    """What a module imports anywhere in it: modules, and members as ``module.member``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _own_imports(name: str) -> set[str]:
    """The modules of the project that a module imports."""
    found = set()
    for imported in _imported(_tree(name)):
        module = imported if imported in _MODULES else imported.rpartition(".")[0]
        if module in _MODULES and module != name:
            found.add(module)
    return found


def _layer(name: str) -> int:
    """The layer of the longest package that a module is in."""
    packages = {package: number for number, layer in enumerate(_LAYERS) for package in layer}
    while name not in packages:
        name = name.rpartition(".")[0]
    return packages[name]


def _is_in(name: str, packages: tuple[str, ...]) -> bool:
    return any(_layer(name) == _layer(package) and name.startswith(package) for package in packages)


def test_imports_point_to_the_same_layer_or_down() -> None:
    imports = [(name, other) for name in _MODULES for other in _own_imports(name)]
    assert not [(name, other) for name, other in imports if _layer(other) > _layer(name)]


def test_no_imports_go_in_a_circle() -> None:
    waiting = {name: _own_imports(name) - {_package(name)} for name in _MODULES}
    while free := [name for name, others in waiting.items() if not others & waiting.keys()]:
        for name in free:
            del waiting[name]
    assert not waiting


def _package(name: str) -> str:
    return name.rpartition(".")[0]


def test_only_the_upper_layers_import_prefect() -> None:
    lower = [name for name in _MODULES if not _is_in(name, _MAY_IMPORT_PREFECT)]
    imports = [(name, other) for name in lower for other in _imported(_tree(name))]
    assert not [(name, other) for name, other in imports if other.split(".")[0].startswith("prefect")]


def test_settings_and_environment_are_read_above() -> None:
    lower = [name for name in _MODULES if _layer(name) < _layer("tasks.clients") and name != "tasks.settings"]
    texts = {name: _MODULES[name].read_text(encoding="utf-8") for name in lower}
    assert not [name for name, text in texts.items() if "os.environ" in text or "Settings(" in text]


def test_no_package_has_too_many_modules() -> None:
    counts = Counter(path.parent for path in _MODULES.values() if path.name != "__init__.py")
    assert not {folder: count for folder, count in counts.items() if count > _MOST_MODULES}


def test_no_module_is_too_long() -> None:
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in _MODULES.items()}
    assert not {name: count for name, count in lines.items() if count > _MOST_LINES}


def test_no_module_is_a_drawer() -> None:
    assert not [name for name in _MODULES if name.rpartition(".")[2] in ("utils", "helpers", "common")]


def test_tests_mirror_the_packages() -> None:
    packages = {path.parent.relative_to(_ROOT) for path in _MODULES.values()}
    for path in (_ROOT / "tests").rglob("test_*.py"):
        folder = path.parent.relative_to(_ROOT / "tests")
        mirrored = folder in packages or Path("tasks") / folder in packages
        assert mirrored or folder in (Path(), Path("docs")), path


def test_flows_hold_flows_only() -> None:
    for name in _MODULES:
        if name.startswith("flows."):
            for node in _tree(name).body:
                assert not isinstance(node, ast.ClassDef), name
                if isinstance(node, ast.FunctionDef):
                    assert any("flow" in ast.dump(decorator) for decorator in node.decorator_list), node.name
                    assert not [inner for inner in ast.walk(node) if isinstance(inner, ast.If | ast.Try)], node.name


def test_statsmodels_is_used_in_tests_only() -> None:
    assert not [name for name in _MODULES if any("statsmodels" in other for other in _imported(_tree(name)))]
