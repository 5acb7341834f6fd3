"""The stack that runs in the current folder: where its Prefect server is, and the password of that."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from deployments.local.prefect_server import reach_directly, use_server
from deployments.stack.place import DEFAULT_FOLDER, Place
from tasks.warehouse.owner import Owner, is_alive


def find_server(folder: Path = DEFAULT_FOLDER) -> tuple[str, str] | None:
    """The API's URL and the password of the Prefect server of the stack in ``folder``; None when no stack runs there.

    A stack that was killed leaves its file behind, with the process that wrote it; such a file is passed over, and so
    is one that another user wrote.
    """
    place = Place(folder.resolve())
    try:
        if place.state.stat().st_uid != os.getuid():
            return None
        state = json.loads(place.state.read_text(encoding="utf-8"))
        if not is_alive(Owner(**state["owner"]), None, datetime.now(UTC)):
            return None
        return str(state["api"]), place.password.read_text(encoding="ascii").strip()
    except (OSError, ValueError, TypeError, KeyError):
        # There is none, or it is not one that this version wrote.
        return None


@contextmanager
def at_stack(folder: Path = DEFAULT_FOLDER) -> Iterator[bool]:
    """While the block runs, Prefect's settings lead to the server of the stack in ``folder``; gives whether they do.

    They do not when no stack runs there, where ``PREFECT_API_URL`` names another server, or where it names this one
    and a password for it is given.
    """
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL

    server, configured = find_server(folder), PREFECT_API_URL.value()
    if server is None or (configured and (configured.rstrip("/") != server[0] or PREFECT_API_AUTH_STRING.value())):
        yield False
        return
    reach_directly("127.0.0.1")
    with use_server(*server):
        yield True
