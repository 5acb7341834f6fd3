"""One criterion: what is scored, by the judge or by code, and from which score it is passed."""

from __future__ import annotations

import math
import re
from typing import Any, Literal, get_args

import regex
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

Kind = Literal[
    "judge",
    "success",
    "completion",
    "max_duration_seconds",
    "max_cost_usd",
    "max_tool_calls",
    "tool_must",
    "tool_never",
    "tool_order",
    "no_repeats",
    "response_matches",
    "response_equals_expected",
    "code",
]
"""What decides whether a run meets the criterion: the judge, or code. See docs/guide/criteria.md."""

KINDS: tuple[Kind, ...] = get_args(Kind)
FIELD_OF: dict[Kind, Literal["limit", "tools", "pattern", "function"]] = {
    "max_duration_seconds": "limit",
    "max_cost_usd": "limit",
    "max_tool_calls": "limit",
    "tool_must": "tools",
    "tool_never": "tools",
    "tool_order": "tools",
    "response_matches": "pattern",
    "code": "function",
}
"""The field that a kind needs; the kinds that are not named need none."""

EVERY_RUN = 10.0
"""The threshold that no run may miss."""

_EXAMPLES = {
    "limit": "limit: 30",
    "tools": "tools: [look_up]",
    "pattern": r"pattern: '^\d+$'",
    "function": "function: my_checks.refunds:is_right",
}
_FUNCTION = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_LONGEST_PATTERN = 500
_LONGEST_FUNCTION = 200
_LONGEST_TOOL = 200
_MOST_TOOLS = 50
_DEFAULT_THRESHOLD = 7.0


def _require_fields(schema: dict[str, Any]) -> None:
    """State which kinds need which field, for forms and webhooks."""
    schema["allOf"] = [
        {
            "if": {
                "properties": {"kind": {"enum": [kind for kind, of in FIELD_OF.items() if of == field]}},
                "required": ["kind"],
            },
            "then": {"required": [field]},
        }
        for field in _EXAMPLES
    ]


class Criterion(BaseModel):
    """One thing that is scored from 0 to 10: by the judge, or as ten times the share of the runs that meet it."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=_require_fields)

    kind: Kind = Field("judge", title="Kind", description="What decides on a run: the judge, or code.")
    weight: float = Field(1.0, gt=0, le=1e6, allow_inf_nan=False, title="Weight", description="Relative to the others.")
    description: str = Field("", title="What it means", description="For the judge, in a sentence.")
    threshold: float = Field(
        _DEFAULT_THRESHOLD,
        ge=0,
        le=10,
        allow_inf_nan=False,
        title="Threshold",
        description="Score from which it is passed, 0 to 10: 7 is 70% of the runs. tool_never: 10 if it is left out.",
    )
    limit: float | None = Field(
        None,
        ge=0,
        le=1e9,
        allow_inf_nan=False,
        title="Limit",
        description="Of max_duration_seconds, max_cost_usd and max_tool_calls: the most that a run may take.",
    )
    tools: tuple[str, ...] | None = Field(
        None,
        min_length=1,
        max_length=_MOST_TOOLS,
        title="Tools",
        description="Of tool_must, tool_never and tool_order: names; * stands for any characters.",
    )
    pattern: str | None = Field(
        None,
        min_length=1,
        max_length=_LONGEST_PATTERN,
        title="Pattern",
        description="Of response_matches: a regular expression that is found in the final response.",
    )
    function: str | None = Field(
        None,
        max_length=_LONGEST_FUNCTION,
        title="Function",
        description="Of code: package.module:name of a Python function that is installed where reports are made.",
    )

    @property
    def is_computed(self) -> bool:
        """Whether code decides, so that the judge is not asked."""
        return self.kind != "judge"

    @field_validator("tools", mode="before")
    @classmethod
    def _read_tools(cls, tools: Any) -> Any:
        # A list of JSON, which strict validation would not take for a tuple.
        return tuple(tools) if isinstance(tools, list) else tools

    @field_validator("tools")
    @classmethod
    def _check_tools(cls, tools: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for name in tools or ():
            if not name.strip() or len(name) > _LONGEST_TOOL:
                raise ValueError(f"tool name {name[:80]!r} must be 1 to {_LONGEST_TOOL} characters")
        return tools

    @field_validator("pattern")
    @classmethod
    def _check_pattern(cls, pattern: str | None) -> str | None:
        try:
            regex.compile(pattern or "")
        except (regex.error, RecursionError, OverflowError) as error:
            raise ValueError(f"is no regular expression: {error}") from None
        return pattern

    @field_validator("function")
    @classmethod
    def _check_function(cls, function: str | None) -> str | None:
        if function is not None and not _FUNCTION.fullmatch(function):
            raise ValueError("must be package.module:name, such as my_checks.refunds:is_right")
        return function

    @model_validator(mode="before")
    @classmethod
    def _choose_threshold(cls, data: Any) -> Any:
        # One forbidden call in four runs must not pass by a default.
        if isinstance(data, dict) and data.get("kind") == "tool_never" and "threshold" not in data:
            return {**data, "threshold": EVERY_RUN}
        return data

    @model_validator(mode="after")
    def _check_fields(self) -> Criterion:
        needed = FIELD_OF.get(self.kind)
        for field in _EXAMPLES:
            if field != needed and getattr(self, field) is not None:
                kinds = ", ".join(kind for kind, of in FIELD_OF.items() if of == field)
                raise ValueError(f"{field} belongs to the kinds {kinds}, not to kind {self.kind}")
        if needed is not None and getattr(self, needed) is None:
            raise ValueError(f"kind {self.kind} needs {needed}, such as {_EXAMPLES[needed]}")
        if self.kind == "max_tool_calls" and not math.isclose(self.limit or 0, round(self.limit or 0)):
            raise ValueError(f"kind max_tool_calls needs a whole limit, not {self.limit:g}")
        if self.kind == "tool_order" and len(self.tools or ()) < 2:
            raise ValueError("kind tool_order needs two tools or more, in the order in which they must be called")
        return self

    @model_serializer(mode="wrap")
    def _dump_what_counts(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without the fields of other kinds, and without the kind of a judge's criterion: as earlier versions wrote."""
        hidden = {field for field in _EXAMPLES if field != FIELD_OF.get(self.kind)}
        if self.kind == "judge":
            hidden.add("kind")
        return {name: value for name, value in dump(self).items() if name not in hidden}
