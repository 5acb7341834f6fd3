"""The columns of a table as ``init`` sees them: their kinds, by a few values, and the values inside objects."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any, Literal
from uuid import UUID

from tasks.evidence.timestamps import parse_moment

Kind = Literal["text", "number", "time", "bool", "list", "object", "other", "empty"]
_MOST_NESTED = 12
_MOST_NESTED_ALL = 60
_DEEPEST = 3
_LONGEST_READ = 20_000
_SIMPLE_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True, slots=True)
class Column:
    """A column, or a value inside one that holds objects. ``expression`` is what reads it in SQL, without a table.

    ``values`` are those of the sampled rows that are not NULL; ``refers_to`` is the table and column of a foreign key;
    ``path`` names the objects around a value and then the value, and is empty for a column.
    """

    name: str
    expression: str
    kind: Kind
    values: Sequence[Any] = ()
    is_key: bool = False
    refers_to: tuple[str, str] | None = None
    path: tuple[str, ...] = ()

    @property
    def distinct(self) -> int:
        """How many different values the sample has."""
        return len({str(value) for value in self.values})


def build_column(
    name: str,
    expression: str,
    raw: Sequence[Any],
    *,
    is_key: bool = False,
    refers_to: tuple[str, str] | None = None,
) -> Column:
    """The column whose sampled rows have the values ``raw``."""
    values = [_bounded(value) for value in raw if value is not None and value != ""]
    return Column(name, expression, kind_of(values), values, is_key, refers_to)


def _bounded(value: Any) -> Any:
    return value[:_LONGEST_READ] if isinstance(value, str | bytes) else value


def kind_of(values: Sequence[Any]) -> Kind:
    """The kind that all ``values`` have, as far as they show: texts that hold JSON count as what they hold."""
    kinds = {_kind(value) for value in values}
    if not kinds:
        return "empty"
    if len(kinds) == 1:
        return kinds.pop()
    if kinds <= {"number", "bool"}:
        return "number"
    # A text among the times or lists is what does not parse.
    return "text" if "text" in kinds else "list" if kinds <= {"list", "object"} else "other"


def _kind(value: Any) -> Kind:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float | Decimal):
        return "number"
    if isinstance(value, datetime | date | time):
        return "time"
    if isinstance(value, timedelta):
        return "number"
    if isinstance(value, list | tuple):
        return "list"
    if isinstance(value, Mapping):
        return "object"
    if isinstance(value, UUID):
        return "text"
    if not isinstance(value, str):
        return "other"
    start = value.lstrip()[:1]
    if start in ("[", "{"):
        parsed = _parsed(value)
        # What is cut off does not parse; its beginning shows what it is.
        if isinstance(parsed, list) or (parsed is None and start == "[" and len(value) >= _LONGEST_READ):
            return "list"
        if isinstance(parsed, dict) or (parsed is None and start == "{" and len(value) >= _LONGEST_READ):
            return "object"
    if value.lower() in ("true", "false", "t", "f"):
        return "bool"
    # A plain number is no date here, though it may be read as one.
    if len(value) >= len("2026-01-01") and value[:1].isdigit() and ("-" in value or "/" in value or ":" in value):
        return "time" if parse_moment(value) is not None else "text"
    return "number" if _is_number(value) else "text"


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return len(value) < 30


def _parsed(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return None


def find_nested(columns: Sequence[Column], dialect: str) -> Iterator[Column]:
    """The values inside columns of objects, at most three levels down."""
    for column in columns:
        if column.kind == "object":
            objects = [_parsed(value) if isinstance(value, str) else value for value in column.values]
            yield from islice(_values_inside(column, (), objects, dialect), _MOST_NESTED_ALL)


def _values_inside(column: Column, above: tuple[str, ...], values: Sequence[Any], dialect: str) -> Iterator[Column]:
    objects = [value for value in values if isinstance(value, Mapping)]
    keys = dict.fromkeys(key for value in objects for key in value if isinstance(key, str) and _SIMPLE_KEY.match(key))
    deeper = []
    for key in list(keys)[:_MOST_NESTED]:
        path = (*above, key)
        expression = _inside(column, path, dialect)
        if expression:
            found = [value[key] for value in objects if value.get(key) not in (None, "")]
            name = ".".join((column.name, *path))
            yield Column(name, expression, kind_of(found), found, path=(column.name, *path))
            deeper.append((path, found))
    if len(above) + 1 < _DEEPEST:
        for path, found in deeper:
            yield from _values_inside(column, path, found, dialect)


def _inside(column: Column, path: Sequence[str], dialect: str) -> str | None:
    is_text = any(isinstance(value, str) for value in column.values)
    dotted = ".".join(path)
    if dialect == "sqlite":
        return f"json_extract({column.expression}, '$.{dotted}')"
    if dialect == "postgresql":
        start = f"CAST({column.expression} AS jsonb)" if is_text else column.expression
        around = "".join(f" -> '{key}'" for key in path[:-1])
        return f"{start}{around} ->> '{path[-1]}'"
    if dialect == "duckdb":
        if is_text:
            return f"json_extract_string({column.expression}, '$.{dotted}')"
        return column.expression + "".join(f"['{key}']" for key in path)
    return None
