"""A person's own Python function that decides whether a run meets a criterion: found by its name, and called safely."""

from __future__ import annotations

import importlib
import inspect
import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

from tasks.errors import UsageError, scrub
from tasks.evidence.types import Run
from tasks.judge.criteria.criterion import Criterion

_OURS = frozenset({"tasks", "flows", "deployments"})
_LONGEST_MESSAGE = 200


class UndecidedError(Exception):
    """The function gave no verdict on a run; the message is one line."""


def load_function(path: str) -> Callable[[Run], object]:
    """The function that ``package.module:name`` means, imported from what is installed in this process.

    Raises:
        UsageError: no such module or name, the import fails, or it is no Python function that takes one run.
    """
    module_name, _, name = path.partition(":")
    if module_name.partition(".")[0] in (_OURS | sys.stdlib_module_names):
        raise UsageError(f"function {path!r}: {module_name} is not a module of yours; name one that you installed")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name + ".").startswith(error.name + "."):
            raise UsageError(
                f"function {path!r}: there is no module {error.name!r} where reports are made: install your package "
                f"there ({sys.executable} -m pip install …), or name its folder in PYTHONPATH"
            ) from None
        raise UsageError(f"function {path!r}: {module_name} cannot be imported: {_describe(error)}") from None
    except Exception as error:  # noqa: BLE001 - whatever a person's module raises
        raise UsageError(f"function {path!r}: {module_name} cannot be imported: {_describe(error)}") from None
    for part in name.split("."):
        found = getattr(found, part, None)
        if found is None:
            raise UsageError(f"function {path!r}: {module_name} has no {name}")
    if not callable(found) or inspect.isclass(found):
        raise UsageError(f"function {path!r}: {name} is no function")
    if inspect.iscoroutinefunction(found):
        raise UsageError(f"function {path!r}: {name} is async; it must be a plain function")
    try:
        inspect.signature(found).bind(None)
    except (TypeError, ValueError):
        raise UsageError(f"function {path!r}: {name} must be callable with one argument, the run") from None
    function: Callable[[Run], object] = found
    return function


def load_functions(rubrics: Mapping[Any, Mapping[str, Criterion]]) -> dict[str, Callable[[Run], object]]:
    """Every function that ``rubrics`` name, by the name that they give it.

    Raises:
        UsageError: as ``load_function``; the criterion is named.
    """
    functions: dict[str, Callable[[Run], object]] = {}
    for rubric in rubrics.values():
        for name, criterion in rubric.items():
            if criterion.function is not None and criterion.function not in functions:
                try:
                    functions[criterion.function] = load_function(criterion.function)
                except UsageError as error:
                    raise UsageError(f"criterion {name!r}: {error}") from None
    return functions


def call_function(function: Callable[[Run], object], run: Run) -> float | None:
    """How far ``run`` meets the criterion, 0 to 1 (True is 1, False 0); None: the function returned None.

    Raises:
        UndecidedError: the function raised, or returned anything else.
    """
    try:
        result = function(run)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a person's function raises
        raise UndecidedError(f"raised {_describe(error)}") from None
    return _read(result)


def _read(result: object) -> float | None:
    if result is None:
        return None
    if type(result).__module__ == "numpy" and getattr(result, "size", 0) == 1 and hasattr(result, "item"):
        result = result.item()
    if isinstance(result, (bool, int, float)) and math.isfinite(result) and 0 <= result <= 1:
        return float(result)
    shown = f" {result!r}"[:40] if isinstance(result, (int, float)) else ""
    raise UndecidedError(f"returned {type(result).__name__}{shown}, not True, False or a number from 0 to 1")


def _describe(error: BaseException) -> str:
    message = scrub(str(error))[:_LONGEST_MESSAGE]
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
