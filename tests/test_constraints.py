"""constraints.txt pins the whole installed set, the tools of development too, and holds the pins that Prefect needs."""

from __future__ import annotations

import re
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def pins() -> dict[str, str]:
    """Pinned version by canonical name."""
    found = {}
    for line in (_ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        name, _, version = line.partition("==")
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line), f"not a pin: {line!r}"
        found[canonicalize_name(name)] = version
    return found


@pytest.fixture(scope="module")
def needed() -> dict[str, str]:
    """Version by canonical name of all that the project and its tools need, as it is installed here."""
    found: dict[str, str] = {}
    # What builds the documentation is there once `make docs` has installed it.
    docs = {"docs"} if find_spec("zensical") else set()
    waiting = [("agent-report", frozenset({"", "dev", *docs}))]
    seen = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        distribution = metadata.distribution(name)
        found[name] = distribution.version
        for line in distribution.requires or ():
            requirement = Requirement(line)
            if requirement.marker and not any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
                continue
            waiting.append((canonicalize_name(requirement.name), frozenset({"", *requirement.extras})))
    del found["agent-report"]
    return found


def test_what_is_installed_is_what_is_pinned(pins: dict[str, str], needed: dict[str, str]) -> None:
    assert {name: pins.get(name) for name in needed} == needed


@pytest.mark.parametrize("name", ["constraints.txt", "pyproject.toml", "Makefile", ".ci/run"])
def test_no_registry_is_named(name: str) -> None:
    text = (_ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"https?://|index-url|find-links|pypi\.", text)
