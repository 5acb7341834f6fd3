"""Where the criteria stand in what a judge answered: at the top, under one more key, in a list, in a text."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from typing import Any

from tasks.errors import UnusableAnswerError
from tasks.judge.parsing.objects import find_values
from tasks.judge.rubric import fold_name

# {"result": {"answer": {"properties": {…}}}}
_DEEPEST = 3
_MOST_KEYS = 100
_CRITERIA = "criteria"
_SCORE = "score"
_PROPERTIES = "properties"
_NAMES = ("name", "criterion", "criteria", "key", "id", "title")
# What the judge quotes or thinks is no answer, though it may look like one: an agent may have written it.
_WORDS = frozenset(
    {"contradictions", "strengths", "weaknesses", "recommendations", "executive summary", "examples", "quote", "text"}
)
_FIELDS = {name: name.replace(" ", "_") for name in (*_WORDS, "reasoning")}
_DRAFT = re.compile(r"think|thought|reason|draft|scratch|plan|reflect|example|previous|initial|template", re.IGNORECASE)


def find_answer(values: Sequence[Any], names: Collection[str]) -> dict[str, Any] | None:
    """The answer among ``values``, its criteria an object under ``criteria``; None when none holds one of ``names``.

    Raises:
        UnusableAnswerError: two that differ could be meant, or a criterion is answered twice.
    """
    folded = frozenset(fold_name(name) for name in names)
    found = [answer for value in values for answer in _answers(value, folded, 0)]
    # The schema that was asked for, written out before the answer, is none.
    found = [answer for answer in found if not _is_schema(answer)] or found
    if any(answer != found[0] for answer in found):
        raise UnusableAnswerError(["the answer holds more than one JSON object with criteria"])
    return found[0] if found else None


def _is_schema(answer: Mapping[str, Any]) -> bool:
    scores = [given.get(_SCORE) for given in answer[_CRITERIA].values() if isinstance(given, dict)]
    return bool(scores) and all(
        isinstance(score, dict) and "type" in score and "value" not in score for score in scores
    )


def _answers(value: Any, names: Set[str], depth: int) -> Iterator[dict[str, Any]]:
    if isinstance(value, list) and (named := _named(value, names)):
        yield {_CRITERIA: named}
        return
    if isinstance(value, list) and depth == 0:
        for item in value[:_MOST_KEYS]:
            yield from _answers(item, names, 1)
        return
    value = _object(value)
    if not isinstance(value, dict):
        return
    criteria = _criteria(value, names)
    if criteria is not None:
        yield _renamed(value) | {_CRITERIA: criteria}
    elif depth < _DEEPEST:
        # The words that stand beside the wrapper belong to the answer, too.
        beside = {key: other for key, other in value.items() if fold_name(key) in _WORDS or isinstance(other, str)}
        for key in list(value)[:_MOST_KEYS]:
            if fold_name(key) not in _WORDS and not _DRAFT.search(key):
                for answer in _answers(value[key], names, depth + 1):
                    yield {name: other for name, other in beside.items() if name != key} | answer


def _renamed(value: Mapping[str, Any]) -> dict[str, Any]:
    """``value`` with the names that were asked for in place of "Strengths" and "Executive Summary"."""
    found = {_FIELDS[fold_name(key)]: given for key, given in value.items() if fold_name(key) in _FIELDS}
    return found | dict(value)


def _criteria(value: Mapping[str, Any], names: Set[str]) -> dict[str, Any] | None:
    """The criteria of an answer, each under its name; None when ``value`` is no answer."""
    given = next((value[key] for key in value if fold_name(key) == _CRITERIA), None)
    if isinstance(given, list):
        return _named(given, names)
    given = _object(given)
    if isinstance(given, dict) and not _holds(given, names):
        given = _object(given.get(_PROPERTIES))
    # Some servers accept the schema and ignore it: the criteria may stand at the top, or all but the first, where a
    # bracket was closed too early.
    top = {key: criterion for key, criterion in value.items() if isinstance(_object(criterion), dict)}
    if isinstance(given, dict) and _holds(given, names):
        if any(fold_name(key) == _SCORE for key in given) and _SCORE not in names:
            # A text that was not escaped closed a criterion within it: which of the two scores is meant is open.
            raise UnusableAnswerError(["a score stands among the criteria, in none of them"])
        known = {fold_name(key) for key in given}
        given = given | {key: top[key] for key in top if fold_name(key) in names - known}
    else:
        given = top
    return {key: _criterion(criterion) for key, criterion in given.items()} if _holds(given, names) else None


def _criterion(given: Any) -> Any:
    given = _object(given)
    if isinstance(given, dict) and _SCORE not in given and isinstance(given.get(_PROPERTIES), dict):
        return given[_PROPERTIES]
    return given


def _object(value: Any) -> Any:
    """``value``, or the object that it stands for: a list of one, a text that is JSON."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            inside = find_values(value)
        except UnusableAnswerError:
            return value
        return inside[0] if len(inside) == 1 else value
    return value


def _holds(given: Mapping[str, Any], names: Set[str]) -> bool:
    return any(fold_name(key) in names for key in given)


def _named(items: Sequence[Any], names: Set[str]) -> dict[str, Any] | None:
    """The criteria in a list of objects that bear their names; None when it is no such list."""
    found: dict[str, Any] = {}
    for item in items:
        name, criterion = _name_of(item, names)
        if name is None:
            return None
        if name in found and found[name] != criterion:
            raise UnusableAnswerError([f"criterion {name[:60]!r} is answered twice, with different values"])
        found[name] = criterion
    return found if _holds(found, names) else None


def _name_of(item: Any, names: Set[str]) -> tuple[str | None, Any]:
    """The name of a criterion in a list and the criterion; None as the name where it has none."""
    if isinstance(item, dict) and len(item) == 1:
        [(key, value)] = item.items()
        return (key, value) if isinstance(value, dict) and fold_name(key) in names else (None, None)
    if not isinstance(item, dict) or not any(fold_name(key) == _SCORE for key in item):
        return None, None
    named = [item[key] for key in item if fold_name(key) in _NAMES and isinstance(item[key], str)]
    return (named[0], item) if len(named) == 1 else (None, None)
