"""The stack that runs in the current folder: its Prefect server with the password, and its warehouse."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from deployments.local.prefect_server import reach_directly, use_server
from deployments.stack.place import DEFAULT_FOLDER, Place
from tasks.warehouse.owner import Owner, is_alive

_WAREHOUSE, _PARQUET = "AGENT_REPORT_WAREHOUSE_URL", "AGENT_REPORT_PARQUET_URL"


@dataclass(frozen=True, slots=True)
class RunningStack:
    """Where a running stack can be reached. ``warehouse`` is empty if the stack uses one that the user has set."""

    api: str
    password: str
    warehouse: str = ""
    parquet: str = ""

    def places(self) -> dict[str, str]:
        """The settings that lead to its warehouse."""
        return {_WAREHOUSE: self.warehouse, _PARQUET: self.parquet} if self.warehouse else {}


def find_stack(folder: Path = DEFAULT_FOLDER) -> RunningStack | None:
    """The stack that runs in ``folder``, if there is one.

    A killed stack leaves its file behind with its process id; that file is ignored, as is one written by another user.
    """
    place = Place(folder.resolve())
    try:
        if place.state.stat().st_uid != os.getuid():
            return None
        state = json.loads(place.state.read_text(encoding="utf-8"))
        if not is_alive(Owner(**state["owner"]), None, datetime.now(UTC)):
            return None
        password = place.password.read_text(encoding="ascii").strip()
        return RunningStack(str(state["api"]), password, state.get("warehouse") or "", state.get("parquet") or "")
    except (OSError, ValueError, TypeError, KeyError):
        # No state file, or one of another version.
        return None


@contextmanager
def at_stack(folder: Path = DEFAULT_FOLDER) -> Iterator[bool]:
    """Within the block, Prefect's settings lead to the server of the stack in ``folder``; yields whether they do.

    They do not if no stack runs there, if ``PREFECT_API_URL`` names another server, or if it names this one and a
    password is configured.
    """
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL

    stack = find_stack(folder)
    if stack is None or _names_another_server(stack) or (PREFECT_API_URL.value() and PREFECT_API_AUTH_STRING.value()):
        yield False
        return
    reach_directly("127.0.0.1")
    with use_server(stack.api, stack.password):
        yield True


@contextmanager
def stack_warehouse(folder: Path = DEFAULT_FOLDER) -> Iterator[bool]:
    """Within the block, the settings lead to the warehouse of the stack in ``folder``; yields whether they do.

    They do not if no stack runs there, if ``PREFECT_API_URL`` names another server, or if the user has set a warehouse.
    """
    stack = find_stack(folder)
    if stack is None or not stack.warehouse or _names_another_server(stack):
        yield False
        return
    from tasks.settings import read_settings

    given = read_settings().model_fields_set
    if given & {"warehouse_url", "warehouse_block"}:
        yield False
        return
    places = {name: value for name, value in stack.places().items() if name != _PARQUET or "parquet_url" not in given}
    before = {name: os.environ.get(name) for name in places}
    os.environ.update(places)
    try:
        yield True
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _names_another_server(stack: RunningStack) -> bool:
    from prefect.settings import PREFECT_API_URL

    configured = PREFECT_API_URL.value()
    return bool(configured) and configured.rstrip("/") != stack.api
