"""A score as judges write it: read where it is one number of a scale to 10, refused elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tasks.judge.rubric import fold_name

# "8", "7.5", "7,5", "8/10", "8 out of 10". 7,500 may be either; of another scale nothing is converted.
_NUMBER = re.compile(
    r"\+?(?P<whole>\d{1,20})(?:(?P<point>[.,])(?P<part>\d{1,20}))?"
    r"(?:\s{0,9}(?:/|(?:out\s{1,9})?of)\s{0,9}10(?:[.,]0{1,9})?)?",
    re.IGNORECASE,
)
_LONGEST = 60
# "N/A (no runs were shown)"; a number in it may be a score.
_REMARK = re.compile(r"\s{0,9}\([^()\d]{0,120}\)\Z")
# What stands around a number without changing it: **8**, `8`, "8".
_DECORATION = " \t\r\n*`\"'"
_NO_EVIDENCE = frozenset(
    {
        "n/a",
        "n.a.",
        "na",
        "null",
        "none",
        "not applicable",
        "not available",
        "not enough evidence",
        "insufficient evidence",
        "no evidence",
        "not enough information",
        "insufficient information",
        "not enough data",
        "insufficient data",
        "not assessable",
        "not scorable",
        "cannot be judged",
        "cannot be assessed",
        "cannot be scored",
        "cannot be determined",
        "unable to judge",
        "unable to assess",
        "unable to score",
        "unable to determine",
    }
)
_VALUE_NAMES = ("value", "score")
_SCALE_NAMES = frozenset({"max", "maximum", "out of", "of", "scale", "max score", "max value", "denominator"})
_SCALES = frozenset({"10", "10.0", "0-10", "0 - 10", "0–10", "0 to 10", "0..10"})
_LEAST_NAMES = frozenset({"min", "minimum", "min score", "min value"})


def read_score(value: object) -> float | None:
    """``value`` as a score, 0 to 10; None: not enough evidence.

    Raises:
        ValueError: it is no score, or may be one of another scale; the message names the value.
    """
    if isinstance(value, Mapping):
        value = _inner(value)
    if isinstance(value, str):
        return _from_text(value)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"score {str(value)[:40]!r} is not a number from 0 to 10 or null")
    return _bounded(value, str(value))


def _from_text(text: str) -> float | None:
    bare = text[:200].strip(_DECORATION) if len(text) <= 200 else ""
    words = _REMARK.sub("", bare)
    if fold_name(words).rstrip(".") in _NO_EVIDENCE or words.casefold() in _NO_EVIDENCE:
        return None
    found = _NUMBER.fullmatch(bare) if len(bare) <= _LONGEST else None
    if found is None or (found["point"] == "," and len(found["part"]) > 2):
        raise ValueError(f"score {text[:40]!r} is not a number from 0 to 10 or null")
    return _bounded(float(f"{found['whole']}.{found['part'] or 0}"), text)


def _bounded(value: float, shown: str) -> float:
    # NaN fails this comparison as well; so does an integer too large for a float.
    if not 0 <= value <= 10:
        raise ValueError(f"score {shown[:40]} is not between 0 and 10")
    # Minus zero is zero.
    return abs(float(value))


def _inner(given: Mapping[str, object]) -> object:
    """The value of a score that came as an object: ``{"value": 7}``, with its scale and words beside it or without."""
    values = []
    for key, value in given.items():
        name = fold_name(key)
        if name in _VALUE_NAMES:
            values.append(value)
        elif (name in _SCALE_NAMES and str(value).strip().casefold() not in _SCALES) or (
            name in _LEAST_NAMES and value != 0
        ):
            raise ValueError(f"score {str(given)[:40]} is not on a scale from 0 to 10")
        elif name not in _SCALE_NAMES | _LEAST_NAMES | {"type"} and not isinstance(value, str):
            # Another number, or whatever it is: it may be the one that was meant.
            values.append(given)
    if len(values) != 1 or isinstance(values[0], Mapping):
        raise ValueError(f"score {str(given)[:40]} is not a number from 0 to 10 or null")
    return values[0]
