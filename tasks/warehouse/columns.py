"""Column types: what a value becomes in SQL and in Parquet, so that both hold the same."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from tasks.warehouse.nested import check_text, clean_float, clean_int, clean_text, make_fitter

_JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


class Clean(TypeDecorator[Any]):
    """Base of the column types. ``clean`` is what both SQL and Parquet store for a value; None stays None."""

    impl: TypeEngine[Any] | type[TypeEngine[Any]] = sa.Text
    cache_ok = True
    arrow_type: pa.DataType = pa.string()

    def clean(self, value: Any) -> Any:
        """The value as it is stored; raises TypeError or ValueError for one that has no place here."""
        raise NotImplementedError

    def to_parquet(self, value: Any) -> Any:
        """The value as a Parquet column of ``arrow_type`` takes it."""
        return None if value is None else self.clean(value)

    def from_parquet(self, value: Any) -> Any:
        """The value that ``to_parquet`` was given, cleaned."""
        return value

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else self.clean(value)


class Text(Clean):
    """Text without what a database refuses: NUL characters and lone surrogates become U+FFFD."""

    cache_ok = True

    def clean(self, value: Any) -> str:
        return check_text(value)

    def from_parquet(self, value: Any) -> Any:
        """Files of earlier versions have the ids of agents and runs as numbers."""
        return str(value) if isinstance(value, int) else value


class Whole(Clean):
    """A 64-bit integer; one that needs more bits is stored as NULL."""

    impl = sa.BigInteger
    cache_ok = True
    arrow_type = pa.int64()

    def clean(self, value: Any) -> int | None:
        if not isinstance(value, int):
            raise TypeError(f"an integer expected, not {type(value).__name__}")
        return clean_int(value)


class Real(Clean):
    """A double; NaN and infinities are stored as NULL, since no reader can average them."""

    impl = sa.Double
    cache_ok = True
    arrow_type = pa.float64()

    def clean(self, value: Any) -> float | None:
        return clean_float(value)


class UtcTime(Clean):
    """A moment in UTC, aware in and out; SQLite keeps it as text without a zone, always in UTC."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True
    arrow_type = pa.timestamp("us", tz="UTC")

    def clean(self, value: Any) -> datetime:
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise TypeError(f"a time with a zone expected, not {value!r}")
        return value.astimezone(UTC)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        if value is None:
            return None
        moment = self.clean(value)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)

    def from_parquet(self, value: Any) -> datetime | None:
        return None if value is None else value.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A nested value that its column has cleaned: SQL and Parquet take it as it is."""

    value: Any


class Nested(Clean):
    """JSON in SQL, a real nested type in Parquet; both hold exactly the fields of the Arrow type.

    Takes dicts, lists and pydantic models. A field that the type does not know is refused on the way in, so that it
    cannot get lost; on the way out one that is missing (a row of an older version) reads as None.
    """

    impl = _JSON
    cache_ok = True

    def __init__(self, arrow_type: pa.DataType) -> None:
        super().__init__()
        self.arrow_type = arrow_type
        # Made once for a column: asking Arrow about its type costs more than most values.
        self._fit = make_fitter(arrow_type)
        self._fit_stored = make_fitter(arrow_type, drop_unknown=True)
        self._pair = _make_pairer(arrow_type)

    def clean(self, value: Any) -> Any:
        return value.value if isinstance(value, Cleaned) else self._fit(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return self._fit_stored(value)

    def to_parquet(self, value: Any) -> Any:
        cleaned = self.clean(value)
        return cleaned if self._pair is None else self._pair(cleaned)

    def from_parquet(self, value: Any) -> Any:
        return self._fit_stored(value)


class FreeJson(Clean):
    """JSON whose keys are not known beforehand: JSON in SQL; in Parquet a string that holds JSON, for a struct has to
    name its fields and a map has values of one type only."""

    impl = _JSON
    cache_ok = True

    def clean(self, value: Any) -> Any:
        return _clean_json(value)

    def to_parquet(self, value: Any) -> str | None:
        return None if value is None else json.dumps(self.clean(value), ensure_ascii=False)

    def from_parquet(self, value: Any) -> Any:
        return None if value is None else json.loads(value)


def _make_pairer(arrow_type: Any) -> Callable[[Any], Any] | None:
    """What gives a value with its maps as lists of pairs, which is how pyarrow takes them; None for a type without."""
    if isinstance(arrow_type, pa.MapType):
        pair_item = _make_pairer(arrow_type.item_type) or (lambda item: item)
        return lambda value: None if value is None else [(key, pair_item(item)) for key, item in value.items()]
    if isinstance(arrow_type, pa.ListType):
        if (pair_element := _make_pairer(arrow_type.value_type)) is None:
            return None
        return lambda value: None if value is None else [pair_element(item) for item in value]
    if not pa.types.is_struct(arrow_type):
        return None
    fields = [arrow_type.field(index) for index in range(arrow_type.num_fields)]
    pairers = {field.name: pair for field in fields if (pair := _make_pairer(field.type)) is not None}
    if not pairers:
        return None

    def pair_struct(value: Any) -> Any:
        return value and {name: pairers[name](item) if name in pairers else item for name, item in value.items()}

    return pair_struct


def _clean_json(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return clean_int(value)
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, BaseModel):
        return _clean_json(value.model_dump(mode="json"))
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {clean_text(str(key)): _clean_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean_json(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no place in JSON")
