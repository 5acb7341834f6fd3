"""The owner of a report that is being made: a process on a host, and whether it still lives."""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta

import psutil
from pydantic import BaseModel, ConfigDict

HEARTBEAT_LAPSES = timedelta(seconds=60)
# Start times are counted in clock ticks since boot and shift a little when the system's clock is set.
_SAME_START_SECONDS = 2.0


class Owner(BaseModel):
    """A process: host name, pid, and when it started (Unix seconds), since a pid alone is used again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    pid: int
    process_started: float


def current_owner() -> Owner:
    """The process that asks."""
    return Owner(host=socket.gethostname(), pid=os.getpid(), process_started=psutil.Process().create_time())


def is_local(owner: Owner) -> bool:
    """Whether the process is one of this host, so that it can be checked."""
    return owner.host == socket.gethostname()


def is_alive(owner: Owner, heartbeat: datetime | None, now: datetime) -> bool:
    """Whether ``owner`` still works on its report.

    On this host the process table decides, so that a killed report can be resumed at once. A process of another host
    cannot be checked: there the heartbeat decides, and without any the owner counts as dead.
    """
    if is_local(owner):
        return _runs_here(owner)
    return heartbeat is not None and now - heartbeat < HEARTBEAT_LAPSES


def _runs_here(owner: Owner) -> bool:
    try:
        process = psutil.Process(owner.pid)
        # A killed process whose parent has not asked for its exit code yet is still listed, as a zombie.
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return abs(process.create_time() - owner.process_started) < _SAME_START_SECONDS
    except psutil.AccessDenied:
        return True  # It is there, and more cannot be known: better refuse than make one report twice.
    except psutil.NoSuchProcess:
        return False
