"""Keeps children running until a stop is requested: started in order, restarted when they end, stopped in reverse."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from deployments.stack.child import Child, GivenUpError, Patience, Program, how_it_ended
from tasks.errors import StackError

_TEND_SECONDS = 0.1
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StoppedError(Exception):
    """Ctrl-C, or another signal that requests the shutdown."""


class ShutdownRequest:
    """A request to shut down: once, it is clean; a second time, it hurries."""

    def __init__(self) -> None:
        self._asked = 0
        self._event = threading.Event()

    def ask(self, number: int = 0, frame: FrameType | None = None) -> None:
        """Request the shutdown, as a signal's handler does."""
        self._asked += 1
        self._event.set()

    def wait(self, seconds: float) -> None:
        """Sleep, and raise StoppedError when the shutdown is requested."""
        if self._event.wait(seconds):
            raise StoppedError

    def hurry(self) -> bool:
        """Whether the shutdown was requested again."""
        return self._asked > 1


@contextmanager
def shutdown_by_signal() -> Iterator[ShutdownRequest]:
    """A request that Ctrl-C, SIGTERM and the end of the terminal make while the block runs."""
    shutdown = ShutdownRequest()
    before = {number: signal.signal(number, shutdown.ask) for number in _SIGNALS}
    try:
        yield shutdown
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Supervisor:
    """The children of one stack; ``logs`` is a folder. A context manager that stops them at its end."""

    def __init__(
        self,
        logs: Path,
        shutdown: ShutdownRequest,
        announce: Callable[[str], None],
        *,
        patience: Patience | None = None,
    ) -> None:
        self._logs = logs
        self._shutdown = shutdown
        self._announce = announce
        self._patience = patience or Patience()
        self.children: list[Child] = []
        logs.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(self, *_: object) -> None:
        for child in reversed(self.children):
            child.stop(self._shutdown.hurry)

    def start(self, program: Program) -> Child:
        """Start a child; from now on it is restarted when it ends."""
        child = Child(program, self._logs, self._announce, self._patience)
        child.start()
        self.children.append(child)
        return child

    def wait_until_ready(self, *children: Child) -> None:
        """Return when all of them are ready.

        Raises:
            StackError: a child ended too often.
            StoppedError: the shutdown was requested.
        """
        while not all(child.is_ready for child in children):
            self._tend()

    def watch(self, changed: Callable[[], None]) -> None:
        """Restart what ends, until the shutdown. ``changed`` is called at first and after each restart.

        Raises:
            StackError: a child ended too often.
            StoppedError: the shutdown was requested.
        """
        known: list[int | None] = []
        while True:
            if (now := [child.pid for child in self.children]) != known:
                known = now
                changed()
            self._tend()

    def run(self, program: Program) -> None:
        """Run a program to its end while the children are kept running.

        Raises:
            StackError: it failed, or a child ended too often.
            StoppedError: the shutdown was requested.
        """
        log = self._logs / f"{program.name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - programs of ours, no input
                program.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=program.folder,
                env=program.environment,
                start_new_session=True,
            )
        deadline = time.monotonic() + self._patience.run_seconds
        try:
            while process.poll() is None:
                if time.monotonic() > deadline:
                    raise StackError(f"{program.name} takes more than {self._patience.run_seconds:g} s; {_see(log)}")
                self._tend()
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
        if process.returncode:
            raise StackError(f"{program.name} {how_it_ended(process.returncode)}; {_see(log)}")

    def _tend(self) -> None:
        try:
            for child in self.children:
                child.tend()
        except GivenUpError as error:
            raise StackError(str(error)) from None
        self._shutdown.wait(_TEND_SECONDS)


def _see(log: Path) -> str:
    return f"its log is {log}"
