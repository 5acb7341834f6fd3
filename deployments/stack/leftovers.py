"""What a stack has started, found by a mark in its environment: also the children of children, and of the dead."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import psutil

MARK = "AGENT_REPORT_STACK"
_PATIENCE_SECONDS = 5.0


def mark(folder: Path, start: str) -> dict[str, str]:
    """The variable that marks all that is started below ``folder`` by this ``start`` of its stack."""
    return {MARK: f"{folder}#{start}"}


def find_marked(folder: Path, start: str = "") -> list[psutil.Process]:
    """The processes below ``folder``, of one ``start`` or of any. PostgreSQL's own children are left to it."""
    wanted = f"{folder}#{start}"
    found = []
    for process in psutil.process_iter():
        try:
            value = process.environ().get(MARK, "")
        except (psutil.Error, OSError):
            # Gone meanwhile, or another user's.
            continue
        if value == wanted or (not start and value.startswith(wanted)):
            found.append(process)
    return found


def end_marked(folder: Path, start: str = "", seconds: float = _PATIENCE_SECONDS) -> int:
    """End them: asked to at first, killed after ``seconds``. How many there were."""
    known: set[int] = set()
    deadline = time.monotonic() + seconds
    while found := find_marked(folder, start):
        for process in found:
            try:
                if time.monotonic() > deadline:
                    process.kill()
                elif process.pid not in known:
                    _ask(process)
            except psutil.Error:
                pass
        known |= {process.pid for process in found}
        psutil.wait_procs(found, timeout=0.5)
    return len(known)


def _ask(process: psutil.Process) -> None:
    # PostgreSQL takes SIGTERM for a wish to wait for its clients.
    if process.name() == "postgres":
        process.send_signal(signal.SIGINT)
    else:
        process.terminate()
