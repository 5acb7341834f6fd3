"""One long-running process of the stack: started, watched, restarted when it ends, and stopped."""

from __future__ import annotations

import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tasks.wording.counts import counted

_LOG_BYTES = 10_000_000


@dataclass(frozen=True, slots=True)
class Program:
    """What a child runs. ``is_ready`` gets the time of its start and returns whether it works; it is called often."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    is_ready: Callable[[datetime], bool]
    stop_signal: signal.Signals | None = signal.SIGTERM
    """None: the end of its standard input."""
    stop_seconds: float = 10.0
    user: str | None = None
    before_stop: Callable[[int | None, Callable[[], bool]], None] | None = None
    """Called before it is stopped, with its process, if any, and a function that returns whether to hurry."""
    descriptors: Sequence[int] = ()
    """Open files that it inherits under the same numbers."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a child may end: ``deaths`` within ``seconds`` are too many. Waits double from ``first_wait``.

    ``ready_seconds`` is how long it may take to begin its work, ``run_seconds`` how long what runs to its end may take.
    """

    deaths: int = 5
    seconds: float = 120.0
    first_wait: float = 0.25
    longest_wait: float = 8.0
    ready_seconds: float = 120.0
    run_seconds: float = 300.0


class GivenUpError(Exception):
    """A child ended too often."""


@dataclass
class Child:
    """A program and its process; ``tend`` it several times a second. ``logs`` is a folder, each child has a file there.

    ``announce`` gets a line when it ends and when it is back.
    """

    program: Program
    logs: Path
    announce: Callable[[str], None]
    patience: Patience = Patience()
    is_ready: bool = False
    _process: subprocess.Popen[bytes] | None = None
    _deaths: deque[float] = field(default_factory=deque)
    _started_at: float = 0.0
    _started: datetime = field(default_factory=lambda: datetime.now(UTC))
    _due_at: float = 0.0

    @property
    def log(self) -> Path:
        """The file with all of its output."""
        return self.logs / f"{self.program.name}.log"

    @property
    def pid(self) -> int | None:
        """The id of its process, if there is one."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process. It has a pipe as standard input that only this process holds the other end of."""
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        self._started = datetime.now(UTC)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - programs of ours and of what is installed, no input
                self.program.command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd=self.program.folder,
                env=self.program.environment,
                user=self.program.user,
                pass_fds=self.program.descriptors,
                # Ctrl-C on the terminal is for the command, which ends its children in their order.
                start_new_session=True,
            )
        self._started_at = time.monotonic()
        self.is_ready = False

    def tend(self) -> None:
        """Notice whether it has ended or become ready; start it again when its time has come.

        Raises:
            GivenUpError: it has ended too often; the message has the details.
        """
        now = time.monotonic()
        if self._process is None:
            if now >= self._due_at:
                self.start()
        elif (code := self._process.poll()) is not None:
            self._ended(now, how_it_ended(code))
        elif not self.is_ready:
            if self.program.is_ready(self._started):
                self.is_ready = True
                if self._deaths:
                    self.announce(f"{self.program.name} is back")
            elif now - self._started_at > self.patience.ready_seconds:
                self.kill()
                self._ended(now, f"did not begin its work within {self.patience.ready_seconds:g} s")

    def _ended(self, now: float, how: str) -> None:
        self._close()
        self.is_ready = False
        self._deaths.append(now)
        while now - self._deaths[0] > self.patience.seconds:
            self._deaths.popleft()
        count = len(self._deaths)
        line = f"{self.program.name} {how}; its log is {self.log}"
        if count >= self.patience.deaths:
            raise GivenUpError(f"{line}; that makes {counted(count, 'time')} within {self.patience.seconds:g} s")
        wait = min(self.patience.first_wait * 2 ** (count - 1), self.patience.longest_wait)
        self._due_at = now + wait
        self.announce(f"{line}; it is started again")

    def ask_to_stop(self) -> None:
        """Ask it to stop, without waiting for it."""
        if self._process is None or self._process.poll() is not None:
            return
        if self.program.stop_signal is not None:
            self._process.send_signal(self.program.stop_signal)
        elif self._process.stdin is not None:
            self._process.stdin.close()

    def stop(self, hurry: Callable[[], bool]) -> None:
        """Ask it to stop, and kill it when it does not, or when there is ``hurry``."""
        if self.program.before_stop is not None:
            alive = self._process is not None and self._process.poll() is None
            self.program.before_stop(self.pid if alive else None, hurry)
        self.ask_to_stop()
        deadline = time.monotonic() + self.program.stop_seconds
        while self._process is not None and self._process.poll() is None:
            if hurry() or time.monotonic() > deadline:
                self.announce(f"{self.program.name} did not stop by itself and is killed")
                self.kill()
            time.sleep(0.02)
        self._close()

    def kill(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _close(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        self._process = None


def how_it_ended(code: int) -> str:
    """The exit ``code`` of a process in words."""
    if code >= 0:
        return f"ended (exit code {code})"
    try:
        return f"was killed ({signal.Signals(-code).name})"
    except ValueError:
        return f"was killed (signal {-code})"
