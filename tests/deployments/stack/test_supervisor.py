"""Children that end, hang, or will not stop: small programs that are real processes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from deployments.stack.child import Patience, Program, how_it_ended
from deployments.stack.leftovers import end_marked, find_marked, mark
from deployments.stack.supervisor import ShutdownRequest, StoppedError, Supervisor
from tasks.errors import StackError

_SLEEP = "import time; time.sleep(60)"
_STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); {_SLEEP}"
_SOON = Patience(deaths=3, first_wait=0.01, ready_seconds=20)


@pytest.fixture
def announced() -> list[str]:
    return []


@pytest.fixture
def shutdown() -> ShutdownRequest:
    return ShutdownRequest()


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., Program]:
    """A program of some lines of Python."""

    def build(name: str, code: str, **more: Any) -> Program:
        more = {"is_ready": lambda _: True, **more}
        return Program(name, [sys.executable, "-c", code], {"PATH": ""}, tmp_path, **more)

    return build


def test_what_ends_again_and_again_ends_the_rest(
    tmp_path: Path, announced: list[str], shutdown: ShutdownRequest, program: Callable[..., Program]
) -> None:
    log = tmp_path / "logs" / "bad.log"
    expected = f"bad ended (exit code 3); its log is {log}"
    with Supervisor(tmp_path / "logs", shutdown, announced.append, patience=_SOON) as supervisor:
        good = supervisor.start(program("good", _SLEEP))
        assert good.pid is not None
        process = psutil.Process(good.pid)
        supervisor.start(program("bad", "print('why'); raise SystemExit(3)", is_ready=lambda _: False))
        with pytest.raises(StackError, match=r"exit code 3.*; that makes 3 times within 120 s"):
            supervisor.watch(lambda: None)
        assert process.is_running()
    assert announced == [f"{expected}; it is started again"] * 2
    assert log.read_text() == "why\n" * 3
    assert not process.is_running()


def test_old_deaths_are_forgotten(
    tmp_path: Path, announced: list[str], shutdown: ShutdownRequest, program: Callable[..., Program]
) -> None:
    def look() -> None:
        if announced.count("short is back") == 3:
            shutdown.ask()

    patience = Patience(deaths=2, seconds=0.3, first_wait=0.01)
    with Supervisor(tmp_path / "logs", shutdown, announced.append, patience=patience) as supervisor:
        supervisor.start(program("short", "import time; time.sleep(0.5)"))
        with pytest.raises(StoppedError):
            supervisor.watch(look)
    assert [line.split(";")[0] for line in announced[:2]] == ["short ended (exit code 0)", "short is back"]


def test_one_that_does_not_begin_its_work_has_ended(
    tmp_path: Path, announced: list[str], shutdown: ShutdownRequest, program: Callable[..., Program]
) -> None:
    patience = Patience(deaths=1, ready_seconds=0.3)
    with Supervisor(tmp_path / "logs", shutdown, announced.append, patience=patience) as supervisor:
        idle = supervisor.start(program("idle", _SLEEP, is_ready=lambda _: False))
        with pytest.raises(StackError, match=r"idle did not begin its work within 0\.3 s; its log is"):
            supervisor.wait_until_ready(idle)


@pytest.mark.parametrize("asked", [1, 2])
def test_one_that_does_not_stop_is_killed_when_its_time_is_over_or_there_is_hurry(
    tmp_path: Path, announced: list[str], shutdown: ShutdownRequest, program: Callable[..., Program], asked: int
) -> None:
    with Supervisor(tmp_path / "logs", shutdown, announced.append) as supervisor:
        child = supervisor.start(program("stubborn", _STUBBORN, stop_seconds=1.0 if asked == 1 else 60.0))
        while "on" not in child.log.read_text():
            time.sleep(0.02)
        for _ in range(asked):
            shutdown.ask()
    assert announced == ["stubborn did not stop by itself and is killed"]


def test_children_stop_in_reverse_and_what_comes_before_the_end_of_one_is_done(
    tmp_path: Path, announced: list[str], shutdown: ShutdownRequest, program: Callable[..., Program]
) -> None:
    tells = "import atexit, os; atexit.register(lambda: open('order', 'a').write({!r})); print('on', flush=True)"
    code = f"{tells}; os.read(0, 1)"

    def before(pid: int | None, hurry: Callable[[], bool]) -> None:
        announced.append(f"{pid} {psutil.pid_exists(pid or 0)} {hurry()} {(tmp_path / 'order').exists()}")

    with Supervisor(tmp_path / "logs", shutdown, announced.append) as supervisor:
        children = [
            supervisor.start(program("first", code.format("first "), stop_signal=None)),
            supervisor.start(program("second", code.format("second "), stop_signal=None, before_stop=before)),
        ]
        pid = children[1].pid
        while not all(child.log.read_text() for child in children):
            time.sleep(0.02)
    assert announced == [f"{pid} True False False"]
    assert (tmp_path / "order").read_text() == "second first "


def test_a_program_that_fails_is_reported_with_its_log_and_one_that_hangs_is_ended(
    tmp_path: Path, announced: list[str], shutdown: ShutdownRequest, program: Callable[..., Program]
) -> None:
    patience = Patience(run_seconds=0.5)
    with Supervisor(tmp_path / "logs", shutdown, announced.append, patience=patience) as supervisor:
        supervisor.run(program("fine", "pass"))
        with pytest.raises(StackError, match=r"wrong ended \(exit code 4\); its log is .*wrong\.log"):
            supervisor.run(program("wrong", "raise SystemExit(4)"))
        with pytest.raises(StackError, match=r"slow takes more than 0\.5 s"):
            supervisor.run(program("slow", "import time; open('pid', 'w').write('on'); time.sleep(60)"))
        shutdown.ask()
        with pytest.raises(StoppedError):
            supervisor.run(program("asked", _SLEEP))


def test_a_long_log_makes_room(
    tmp_path: Path, announced: list[str], shutdown: ShutdownRequest, program: Callable[..., Program]
) -> None:
    with Supervisor(tmp_path / "logs", shutdown, announced.append) as supervisor:
        log = tmp_path / "logs" / "chatty.log"
        log.write_bytes(b"x" * 10_000_001)
        supervisor.start(program("chatty", "print('new')"))
        while not log.read_text():
            time.sleep(0.02)
    assert log.read_text() == "new\n"
    assert (tmp_path / "logs" / "chatty.log.1").stat().st_size == 10_000_001


def test_ends_are_described_in_words() -> None:
    assert how_it_ended(1) == "ended (exit code 1)"
    assert how_it_ended(-signal.SIGSEGV) == "was killed (SIGSEGV)"
    assert how_it_ended(-250) == "was killed (signal 250)"


def _start_marked(folder: Path, start: str, part: str = "", code: str = _SLEEP) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code], env=mark(folder, start, part), stdout=subprocess.PIPE)


def _end(*processes: subprocess.Popen[bytes]) -> None:
    for process in processes:
        process.kill()
        process.communicate()


def test_what_is_marked_is_found_and_ended_and_nothing_else(tmp_path: Path) -> None:
    other = _start_marked(tmp_path.with_name(f"{tmp_path.name}-other"), "a")
    first, worker, second = (_start_marked(tmp_path, *names) for names in (("a",), ("a", "worker"), ("b",)))
    stubborn = _start_marked(tmp_path, "b", code=_STUBBORN)
    try:
        assert {process.pid for process in find_marked(tmp_path, "a", "worker")} == {worker.pid}
        assert {process.pid for process in find_marked(tmp_path, "a")} == {first.pid, worker.pid}
        assert {process.pid for process in find_marked(tmp_path, "a", spare=first.pid)} == {worker.pid}
        assert end_marked(tmp_path, "a", "worker") == 1
        assert worker.poll() is not None
        assert first.poll() is None
        assert stubborn.stdout is not None
        assert stubborn.stdout.readline()
        assert end_marked(tmp_path, seconds=0.5) == 3
        assert None not in (first.poll(), second.poll(), stubborn.poll())
        assert other.poll() is None
    finally:
        _end(other, first, worker, second, stubborn)


def test_the_keeper_ends_what_a_killed_parent_leaves(tmp_path: Path) -> None:
    code = (
        "import os, subprocess, sys, time\n"
        "from pathlib import Path\n"
        "from deployments.stack.leftovers import mark\n"
        f"folder = {str(tmp_path)!r}\n"
        "keeper = [sys.executable, '-m', 'deployments.stack.orphan_cleanup', folder, 'start']\n"
        "keeper = subprocess.Popen(keeper, stdin=subprocess.PIPE, start_new_session=True)\n"
        "child = [sys.executable, '-c', 'import time; time.sleep(60)']\n"
        "child = subprocess.Popen(child, env=mark(Path(folder), 'start'), start_new_session=True)\n"
        "print(keeper.pid, child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    processes = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
    # A signal to everything does not end it before its time.
    time.sleep(3)
    processes[0].terminate()
    time.sleep(0.5)
    assert all(process.status() != psutil.STATUS_ZOMBIE for process in processes)

    _end(parent)

    _, alive = psutil.wait_procs(processes, timeout=15)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
