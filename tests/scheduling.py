"""In which order and by which worker the tests run; a plugin of pytest."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# What starts servers takes longest, so that the workers begin with it and end together.
_LONGEST_FIRST = ("deployments/stack", "deployments/setup", "flows", "deployments/local", "deployments/webhook")
_TESTS = Path(__file__).parent


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[Any]:
    """Ten thousand tests are no garbage: looking through them again and again takes seconds of each worker."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest folders first; every id has to be unique, as pytest-xdist runs one test an id."""

    def place(item: pytest.Item) -> int:
        folder = str(item.path.parent.relative_to(_TESTS))
        return next((at for at, name in enumerate(_LONGEST_FIRST) if folder.startswith(name)), len(_LONGEST_FIRST))

    items.sort(key=place)
    assert len({item.nodeid for item in items}) == len(items)


# What shares a server or a browser, which take seconds to start: one worker runs it. The rest of the flows is for two.
_TOGETHER = {
    "deployments/setup/": "a team's server",
    "deployments/webhook/": "a team's server",
    "bridge/": "a team's server",
    "test_clients.py": "a team's server",
    "deployments/local/": "servers of their own",
    "flows/test_shared_server.py": "servers of their own",
    # Reports of other processes, which start a server each.
    "flows/test_secrets.py": "secrets",
    "flows/test_two_processes.py": "two processes",
    "render/html/": "a browser",
}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """As ``--dist loadfile``, in the order of the collection, and with some files together."""
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False

    class ByServer(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            if group := next((group for start, group in _TOGETHER.items() if file.startswith(f"tests/{start}")), None):
                return group
            if file.startswith("tests/flows/"):
                return "flows to i" if file < "tests/flows/test_j" else "flows from j"
            return file

    return ByServer(config, log)
