"""Which column of a table holds what: guesses from names, kinds and a few values, each with a score of 0 to 1."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from deployments.init.columns import Column, Kind
from deployments.init.mapping.vocabulary import (
    AGENT_FIELDS,
    FILLERS,
    KEY_WORDS,
    MEASURE_WORDS,
    NEVER_AGENTS,
    RUN_FIELDS,
    SHORT_FORMS,
    WRAPPERS,
    Field,
)
from deployments.init.tables import Table

_FRACTION = re.compile(r"[+-]?\d*[.,]\d+\Z")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_END = 0.75
_FILLED = 0.9
_MIDDLE = 0.5
_NESTED = 0.85
_OF_ANOTHER = 0.4
_BARE = frozenset({"id", "uid", "uuid", "key", "slug", "name", "type", "status", "state", "version"})
_LEAST = 0.4
_CLOSE = 0.78
_FEW = 5
_SHORT = 80
_WORD = 30
_EARLIEST_EPOCH = 1e8
_ANSWERS = ("task", "final_response")
_PRIMARY_KEY = 0.99
_UNIQUE = 0.42
_FIRST = 0.12
_LONGEST_KEY = 64


@dataclass(frozen=True, slots=True)
class Guess:
    """The column that a field is read from, how sure that is, and others that it may be, the likeliest first.

    ``by_values``: its values suggest it, not its name."""

    field: str
    column: Column
    score: float
    others: Sequence[Column] = ()
    by_values: bool = False


def words_of(name: str) -> tuple[str, ...]:
    """The words of a column's or a table's name, in lower case and written out: ``promptToks`` is prompt, tokens."""
    found = (word.lower() for word in _WORDS.findall(name))
    return tuple(SHORT_FORMS.get(word, word) for word in found)


def guess_run(place: Table) -> dict[str, Guess]:
    """The columns of a table of runs, by the contract's names; each column is used once."""
    return _guess(place, RUN_FIELDS)


def guess_agent_by_values(place: Table, guesses: Mapping[str, Guess]) -> Guess | None:
    """A column that no other field is read from, with a few short names that return time and again."""
    used = {guess.column.name for guess in guesses.values()}
    found = [
        column
        for column in (*place.columns, *place.nested)
        if column.name not in used
        and column.kind == "text"
        and not NEVER_AGENTS & set(words_of(column.name))
        and 1 < column.distinct <= len(column.values) / 3
        and max(len(str(value)) for value in column.values) <= _WORD
    ]
    return Guess("agent", found[0], _LEAST, found[1:4], by_values=True) if found else None


def guess_agent(place: Table) -> dict[str, Guess]:
    """The same for a table of agents."""
    return _guess(place, AGENT_FIELDS)


def _guess(place: Table, fields: Mapping[str, Field]) -> dict[str, Guess]:
    scored = sorted(
        (
            (_score(place, column, name, wanted) * factor, name, column)
            for columns, factor in ((place.columns, 1.0), (place.nested, _NESTED))
            for column in columns
            for name, wanted in fields.items()
        ),
        key=lambda entry: entry[0],
        reverse=True,
    )
    found: dict[str, Guess] = {}
    used: set[str] = set()
    for score, name, column in scored:
        if score >= _LEAST and name not in found and column.name not in used:
            by_values = name == "id" and _named(place, column, fields["id"]) < _LEAST and not column.is_key
            found[name] = Guess(name, column, score, by_values=by_values)
            used.add(column.name)
    return {
        name: replace(guess, others=_others(scored, guess, used))
        for name, guess in sorted(found.items(), key=lambda entry: list(fields).index(entry[0]))
    }


def _others(scored: Sequence[tuple[float, str, Column]], guess: Guess, used: set[str]) -> list[Column]:
    return [
        column
        for score, name, column in scored
        if name == guess.field and column.name not in used and score >= max(_LEAST / 2, guess.score * _CLOSE)
    ][:3]


def _score(place: Table, column: Column, name: str, wanted: Field) -> float:
    named = _named(place, column, wanted)
    if name == "id" and wanted is RUN_FIELDS["id"]:
        named = max(named, _PRIMARY_KEY if column.is_key else _unique(place, column))
    if named == 0:
        return 0.0
    return named * _kind_fit(column.kind, wanted) * _value_fit(place, column, name)


def _named(place: Table, column: Column, wanted: Field) -> float:
    """How well the name fits. A value inside objects goes by its own name or with theirs: ``agent.name``."""
    of_table = words_of(place.name)
    if not column.path:
        return name_score(words_of(column.name), of_table, wanted)
    own = words_of(column.path[-1])
    best = name_score(own, of_table, wanted)
    around = words_of(column.path[-2])
    if set(own) <= _BARE and not (set(around) <= WRAPPERS or _is_of_table(around, of_table)):
        # user.name is the user's.
        best *= _OF_ANOTHER
    for start in range(len(column.path) - 1):
        parts = [words_of(part) for part in column.path[start:]]
        best = max(best, name_score(tuple(word for part in parts for word in part), of_table, wanted, middle=0.0))
    return best


def _unique(place: Table, column: Column) -> float:
    """How surely a column identifies a row by its values alone; 0 where a value is missing, or returns."""
    own = words_of(column.path[-1] if column.path else column.name)
    words = set(own)
    if place.sampled == 0 or not column.distinct == len(column.values) == place.sampled or words & MEASURE_WORDS:
        return 0.0
    texts = [str(value) for value in column.values]
    if not all(_is_key_like(text) for text in texts):
        return 0.0
    is_first = bool(place.columns) and column is place.columns[0]
    is_named = bool(words & KEY_WORDS) or _is_of_table(own, words_of(place.name))
    # Counts are unique too, and a few words.
    is_counted = column.kind == "number" or place.sampled <= _FEW or not any(map(_has_digit, texts))
    if not (is_first or is_named) and (is_counted or words & NEVER_AGENTS):
        return 0.0
    return _UNIQUE + _FIRST * is_first + _FIRST * is_named


def _is_key_like(text: str) -> bool:
    """A short text without blanks, or a whole number."""
    return len(text) <= _LONGEST_KEY and not any(map(str.isspace, text)) and not _FRACTION.match(text)


def _has_digit(text: str) -> bool:
    return any(map(str.isdigit, text))


def name_score(words: tuple[str, ...], of_table: tuple[str, ...], wanted: Field, *, middle: float = _MIDDLE) -> float:
    """How well a column's name fits a field, 0 to 1: whole names of the vocabulary, then those that are a part of it.

    ``middle`` is what a part counts that is neither the end nor followed by fillers."""
    best = 0.0
    for alias, score in wanted.names.items():
        parts = tuple(alias.split("_"))
        if words == parts:
            best = max(best, score)
        elif len(parts) < len(words):
            best = max(best, score * _part(words, parts, of_table, middle))
    return best


def _part(words: tuple[str, ...], parts: tuple[str, ...], of_table: tuple[str, ...], middle: float) -> float:
    """How much of a name's meaning ``parts`` are: its last words are most of it."""
    before, end = words[: -len(parts)], words[-len(parts) :]
    if end == parts:
        # conversation_status in conversations.
        return 0.95 if _is_of_table(before, of_table) else _END
    if words[: len(parts)] == parts and set(words[len(parts) :]) <= FILLERS:
        return _FILLED
    return middle if any(words[at : at + len(parts)] == parts for at in range(len(before))) else 0.0


def _is_of_table(words: tuple[str, ...], of_table: tuple[str, ...]) -> bool:
    return singular(words) == singular(of_table) or singular(words) == singular(of_table[-1:])


def singular(words: tuple[str, ...]) -> tuple[str, ...]:
    """``words`` with the last one in the singular: good enough for names of tables."""
    if not words:
        return words
    last = words[-1]
    if last.endswith("ies"):
        last = last[:-3] + "y"
    elif last.endswith(("sses", "xes", "ches")):
        last = last[:-2]
    elif last.endswith("s") and not last.endswith("ss"):
        last = last[:-1]
    return (*words[:-1], last)


def _kind_fit(kind: Kind, wanted: Field) -> float:
    if kind == "empty":
        # A column without a value yet may be anything.
        return 0.8
    return 1.0 if kind in wanted.kinds else 0.0 if kind in wanted.never else 0.3


def _value_fit(place: Table, column: Column, name: str) -> float:
    count = len(column.values)
    if count == 0:
        return 1.0
    distinct = column.distinct
    if name == "id":
        return 1.0 if distinct == count == place.sampled else 0.1
    if name == "session_id" and count > _FEW and distinct == place.sampled:
        # A session has several runs, at least some.
        return 0.0
    if name in ("agent", "environment", "status", "model_name"):
        longest = max(len(str(value)) for value in column.values)
        if longest > _SHORT:
            return 0.1
        repeats = count <= _FEW or distinct < count
        return 1.0 if repeats or (name == "agent" and column.refers_to) else 0.4
    if name in _ANSWERS and column.kind in ("object", "list"):
        # Rather a text inside it.
        return 0.75
    if name in _ANSWERS and count > _FEW * 2 and distinct <= _FEW and max(len(str(v)) for v in column.values) < _WORD:
        # A word that is one of a few may be a status.
        return 0.3
    if name in ("started_at", "completed_at") and column.kind == "number":
        return 1.0 if min(float(value) for value in column.values) > _EARLIEST_EPOCH else 0.0
    return 1.0
