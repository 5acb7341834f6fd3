"""Messages and tool calls that are in a table of their own, a row each: gathered as JSON for each run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deployments.init.columns import Column
from deployments.init.mapping.guesses import Guess, singular, words_of
from deployments.init.mapping.links import find_link
from deployments.init.tables import Table

_ROLES = ("role", "sender", "author", "speaker", "type")
_CONTENTS = ("content", "text", "body", "message")
_TOOLS = ("tool_name", "tool", "function", "function_name", "name")
_ARGUMENTS = ("arguments", "args", "input", "parameters", "params", "tool_input")
_RESULTS = ("result", "output", "response", "tool_output", "observation")
_ERRORS = ("error", "error_message", "exception")
_ORDER = ("seq", "sequence", "position", "idx", "turn", "step", "created_at", "timestamp", "started_at", "id")
_KNOWN_ROLES = {"user", "human", "assistant", "ai", "system", "tool", "agent", "model"}


def find_parts(runs: Table, guesses: Mapping[str, Guess], tables: Sequence[Table], dialect: str) -> dict[str, str]:
    """``messages`` and ``tool_calls`` as subqueries, from the tables that refer to ``runs``; empty without any."""
    found: dict[str, str] = {}
    if "id" not in guesses or dialect not in ("sqlite", "postgresql"):
        return found
    for place in tables:
        if place is runs:
            continue
        link = next((link for column in place.columns if (link := find_link(column, [runs])) is not None), None)
        if link is None:
            continue
        where = f"{place.alias}.{link.column.expression} = {runs.alias}.{link.target.expression}"
        kind, pairs = _pairs(place)
        if kind and kind not in found and kind not in guesses:
            found[kind] = _gathered(place, pairs, where, dialect)
    return found


def _pairs(place: Table) -> tuple[str, dict[str, Column]]:
    """What the rows of a table are ("" for nothing known), and the columns that make an object of each."""
    role, content = _first(place, _ROLES), _first(place, _CONTENTS)
    if role and content and {str(value).lower() for value in role.values} & _KNOWN_ROLES:
        return "messages", {"role": role, "content": content}
    tool = _first(place, _TOOLS)
    is_tools = {"tool", "action", "function"} & set(singular(words_of(place.name)))
    if tool and is_tools:
        named = {"arguments": _ARGUMENTS, "output": _RESULTS, "error": _ERRORS}
        more = {key: column for key, names in named.items() if (column := _first(place, names)) and column is not tool}
        return "tool_calls", {"name": tool, **more}
    return "", {}


def _first(place: Table, names: Sequence[str]) -> Column | None:
    return next((column for name in names if (column := place.column(name)) is not None), None)


def _gathered(place: Table, pairs: Mapping[str, Column], where: str, dialect: str) -> str:
    parts = ", ".join(f"'{key}', {column.expression}" for key, column in pairs.items())
    order = _first(place, _ORDER)
    by = f" ORDER BY {order.expression}" if order else ""
    # Names in the database, quoted.
    rows = f"(SELECT * FROM {place.expression} WHERE {where}{by}) AS parts"  # noqa: S608
    if dialect == "postgresql":
        return f"(SELECT json_agg(json_build_object({parts})) FROM {rows})"  # noqa: S608
    return f"(SELECT json_group_array(json_object({parts})) FROM {rows})"  # noqa: S608
