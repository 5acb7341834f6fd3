"""The file that a command was told to write."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


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
