"""The folder of a stack: its layout, and the lock that lets only one stack use it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import ConflictError, UsageError

DEFAULT_FOLDER = Path("agent-report-data/stack")


@dataclass(frozen=True, slots=True)
class Place:
    """A folder (absolute) and what is where in it."""

    folder: Path

    @property
    def logs(self) -> Path:
        """A file for each process."""
        return self.folder / "logs"

    @property
    def home(self) -> Path:
        """Prefect's files, of the server and of the worker."""
        return self.folder / "prefect"

    @property
    def postgres(self) -> Path:
        """PostgreSQL's data: Prefect's database and the warehouse."""
        return self.folder / "postgres"

    @property
    def parquet(self) -> Path:
        """The warehouse's files."""
        return self.folder / "parquet"

    @property
    def demo(self) -> Path:
        """The sample of the demo."""
        return self.folder / "demo"

    @property
    def password(self) -> Path:
        """The password of the Prefect server, for programs and for people in its UI."""
        return self.folder / "prefect-password"

    @property
    def secret(self) -> Path:
        """The secret that webhooks are signed with."""
        return self.folder / "webhook-secret"

    @property
    def state(self) -> Path:
        """The addresses of a running stack, as JSON, for other programs; written once all is ready."""
        return self.folder / "stack.json"

    def write_state(self, state: Mapping[str, object]) -> None:
        """Write ``state`` to its file at once, for its owner alone."""
        unfinished = self.state.with_name(f"{self.state.name}.unfinished")
        unfinished.unlink(missing_ok=True)
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(json.dumps(state, indent=2) + "\n")
        unfinished.replace(self.state)


@contextmanager
def take_place(folder: Path) -> Iterator[Place]:
    """The folder, created if it is missing, for this process alone while the block runs.

    Raises:
        RefusedError: it cannot be created, or another process uses it.
    """
    try:
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("a+", encoding="ascii")
    except OSError as error:
        raise UsageError(f"--folder {folder} cannot be used: {error.strerror}") from None
    with lock:
        try:
            # Gone with this process, however that ends; no child inherits it.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            whose = f" (process {number})" if (number := lock.read().strip()) else ""
            raise ConflictError(
                f"another `agent-report up` runs in {folder}{whose}: stop it, or use --folder"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        place = Place(folder)
        place.home.mkdir(exist_ok=True)
        # Of a stack that was killed.
        place.state.unlink(missing_ok=True)
        try:
            yield place
        finally:
            place.state.unlink(missing_ok=True)
