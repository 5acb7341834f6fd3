"""A score of Langfuse's export as a signal.

https://langfuse.com/docs/api-and-data-platform/features/blob-storage-export-fields#scores
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.evidence.values import read_filled

COLUMNS = ("id", "trace_id", "observation_id", "name", "value", "string_value", "data_type", "source")
# Programs send what users say; annotators and evaluators check.
_SOURCES = {"API": "user", "ANNOTATION": "check", "EVAL": "check"}
# Of other scores (toxicity, latency) a 1 is not known to be good.
_OF_SUCCESS = frozenset(
    {"success", "succeeded", "solved", "resolved", "completed", "correct", "correctness", "passed", "outcome"}
    | {"goalreached", "taskcompletion", "thumbs", "thumbsup", "userfeedback", "feedback"}
)
_SEPARATORS = str.maketrans("", "", "_- .")


def read_score(row: Mapping[str, Any]) -> dict[str, str] | None:
    """The name, value and source of a score, by the contract's names; None without a name or a value.

    The value of a category is its word. The source of a score is empty where its name does not stand for success.
    """
    name = read_filled(row.get("name"))
    worded = str(row.get("data_type") or "").upper() in ("CATEGORICAL", "TEXT")
    value = read_filled(row.get("string_value") if worded else row.get("value"))
    if name is None or value is None:
        return None
    source = _SOURCES.get(str(row.get("source") or "").upper(), "check")
    of_success = name.lower().translate(_SEPARATORS) in _OF_SUCCESS
    return {"name": name, "value": value, "source": source if of_success else ""}
