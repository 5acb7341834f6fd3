"""What one check of ``agent-report doctor`` found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "failed", "skipped"]
"""``note``: a report can be made, but not all that it could be; ``skipped``: not configured, or not asked for."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was checked, its state, what was found, and what to do about it ("" if nothing); no secrets."""

    what: str
    state: State
    detail: str
    advice: str = ""
