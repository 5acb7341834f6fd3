"""Nested values: the Arrow type of a pydantic model, and what fits a value to its Arrow type."""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Mapping
from typing import Any, Literal, Union, get_args, get_origin

import pyarrow as pa
from pydantic import BaseModel

_SCALARS: dict[Any, pa.DataType] = {int: pa.int64(), float: pa.float64(), str: pa.string(), bool: pa.bool_()}
_INT64 = 2**63
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def arrow_struct(model: type[BaseModel]) -> pa.StructType:
    """The struct with the fields of ``model``, so that a field added there cannot be forgotten here.

    int, float, str, bool, literals of str, ``X | None``, lists and tuples of one type, dicts with text keys, and models
    of these. Every field is nullable.

    Raises:
        TypeError: for any other annotation, naming model and field.
    """
    fields = []
    for name, field in model.model_fields.items():
        try:
            fields.append(pa.field(name, _arrow_type(field.annotation)))
        except TypeError as error:
            raise TypeError(f"{model.__name__}.{name}: {error}") from None
    return pa.struct(fields)


def _arrow_type(annotation: Any) -> pa.DataType:
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return arrow_struct(annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        known = [argument for argument in arguments if argument is not type(None)]
        if len(known) == 1:
            return _arrow_type(known[0])
    if origin is Literal and all(isinstance(argument, str) for argument in arguments):
        return pa.string()
    if origin is list or (origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis):
        return pa.list_(_arrow_type(arguments[0]))
    if origin is dict and arguments[0] is str:
        return pa.map_(pa.string(), _arrow_type(arguments[1]))
    raise TypeError(f"{annotation!r} has no Arrow type here")


def clean_text(text: str) -> str:
    """``text`` as every store takes it.

    PostgreSQL refuses NUL in text and JSON, and lone surrogates are no valid UTF-8: both become U+FFFD. Two surrogates
    that make a pair become the character they stand for.
    """
    if not text.isascii():
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\0", _REPLACEMENT)


def check_text(value: Any) -> str:
    """``value`` cleaned; raises TypeError when it is no text."""
    if not isinstance(value, str):
        raise TypeError(f"text expected, not {type(value).__name__}")
    return clean_text(value)


def _read_text(value: Any) -> str:
    """``value`` cleaned; the number that an id was in rows of earlier versions as text."""
    return str(value) if isinstance(value, int) else check_text(value)


def clean_float(value: float) -> float | None:
    """``value`` as a float; None when it is NaN, infinite or too large for one."""
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def clean_int(value: int) -> int | None:
    """``value`` as an integer; None when it has more than 64 bits: a server can send any number of tokens."""
    number = int(value)
    return number if -_INT64 <= number < _INT64 else None


def make_fitter(arrow_type: pa.DataType, *, drop_unknown: bool = False) -> Callable[[Any], Any]:
    """A function that gives a value in plain dicts and lists with exactly the fields of ``arrow_type``.

    Absent fields are None. Structs and maps come from mappings or pydantic models (maps also from pairs), lists from
    lists and tuples. The function raises TypeError or ValueError for a value that does not fit, and for a field that
    the type does not know (unless ``drop_unknown``, which is for what is stored: there numbers stand for text too),
    naming it.
    """
    if pa.types.is_struct(arrow_type):
        return _struct_fitter(arrow_type, drop_unknown)
    if pa.types.is_map(arrow_type):
        fit_item = make_fitter(arrow_type.item_type, drop_unknown=drop_unknown)

        def fit_map(value: Any) -> Any:
            pairs = value.items() if isinstance(value, Mapping) else value
            return None if value is None else {clean_text(str(key)): fit_item(item) for key, item in pairs}

        return fit_map
    if pa.types.is_list(arrow_type):
        fit_element = make_fitter(arrow_type.value_type, drop_unknown=drop_unknown)

        def fit_list(value: Any) -> Any:
            if value is not None and not isinstance(value, list | tuple):
                raise TypeError(f"a list expected, not {type(value).__name__}")
            return None if value is None else [fit_element(item) for item in value]

        return fit_list
    if pa.types.is_string(arrow_type):
        fit_other = _read_text if drop_unknown else check_text

        def fit_text(value: Any) -> Any:
            # Nearly all of them, by the fewest calls.
            if value is None or (type(value) is str and value.isascii() and "\0" not in value):
                return value
            return fit_other(value)

        return fit_text
    scalars: list[tuple[Callable[[Any], bool], Callable[[Any], Any]]] = [
        (pa.types.is_floating, clean_float),
        (pa.types.is_boolean, bool),
        (pa.types.is_integer, clean_int),
    ]
    for is_kind, fit_scalar in scalars:
        if is_kind(arrow_type):
            return lambda value: None if value is None else fit_scalar(value)
    raise TypeError(f"no value is fitted to {arrow_type}")


def _struct_fitter(arrow_type: Any, drop_unknown: bool) -> Callable[[Any], Any]:
    fields = [arrow_type.field(index) for index in range(arrow_type.num_fields)]
    fitters = [(field.name, make_fitter(field.type, drop_unknown=drop_unknown)) for field in fields]
    names = {field.name for field in fields}

    def fit_struct(value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, dict):
            if not isinstance(value, Mapping | BaseModel):
                raise TypeError(f"a mapping expected, not {type(value).__name__}")
            value = dict(value)
        if not drop_unknown and not names.issuperset(value):
            unknown = ", ".join(sorted(str(name) for name in value if name not in names))
            raise ValueError(f"no field {unknown} in {arrow_type}")
        return {name: fit_field(value.get(name)) for name, fit_field in fitters}

    return fit_struct
