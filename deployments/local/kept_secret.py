"""A secret in a file that only its owner may read: made by the first process that needs it, and kept."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
from collections.abc import Callable
from pathlib import Path


def new_password() -> str:
    """A random one, of letters, digits, ``-`` and ``_``."""
    return secrets.token_urlsafe(32)


def keep_secret(path: Path, make: Callable[[], str] = new_password) -> str:
    """The secret in ``path``; ``make`` gives one when there is none yet. Several processes that ask at once get one.

    Raises:
        OSError: the file cannot be read or written, is a link or another user's, or holds no text.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    # Never readable by others, not even for a moment; no longer readable where it was.
    with os.fdopen(os.open(path, flags, 0o600), "r+", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_uid != os.geteuid():
            # Its owner can read it, whatever its mode; as root we could change the mode all the same.
            raise PermissionError(errno.EPERM, "it belongs to another user")
        os.fchmod(file.fileno(), 0o600)
        try:
            secret = file.read().strip()
        except UnicodeDecodeError:
            raise OSError(errno.EINVAL, "it holds no ASCII text: delete it, and a new one is made") from None
        if not secret:
            secret = make()
            file.write(f"{secret}\n")
        return secret
