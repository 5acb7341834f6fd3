"""Whether the owner of a report still lives."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import psutil

from tasks.warehouse.owner import Owner, current_owner, is_alive

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_this_process_lives_however_old_its_heartbeat_is() -> None:
    assert is_alive(current_owner(), NOW - timedelta(days=1), NOW)
    assert is_alive(current_owner(), None, NOW)


def test_a_pid_that_is_used_again_is_another_process() -> None:
    other = current_owner().model_copy(update={"process_started": current_owner().process_started - 60})
    assert not is_alive(other, NOW, NOW)


def test_a_killed_process_is_dead_at_once_also_before_its_parent_noticed() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = psutil.Process(child.pid)
    owner = current_owner().model_copy(update={"pid": child.pid, "process_started": process.create_time()})
    assert is_alive(owner, None, NOW)
    child.kill()
    while process.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert not is_alive(owner, NOW, NOW)
    child.wait()
    assert not is_alive(owner, NOW, NOW)


def test_a_process_of_another_host_lives_as_long_as_its_heart_beat_within_a_minute() -> None:
    elsewhere = Owner(host="elsewhere.example", pid=current_owner().pid, process_started=1.0)
    assert is_alive(elsewhere, NOW - timedelta(seconds=59), NOW)
    assert not is_alive(elsewhere, NOW - timedelta(seconds=60), NOW)
    assert not is_alive(elsewhere, None, NOW)
