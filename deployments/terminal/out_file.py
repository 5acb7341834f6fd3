"""Writing a command's output file, whole or not at all."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from tasks.errors import ConflictError, UsageError

STDOUT = "-"


def refuse_existing(target: str, option: str) -> None:
    """Refuse to replace a file that has content; devices and pipes are fine.

    Raises:
        RefusedError: the file exists.
    """
    path = Path(target).expanduser()
    if target != STDOUT and path.is_file() and path.stat().st_size:
        raise ConflictError(f"{option} {target} exists: name another file, or replace it with --force")


def write_out(target: str, content: bytes, option: str, *, make_folder: bool = False) -> None:
    """Write ``content`` to the file ``target``, atomically; ``-`` is stdout. ``option`` stands in errors.

    Raises:
        RefusedError: it cannot be written.
    """
    if target == STDOUT:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    path = Path(target).expanduser()
    try:
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content)
    except OSError as error:
        raise UsageError(f"{option} {target} cannot be written: {error.strerror or error}") from None


def replace_file(path: Path, content: bytes) -> None:
    """Write all of ``content`` or leave what was there; a device or a pipe is written to as it is.

    Raises:
        OSError: the place cannot be written.
    """
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    folder = path.resolve().parent
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        # As any new file: mkstemp's is for its owner alone.
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)
        Path(temporary).replace(path.resolve())
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
