"""What a judge means by its words on a run: pass, fail, cannot tell, in whatever words it puts them."""

from __future__ import annotations

import re

from tasks.judge.rubric import fold_name
from tasks.judge.runs.verdict import Check, Success

_YES = frozenset(
    {"yes", "y", "true", "t", "pass", "passed", "passes", "success", "succeeded", "successful", "ok", "okay"}
    | {"met", "satisfied", "fulfilled", "✓", "✔", "✅"}
)
_NO = frozenset(
    {"no", "n", "false", "f", "fail", "failed", "fails", "failure", "unsuccessful", "unmet", "violated"}
    | {"not met", "not ok", "not satisfied", "did not pass", "did not succeed", "✗", "✘", "❌"}
)
_UNDECIDED = frozenset(
    {"n/a", "na", "n.a", "null", "none", "unknown", "unclear", "undetermined", "inconclusive", "unsure", "uncertain"}
    | {"undecided", "?", "cannot tell", "can not tell", "can't tell", "cannot determine", "cannot be determined"}
    | {"unable to tell", "unable to determine", "not applicable", "not available", "not enough evidence"}
    | {"insufficient evidence", "no evidence"}
)
_WRAPPERS = ("value", "verdict", "result", "check", "answer", "success", "status")
_DECORATION = " \t\r\n*`\"'“”.!"
_REMARK = re.compile(r"\s{0,9}(?:\(.{0,300}\)|[:;,—–-]\s.{0,300})\Z", re.DOTALL)
_LONGEST = 400


def read_success(value: object) -> Success:
    """``value`` as yes, no or cannot_tell; null is cannot_tell.

    Raises:
        ValueError: it is something else, such as "partially" or a number; the message quotes it.
    """
    return {True: "yes", False: "no", None: "cannot_tell"}[_decide(value)]  # type: ignore[return-value]


def read_check(value: object) -> Check:
    """``value`` as pass, fail or cannot_tell; see ``read_success``."""
    return {True: "pass", False: "fail", None: "cannot_tell"}[_decide(value)]  # type: ignore[return-value]


def _decide(value: object) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, list) and len(value) == 1:
        return _decide(value[0])
    if isinstance(value, dict):
        inside = [value[key] for key in value if fold_name(str(key)) in _WRAPPERS]
        if len(inside) == 1 and not isinstance(inside[0], dict):
            return _decide(inside[0])
    if isinstance(value, str) and len(value) <= _LONGEST:
        for text in (value, _REMARK.sub("", value)):
            word = fold_name(text.strip(_DECORATION))
            if word in _YES:
                return True
            if word in _NO:
                return False
            if word in _UNDECIDED:
                return None
    raise ValueError(f"{str(value)[:40]!r} is not pass, fail or cannot tell")
