"""Where the flows are on this machine: the folder that this package is in, a clone or an installation."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def enter_clone(directory: str = "") -> dict[str, str]:
    """The pull step of the deployments: a run works in ``directory``, in ``AGENT_REPORT_CLONE``, or where this is.

    Prefect's own step takes a path that is the same on every machine, and an empty one for an error.
    """
    from prefect.deployments.steps.pull import set_working_directory

    return set_working_directory(directory or os.environ.get("AGENT_REPORT_CLONE") or str(ROOT))
