"""The JSON schema of verdicts on runs: one required property for each run that is shown."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

_TEXT = {"type": "string"}


def object_of(properties: Mapping[str, Any]) -> dict[str, Any]:
    """An object with all of ``properties`` required and no others."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def runs_schema(labels: Sequence[str]) -> dict[str, Any]:
    """The property ``runs``: each run's verdict under its label, in the order in which runs are shown."""
    return object_of({label: {"$ref": "#/$defs/run"} for label in labels})


def run_definitions(criteria: Collection[str]) -> dict[str, Any]:
    """What every run's verdict is: quotes first, then what follows from them."""
    quote = object_of({"key": _TEXT, "quote": _TEXT})
    return {
        "check": {"type": "string", "enum": ["pass", "fail", "cannot_tell"]},
        "run": object_of(
            {
                "evidence": {"type": "array", "items": quote},
                "checks": object_of({name: {"$ref": "#/$defs/check"} for name in criteria}),
                "success": {"type": "string", "enum": ["yes", "no", "cannot_tell"]},
                "failure_mode": _TEXT,
                "step": _TEXT,
            }
        ),
    }
