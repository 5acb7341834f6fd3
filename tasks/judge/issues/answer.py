"""What the judge is asked to answer on issues (a JSON schema), and the issues in whatever comes back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.errors import UnusableAnswerError
from tasks.evidence.values import read_text
from tasks.judge.issues.found_issue import FoundIssue, ParsedIssues, RunKey
from tasks.judge.parsing.objects import find_values
from tasks.judge.parsing.reasoning import require_answer_part
from tasks.judge.rubric import fold_name
from tasks.wording.shortening import cut

_ISSUES = "issues"
_TITLE, _HAPPENS, _CAUSE, _CHANGE, _KNOWN, _RUNS = (
    "title",
    "what_happens",
    "probable_cause",
    "what_to_change",
    "known_issue",
    "runs",
)
_OTHER_NAMES = {
    _TITLE: ("name", "issue"),
    _HAPPENS: ("description", "summary"),
    _CAUSE: ("cause", "root cause"),
    _CHANGE: ("recommendation", "fix", "change"),
    _KNOWN: ("same as", "known"),
    _RUNS: ("run keys", "keys"),
}
_KEY = re.compile(r"\b([RI])\s?(\d{1,6})\b", re.IGNORECASE)
_LONGEST_TITLE, _LONGEST_TEXT = 120, 1000
_DEEPEST = 2


@dataclass(frozen=True, slots=True)
class IssueKeys:
    """What the keys of one question stand for: ``R7`` is a failing run, ``I2`` an issue of an earlier report."""

    runs: Mapping[str, RunKey]
    known: Mapping[str, str]


def build_issues_schema() -> dict[str, Any]:
    """The JSON schema of an answer: a list of issues, each with the keys of its runs."""
    text = {"type": "string"}
    properties: dict[str, Any] = {_RUNS: {"type": "array", "items": text}}
    properties |= dict.fromkeys((_HAPPENS, _TITLE, _CAUSE, _CHANGE, _KNOWN), text)
    issue = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {_ISSUES: {"type": "array", "items": issue}},
        "required": [_ISSUES],
        "additionalProperties": False,
    }


def parse_issues(text: str, keys: IssueKeys, *, cut_off: bool = False) -> ParsedIssues:
    """The issues in ``text``; ``cut_off`` when it ended at a limit, then only a whole object counts.

    Keys that stand for nothing are dropped and counted, and so is an issue without any run or title. Issues under the
    same title, or of the same earlier issue, are one.

    Raises:
        UnusableAnswerError: there is no list of issues, or no issue in it names a run that was shown.
    """
    given = _find_issues(find_values(require_answer_part(text), cut_off=cut_off))
    merged: dict[str, FoundIssue] = {}
    dropped = 0
    for item in given:
        issue, lost = _read_issue(item, keys)
        dropped += lost
        if issue is not None:
            key = issue.known_id or fold_name(issue.title)
            merged[key] = _merge(merged[key], issue) if key in merged else issue
    if not merged:
        raise UnusableAnswerError(["no issue names a run that was shown: runs are the keys of runs, such as R7"])
    return ParsedIssues(tuple(merged.values()), dropped)


def _find_issues(values: Sequence[Any]) -> list[Any]:
    found = [issues for value in values for issues in _lists(value, 0)]
    if not found:
        raise UnusableAnswerError(["the answer has no list of issues"])
    if any(issues != found[0] for issues in found):
        raise UnusableAnswerError(["the answer holds more than one list of issues"])
    return found[0]


def _lists(value: Any, depth: int) -> Iterator[list[Any]]:
    if isinstance(value, list) and value and all(isinstance(item, dict) and _get(item, _RUNS) for item in value):
        yield value
    if not isinstance(value, dict) or depth > _DEEPEST:
        return
    for key, inner in value.items():
        if fold_name(key) == _ISSUES and isinstance(inner, list):
            yield inner
        elif fold_name(key) == _ISSUES and isinstance(inner, dict):
            yield list(inner.values())
        elif isinstance(inner, dict):
            yield from _lists(inner, depth + 1)


def _read_issue(item: Any, keys: IssueKeys) -> tuple[FoundIssue | None, int]:
    if not isinstance(item, dict):
        return None, 0
    named = [f"{letter.upper()}{int(number)}" for letter, number in _KEY.findall(_flat(_get(item, _RUNS)))]
    runs = dict.fromkeys(keys.runs[key] for key in named if key in keys.runs)
    dropped = sum(key not in keys.runs for key in dict.fromkeys(named))
    known = next((f"I{int(number)}" for _, number in _KEY.findall(_flat(_get(item, _KNOWN)))), "")
    if known and known not in keys.known:
        dropped += 1
    happens = _text(_get(item, _HAPPENS))
    title = cut(_text(_get(item, _TITLE)) or happens, _LONGEST_TITLE)
    if not runs or not title:
        return None, dropped
    return (
        FoundIssue(
            title=title,
            runs=tuple(runs),
            description=cut(happens, _LONGEST_TEXT),
            probable_cause=cut(_text(_get(item, _CAUSE)), _LONGEST_TEXT),
            recommendation=cut(_text(_get(item, _CHANGE)), _LONGEST_TEXT),
            known_id=keys.known.get(known, ""),
        ),
        dropped,
    )


def _merge(first: FoundIssue, second: FoundIssue) -> FoundIssue:
    return FoundIssue(
        title=first.title,
        runs=tuple(dict.fromkeys((*first.runs, *second.runs))),
        description=first.description or second.description,
        probable_cause=first.probable_cause or second.probable_cause,
        recommendation=first.recommendation or second.recommendation,
        known_id=first.known_id or second.known_id,
    )


def _get(item: Mapping[str, Any], name: str) -> Any:
    """The value under ``name``, or under another name for it; None without."""
    by_name = {fold_name(key): value for key, value in item.items()}
    names = (fold_name(name), *_OTHER_NAMES[name])
    return next((by_name[given] for given in names if given in by_name), None)


def _flat(value: Any) -> str:
    """All texts in ``value``, however deep a judge wrote its keys."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return " ".join(_flat(inner) for inner in value.values())
    return " ".join(_flat(inner) for inner in value) if isinstance(value, list) else ""


def _text(value: Any) -> str:
    # An escape in JSON can stand for NUL or half a character, which no store takes.
    return (read_text(value) or "").strip() if isinstance(value, str) else ""
