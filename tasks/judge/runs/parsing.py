"""Verdicts on runs out of what a judge answered. What cannot be used is shown as that, and never guessed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from tasks.errors import UnusableAnswerError
from tasks.evidence.values import read_text
from tasks.judge.parsing.objects import find_values
from tasks.judge.parsing.syntax import ValueReader
from tasks.judge.prompt.citations import Citation, LabelledRuns
from tasks.judge.rubric import fold_name
from tasks.judge.runs.verdict import Check, RunVerdict, Success
from tasks.judge.runs.words import read_check, read_success
from tasks.wording.shortening import cut

_RUNS = "runs"
_DEEPEST = 3
_WORDS = frozenset({"criteria", "contradictions", "reasoning", "strengths", "weaknesses", "recommendations"})
_LABEL = re.compile(r"^\W*(?:run\s*)?(R\d{1,6})\W*$", re.IGNORECASE)
_LABEL_NAMES = ("key", "run", "label", "id", "run key")
_QUOTE_NAMES = ("quote", "text")
_CONTRADICTIONS = {
    ("yes", True, frozenset({"fail"})): "it is called a success, meets no criterion, and a failure mode is named",
    ("no", False, frozenset({"pass"})): "it is called a failure, meets every criterion, and no failure mode is named",
}
_NOTHING = frozenset({"", "none", "n/a", "na", "null", "-", "no failure", "not applicable"})
_LONGEST_MODE = 120
# Where an answer was cut: its runs, as far as they are whole.
_OPENING = re.compile(r"(?<!\\)\"runs\"\s{0,99}:\s{0,99}\{")
_NEXT = re.compile(r"[\s,]{0,99}\"(?P<key>R\d{1,6})\"\s{0,99}:\s{0,99}(?=\{)")

LEFT_OUT = "the judge left this run out"
CUT_OFF = "the judge's answer ended before this run"
UNANSWERED = "the judge gave no answer that can be used"
_UNQUOTED = "the judge quotes nothing of this run"
# In place of two verdicts on a run that differ.
_TWICE: Any = object()
_NOT_THERE = "none of the judge's quotes stands in this run"


def find_runs(values: Sequence[Any], labels: Collection[str]) -> dict[str, Any]:
    """The verdicts among ``values`` by label, as the judge wrote them; empty where there are none.

    They stand under ``runs``, as an object by label or as a list of objects that name their run; under another key
    around it; or by label at the top.

    Raises:
        UnusableAnswerError: two that differ could be meant.
    """
    known = frozenset(labels)
    found = [runs for value in values for runs in _candidates(value, known, 0)]
    if any(runs != found[0] for runs in found):
        raise UnusableAnswerError(["the answer holds verdicts on runs more than once, and they differ"])
    return found[0] if found else {}


def find_whole_runs(text: str) -> dict[str, Any]:
    """The verdicts that are whole in an answer that was cut off, by label; empty where none is."""
    opening = _OPENING.search(text)
    if opening is None:
        return {}
    found: dict[str, Any] = {}
    position, reader = opening.end(), ValueReader(text, 0)
    while (key := _NEXT.match(text, position)) is not None:
        read = reader.read(key.end())
        if read is None:
            break
        value, position = read
        found[key["key"]] = _TWICE if found.get(key["key"], value) != value else value
    return found


def read_verdicts(
    given: Mapping[str, Any],
    labels: Sequence[str],
    criteria: Collection[str],
    labelled_runs: LabelledRuns,
    *,
    missing: str = LEFT_OUT,
) -> tuple[RunVerdict, ...]:
    """A verdict for each of ``labels``, in their order; of a run without one, a verdict without success, ``missing``
    being the reason."""
    return tuple(
        RunVerdict(labelled_runs.run_id(label) or "", label, None, problem=missing)
        if given.get(label) is None
        else _verdict(label, given[label], criteria, labelled_runs)
        for label in labels
    )


def _candidates(value: Any, labels: frozenset[str], depth: int) -> Iterator[dict[str, Any]]:
    if not isinstance(value, dict):
        return
    if by_label := _by_label(value, labels):
        yield by_label
        return
    for key, inside in value.items():
        if fold_name(key) == _RUNS:
            inside = _object(inside)
            named = _named(inside, labels) if isinstance(inside, list) else _by_label(inside, labels)
            if named:
                yield named
                return
    if depth < _DEEPEST:
        # Words on the agent can hold anything that an agent wrote.
        for inside in (value[key] for key in value if fold_name(key) not in _WORDS):
            yield from _candidates(inside, labels, depth + 1)


def _object(value: Any) -> Any:
    """``value``, or the object that a text of JSON stands for."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            inside = find_values(value)
        except UnusableAnswerError:
            return value
        return inside[0] if len(inside) == 1 else value
    return value


def _by_label(value: Any, labels: frozenset[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {}
    if isinstance(properties := value.get("properties"), dict):
        value = properties
    found: dict[str, Any] = {}
    for key, inside in value.items():
        label = _label(key)
        inside = _object(inside)
        # A schema that was written out before the answer is no verdict.
        if label in labels and inside is not None and not (isinstance(inside, dict) and "$ref" in inside):
            if label in found and found[label] != inside:
                raise UnusableAnswerError([f"run {label} is answered twice, with different verdicts"])
            found[label] = inside
    return found if any(isinstance(inside, dict) for inside in found.values()) else {}


def _named(items: Sequence[Any], labels: frozenset[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in items:
        if not isinstance(item, dict):
            continue
        label = next((_label(item[key]) for key in item if fold_name(key) in _LABEL_NAMES), "")
        if label not in labels:
            continue
        if label in found and found[label] != item:
            raise UnusableAnswerError([f"run {label} is answered twice, with different verdicts"])
        found[label] = item
    return found


def _label(key: object) -> str:
    match = _LABEL.match(key) if isinstance(key, str) else None
    return match[1].upper() if match else ""


def _verdict(label: str, given: Any, criteria: Collection[str], labelled_runs: LabelledRuns) -> RunVerdict:
    run_id = labelled_runs.run_id(label) or ""
    if not isinstance(given, dict):
        problem = "it is answered twice, differently" if given is _TWICE else f"{str(given)[:40]!r} is no verdict"
        return RunVerdict(run_id, label, None, problem=problem)
    by_name = {fold_name(key): value for key, value in given.items()}
    quotes = _items(by_name.get("evidence"))
    evidence = tuple(found for quote in quotes if (found := _citation(quote, label, labelled_runs)) is not None)
    dropped = len(quotes) - len(evidence)
    checks, problems = _checks(by_name.get("checks"), criteria)
    if not evidence:
        # They rest on nothing, or on words that are not there.
        checks = {name: check for name, check in checks.items() if check == "cannot_tell"}
    mode = _mode(by_name.get("failure mode"))
    try:
        success = _success(by_name)
        if success != "cannot_tell" and not evidence:
            raise ValueError(_NOT_THERE if quotes else _UNQUOTED)
        if contradiction := _CONTRADICTIONS.get((success, bool(mode), frozenset(checks.values()))):
            raise ValueError(contradiction)
    except ValueError as error:
        return RunVerdict(run_id, label, None, checks, evidence, problem=str(error), quotes_dropped=dropped)
    step = labelled_runs.step_label(label, by_name.get("step")) if success != "yes" else ""
    return RunVerdict(
        run_id,
        label,
        success,
        checks,
        evidence,
        failure_mode=mode if success != "yes" else "",
        step=step,
        step_name=labelled_runs.step_name(step),
        problem="; ".join(problems),
        quotes_dropped=dropped,
    )


def _success(by_name: Mapping[str, Any]) -> Success:
    if "success" not in by_name:
        raise ValueError("no success is given")
    try:
        return read_success(by_name["success"])
    except ValueError as error:
        raise ValueError(f"success: {error}") from None


def _mode(given: object) -> str:
    """The failure mode, "" where it states that there is none."""
    mode = _line(given)
    return "" if mode.casefold() in _NOTHING else mode


def _checks(given: Any, criteria: Collection[str]) -> tuple[dict[str, Check], list[str]]:
    """The checks by criterion, and what was wrong with those that are missing."""
    if isinstance(given, list):
        names = ("criterion", "name", "key")
        given = {
            str(next(item[key] for key in item if fold_name(key) in names)): item
            for item in given
            if isinstance(item, dict) and any(fold_name(key) in names for key in item)
        }
    given = given if isinstance(given, dict) else {}
    alike: dict[str, list[Any]] = {}
    for key, value in given.items():
        alike.setdefault(fold_name(str(key)), []).append(value)
    checks: dict[str, Check] = {}
    problems = []
    for name in criteria:
        values = alike.get(fold_name(name), [])
        try:
            if not values:
                raise ValueError("is missing")
            found = {read_check(value) for value in values}
            if len(found) > 1:
                raise ValueError("is answered twice")
            checks[name] = found.pop()
        except ValueError as error:
            problems.append(f"{name}: {error}")
    return checks, problems


def _items(given: Any) -> list[Any]:
    if isinstance(given, str | dict):
        given = [given]
    return [item for item in given if item] if isinstance(given, list) else []


def _citation(item: Any, label: str, labelled_runs: LabelledRuns) -> Citation | None:
    if isinstance(item, str):
        item = {"key": label, "quote": item}
    if not isinstance(item, dict):
        return None
    by_name = {fold_name(key): value for key, value in item.items()}
    quote = _text(next((by_name[name] for name in _QUOTE_NAMES if name in by_name), None))
    key = next((by_name[name] for name in ("key", "label") if name in by_name), label)
    found = labelled_runs.find(key, quote)
    if found is None or found.label.partition(".")[0] != label:
        return None
    return Citation.of(found, quote)


def _line(value: object) -> str:
    return cut(" ".join(_text(value).split()), _LONGEST_MODE)


def _text(value: object) -> str:
    return (read_text(value) or "") if isinstance(value, str) else ""
