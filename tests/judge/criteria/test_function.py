"""A person's own function: found where it is installed or refused, and none of its faults ends a report."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.errors import UsageError
from tasks.evidence.types import Run
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.criteria.function import UndecidedError, call_function, load_function, load_functions

_MODULE = """
import functools

class Check:
    def __call__(self, run):
        return run.task == "Task 1"

    def method(self, run):
        return True

def is_right(run):
    return run.final_response.startswith("Done")

def with_options(run, strict=True):
    return strict

def of_nothing():
    return True

def of_two(run, other):
    return True

async def later(run):
    return True

NUMBER = 7
check = Check()
partial = functools.partial(of_two, other=None)
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of modules that can be imported: ``house_checks``, and ``house_broken``, which raises."""
    (tmp_path / "house_checks.py").write_text(_MODULE, encoding="utf-8")
    (tmp_path / "house_broken.py").write_text("import no_such_module_of_anyone\n", encoding="utf-8")
    (tmp_path / "house_raises.py").write_text("raise RuntimeError('password=hunter22')\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("house_")]:
        del sys.modules[name]


@pytest.mark.parametrize("name", ["is_right", "with_options", "check", "check.method", "partial"])
def test_whatever_takes_one_run_is_found(name: str, installed: Path, make_run: Callable[..., Run]) -> None:
    assert call_function(load_function(f"house_checks:{name}"), make_run(1)) == 1


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("no_such_house:check", ["there is no module 'no_such_house'", "pip install", "PYTHONPATH"]),
        ("house_checks.deeper:check", ["house_checks"]),
        ("house_broken:check", ["house_broken cannot be imported: ModuleNotFoundError", "no_such_module_of_anyone"]),
        ("house_raises:check", ["house_raises cannot be imported: RuntimeError: password=***"]),
        ("house_checks:absent", ["house_checks has no absent"]),
        ("house_checks:check.absent", ["house_checks has no check.absent"]),
        ("house_checks:NUMBER", ["NUMBER is no function"]),
        ("house_checks:Check", ["Check is no function"]),
        ("house_checks:of_nothing", ["must be callable with one argument, the run"]),
        ("house_checks:of_two", ["must be callable with one argument, the run"]),
        ("house_checks:later", ["later is async"]),
        ("os:remove", ["os is not a module of yours"]),
        ("shutil:rmtree", ["shutil is not a module of yours"]),
        ("tasks.settings:read_settings", ["tasks.settings is not a module of yours"]),
    ],
)
def test_what_cannot_be_called_is_refused_before_anything_is_paid(path: str, words: list[str], installed: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_function(path)
    message = str(caught.value)
    assert message.startswith(f"function {path!r}: ")
    for word in words:
        assert word in message


def test_the_criterion_is_named(installed: Path) -> None:
    good = Criterion(kind="code", function="house_checks:is_right")
    rubrics = {"1": {"fine": good, "judged": Criterion()}, "2": {"fine": good}}
    assert list(load_functions(rubrics)) == ["house_checks:is_right"]
    bad = Criterion(kind="code", function="house_checks:absent")
    with pytest.raises(UsageError, match=r"criterion 'refunds': function 'house_checks:absent'"):
        load_functions(rubrics | {"3": {"refunds": bad}})


@pytest.mark.parametrize(
    ("result", "value"),
    [
        (True, 1),
        (False, 0),
        (0, 0),
        (1, 1),
        (0.25, 0.25),
        (None, None),
        (np.True_, 1),
        (np.float32(0.5), 0.5),
    ],
)
def test_a_pass_a_fail_or_a_number_is_read(result: Any, value: float | None, make_run: Callable[..., Run]) -> None:
    assert call_function(lambda run: result, make_run(1)) == value


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ("pass", "returned str, not True, False or a number from 0 to 1"),
        (7, "returned int 7, not"),
        (-0.1, "returned float -0.1"),
        (float("nan"), "returned float nan"),
        ([True], "returned list"),
        (np.array([True, False]), "returned"),
    ],
)
def test_anything_else_decides_nothing(result: Any, words: str, make_run: Callable[..., Run]) -> None:
    with pytest.raises(UndecidedError, match=words):
        call_function(lambda run: result, make_run(1))


@pytest.mark.parametrize("error", [KeyError("amount"), RecursionError("deep"), SystemExit(3), ValueError("x" * 900)])
def test_what_it_raises_decides_nothing(error: BaseException, make_run: Callable[..., Run]) -> None:
    def check(run: Run) -> bool:
        raise error

    with pytest.raises(UndecidedError, match=f"raised {type(error).__name__}: ") as caught:
        call_function(check, make_run(1))
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)
