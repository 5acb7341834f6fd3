"""Writing the files of ``init``: never over existing ones; what holds secrets is readable by its owner alone."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tasks.errors import UsageError

_MOST_NAMES = 100


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file after ``write_beside``; where ``path`` is not the ``wanted`` one, another file has its name.

    Without ``is_new``, it held this text before."""

    path: Path
    wanted: Path
    is_new: bool

    @property
    def is_beside(self) -> bool:
        """Whether another file has the name that was wanted."""
        return self.path != self.wanted

    @property
    def state(self) -> Literal["written", "unchanged", "beside"]:
        """The file in one word: a new one that is ``beside`` another is not ``written``."""
        return "unchanged" if not self.is_new else "beside" if self.is_beside else "written"


def write_beside(path: Path, text: str, *, private: bool = False) -> WrittenFile:
    """Write ``text`` to ``path``, or where another file is, to the first free name beside it (``.env.agent-report``).

    With ``private``, only the owner may read it.

    Raises:
        UsageError: no file can be written there.
    """
    for number in range(_MOST_NAMES):
        candidate = _candidate(path, number)
        if candidate.is_file() and _read(candidate) == text:
            return WrittenFile(candidate, path, is_new=False)
        try:
            handle = os.open(candidate, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666)
        except FileExistsError:
            continue
        except OSError as error:
            raise UsageError(f"--output: {candidate} cannot be written: {error.strerror}") from None
        with open(handle, "w", encoding="utf-8") as file:  # noqa: PTH123 - of an open handle
            file.write(text)
        return WrittenFile(candidate, path, is_new=True)
    raise UsageError(f"--output: {path} and {_MOST_NAMES} names like it are taken: remove some")


def _candidate(path: Path, number: int) -> Path:
    if number == 0:
        return path
    count = "" if number == 1 else f"-{number}"
    if path.name.startswith("."):
        return path.with_name(f"{path.name}.agent-report{count}")
    return path.with_name(f"{path.stem}.agent-report{count}{path.suffix}")


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
