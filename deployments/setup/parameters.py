"""The parameters of a deployment: those of prefect.yaml, and those that a person has set in the UI, which are kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from prefect.utilities.schema_tools import validate


def merge(
    wanted: Mapping[str, Any], known: Mapping[str, Any], form: Mapping[str, Any], deployed: Collection[str]
) -> dict[str, Any]:
    """``wanted`` of the file, and of the ``known`` ones those that a person has set and the flow still takes.

    ``deployed`` are the names that the file had at the last setup: what it no longer names is removed.
    """
    properties = form.get("properties", {})
    kept = {
        name: value
        for name, value in known.items()
        # Prefect refuses a deployment that has others, and without its deployments a stack does not start.
        if name in properties and name not in deployed and not validate({name: value}, dict(form), ignore_required=True)
    }
    return {**kept, **wanted}
