"""Whether an answer follows the schema that its endpoint was given: one that enforces it never gives another."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def follows(text: str, schema: Mapping[str, Any]) -> bool:
    """Whether ``text`` is one JSON object with all that ``schema`` requires, at every level, and nothing around it."""
    try:
        return _has_all(json.loads(text), schema, schema.get("$defs") or {})
    except (ValueError, RecursionError):
        return False


def _has_all(value: object, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> bool:
    if isinstance(reference := schema.get("$ref"), str):
        schema = definitions.get(reference.rpartition("/")[2]) or {}
    required, properties = schema.get("required"), schema.get("properties")
    if not isinstance(required, list) or not isinstance(properties, dict):
        return True
    if not isinstance(value, dict):
        return False
    return all(name in value and _has_all(value[name], properties.get(name) or {}, definitions) for name in required)
