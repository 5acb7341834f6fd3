"""The secret that webhooks are signed with: made once, in a file that only its owner may read."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path


def keep_secret(path: Path) -> str:
    """The secret in ``path``, in the form of Standard Webhooks; made when there is none."""
    if not path.exists():
        unfinished = path.with_name(f"{path.name}.unfinished")
        unfinished.unlink(missing_ok=True)
        text = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}\n"
        # Never readable for others, not for a moment.
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        unfinished.rename(path)
    return path.read_text(encoding="ascii").strip()
