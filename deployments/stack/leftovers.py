"""The processes of a stack, found by a mark in their environment, with all descendants and orphans."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

MARK = "AGENT_REPORT_STACK"
_ASK_SECONDS = 5.0


def mark(folder: Path, start: str, part: str = "") -> dict[str, str]:
    """The variable that marks what is started in ``folder`` by this ``start`` of its stack, and by that ``part``."""
    return {MARK: _value(folder, start, part)}


def find_marked(folder: Path, start: str = "", part: str = "", *, spare: int | None = None) -> list[psutil.Process]:
    """The processes of a stack: of one part, of one start, or of any in ``folder``; without the process ``spare``."""
    wanted = _value(folder, start, part)
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK, "").startswith(wanted) and process.pid != spare:
                found.append(process)
        except (psutil.Error, OSError):
            # Gone meanwhile, or another user's. PostgreSQL's own children have no environment; they follow it.
            continue
    return found


def end_marked(
    folder: Path,
    start: str = "",
    part: str = "",
    *,
    spare: int | None = None,
    seconds: float = _ASK_SECONDS,
    hurry: Callable[[], bool] = lambda: False,
) -> int:
    """Stop them: asked first, killed after ``seconds`` or when there is ``hurry``. Returns how many there were."""
    asked: set[psutil.Process] = set()
    deadline = time.monotonic() + seconds
    while found := find_marked(folder, start, part, spare=spare):
        for process in found:
            with suppress(psutil.Error):
                if hurry() or time.monotonic() > deadline:
                    process.kill()
                elif process not in asked:
                    _ask(process)
        asked.update(found)
        psutil.wait_procs(found, timeout=0.2)
    return len(asked)


def _value(folder: Path, start: str, part: str) -> str:
    # A folder's name may be the beginning of another's.
    return f"{folder}#{start}" + (f"/{part}" if part else "")


def _ask(process: psutil.Process) -> None:
    # On SIGTERM PostgreSQL waits for its clients.
    if process.name() == "postgres":
        process.send_signal(signal.SIGINT)
    else:
        process.terminate()
