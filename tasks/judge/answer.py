"""What the judge is asked to answer (a JSON schema) and what is made of whatever comes back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tasks.errors import UnusableAnswerError
from tasks.evidence.values import read_text
from tasks.judge.prompt.citations import LabelledRuns, QuoteLocation, Side
from tasks.judge.reasoning import answer_part
from tasks.judge.rubric import Criterion, fold_name

Kind = Literal["agent", "team"]
# Each costs a pass over the rest: a page of opening braces must not take minutes.
_MOST_BRACES_TRIED = 50
_NUMBER = re.compile(r"^\s*[+-]?\d+(?:\.\d+)?\s*$")


@dataclass(frozen=True, slots=True)
class Citation:
    """A quote that was found where the judge said: under ``label``, in that run (and span, "" when it has none)."""

    label: str
    run_id: int
    span_id: str
    quote: str

    @classmethod
    def of(cls, found: QuoteLocation, quote: str) -> Citation:
        """The citation of ``quote`` where it was found."""
        return cls(found.label, found.run_id, found.span_id, quote)


@dataclass(frozen=True, slots=True)
class Example:
    """A citation, and what the judge says that it shows."""

    citation: Citation
    text: str


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A claim of the agent that an observation contradicts, and how; both quotes were found."""

    claim: Citation
    observation: Citation
    text: str


@dataclass(frozen=True, slots=True)
class CriterionAnswer:
    """The judge on one criterion; ``score`` is 0 to 10, or None: not enough evidence."""

    reasoning: str
    score: float | None
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class RenderedEvidence:
    """The evidence as the judge was shown it, without its fence: the text, and how many runs are in it.

    ``sampling`` says which they are when they are not all ("" otherwise); ``runs`` is None where they are not counted.
    """

    text: str
    runs: int | None = None
    sampling: str = ""


@dataclass(frozen=True, slots=True)
class JudgeAnswer:
    """A usable answer. ``executive_summary`` is the team's; an agent's is empty.

    ``shown`` is what was shown for it; None when it came from the ledger, which does not keep that.
    """

    criteria: dict[str, CriterionAnswer]
    reasoning: str = ""
    strengths: tuple[str, ...] = ()
    weaknesses: tuple[str, ...] = ()
    recommendations: tuple[str, ...] = ()
    executive_summary: str = ""
    contradictions: tuple[Contradiction, ...] = ()
    citations_dropped: int = 0
    ignored: tuple[str, ...] = ()
    shown: RenderedEvidence | None = field(default=None, compare=False)


def build_schema(kind: Kind, rubric: Mapping[str, Criterion]) -> dict[str, Any]:
    """The JSON schema of an answer, strict: one required property per criterion, reasoning before score.

    Contradictions come first: what an agent claims and what was observed are compared before anything
    is scored.
    """
    text = {"type": "string"}
    texts = {"type": "array", "items": text}
    examples = {"type": "array", "items": _object({"label": text, "quote": text, "text": text})}
    criterion = _object(
        {
            "reasoning": text,
            "score": {"type": ["number", "null"], "minimum": 0, "maximum": 10},
            "examples": examples,
        }
    )
    names = ("claim_label", "claim_quote", "observation_label", "observation_quote", "text")
    properties: dict[str, Any] = {}
    if kind == "agent":
        properties["contradictions"] = {"type": "array", "items": _object(dict.fromkeys(names, text))}
    properties |= {
        "criteria": _object(dict.fromkeys(rubric, criterion)),
        "reasoning": text,
        "strengths": texts,
        "weaknesses": texts,
        "recommendations": texts,
    }
    if kind == "team":
        properties["executive_summary"] = text
    return _object(properties)


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def parse_answer(text: str, kind: Kind, rubric: Mapping[str, Criterion], labelled_runs: LabelledRuns) -> JudgeAnswer:
    """``text`` as an answer to ``rubric``.

    Fences and prose around the JSON are passed over, and so is reasoning in tags (``answer_part``); a number that came
    as a string is read; unknown criteria are ignored; citations of what there is not, or of words that do not stand
    there, are dropped and counted. Lengths and list sizes do not matter.
    Where two things could be meant (a key that comes twice, two objects), nothing is chosen.

    Raises:
        UnusableAnswerError: no JSON object, a criterion missing, a score that is no number from 0 to 10 or null, or a
            team's executive summary missing. Never is a score guessed, clamped or set to zero.
    """
    data = _load(text)
    problems: list[str] = []
    found = data.get("criteria")
    if not isinstance(found, dict):
        # Some servers accept the schema and ignore it: the criteria may stand at the top.
        found = {key: value for key, value in data.items() if isinstance(value, dict)}
    alike: dict[str, list[str]] = {}
    for key in found:
        alike.setdefault(fold_name(key), []).append(key)
    asked = {fold_name(name) for name in rubric}
    criteria: dict[str, CriterionAnswer] = {}
    dropped = 0
    for name in rubric:
        try:
            given = _given(name, found, alike)
            score = _score(name, given)
        except ValueError as error:
            problems.append(str(error))
            continue
        examples, lost = _examples(given.get("examples"), labelled_runs)
        dropped += lost
        criteria[name] = CriterionAnswer(_text(given.get("reasoning")), score, examples)
    summary = _text(data.get("executive_summary"))
    if kind == "team" and not summary.strip():
        problems.append("executive_summary is missing")
    if problems:
        raise UnusableAnswerError(problems)
    contradictions, lost = _contradictions(data.get("contradictions"), labelled_runs)
    return JudgeAnswer(
        criteria=criteria,
        reasoning=_text(data.get("reasoning")),
        strengths=_texts(data.get("strengths")),
        weaknesses=_texts(data.get("weaknesses")),
        recommendations=_texts(data.get("recommendations")),
        executive_summary=summary,
        contradictions=contradictions,
        citations_dropped=dropped + lost,
        ignored=tuple(sorted(_text(key) for key in found if fold_name(key) not in asked)),
    )


def _load(text: str) -> dict[str, Any]:
    if not text.strip():
        raise UnusableAnswerError(["the answer is empty"])
    text = answer_part(text)
    if not text.strip():
        raise UnusableAnswerError(["the answer is nothing but reasoning; the JSON object must follow it"])
    objects = list(_objects(text))
    answers = [found for _, found in objects if isinstance(found.get("criteria"), dict)]
    if not answers and objects and objects[0][0] == text.find("{") and not _is_value(text, objects[0][0]):
        # Not one from further on: that can be the inside of an object that was cut off.
        answers = [objects[0][1]]
    if not answers:
        start = " ".join(text.split())[:80]
        raise UnusableAnswerError([f"the answer is not a JSON object (it starts with {start!r})"])
    if any(answer != answers[0] for answer in answers):
        raise UnusableAnswerError(["the answer holds more than one JSON object with criteria"])
    return answers[0]


def _is_value(text: str, start: int) -> bool:
    """Whether a key stands before ``start``: then it is the inside of an object whose head is missing."""
    return text[:start].rstrip().endswith('":')


def _objects(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The JSON objects in ``text`` and where they start: within fences, prose, a list, or by themselves."""
    decoder = json.JSONDecoder(strict=False, parse_int=_whole, object_pairs_hook=_single)
    start = text.find("{")
    for _ in range(_MOST_BRACES_TRIED):
        if start < 0:
            return
        try:
            found, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = start + 1
        else:
            yield start, found
        start = text.find("{", end)


def _whole(digits: str) -> float:
    # int() refuses thousands of digits; as a float they are too large for a score or a run id, and no more than that.
    return int(digits) if len(digits) <= 20 else float(digits)


def _single(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found and found[key] != value:
            raise UnusableAnswerError([f"the key {key[:60]!r} comes twice in one object, with different values"])
        found[key] = value
    return found


def _given(name: str, found: Mapping[str, Any], alike: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    keys = [name] if name in found else alike.get(fold_name(name), [])
    if not keys:
        raise ValueError(f"criterion {name!r} is missing")
    if len(keys) > 1:
        raise ValueError(f"criterion {name!r} is answered {len(keys)} times")
    given = found[keys[0]]
    if not isinstance(given, dict):
        raise ValueError(f"criterion {name!r} is no object with reasoning, score and examples")
    return given


def _score(name: str, given: dict[str, Any]) -> float | None:
    if "score" not in given:
        raise ValueError(f"criterion {name!r} has no score")
    value = given["score"]
    if value is None:
        return None
    if isinstance(value, str) and _NUMBER.match(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"criterion {name!r}: score {str(value)[:40]!r} is not a number from 0 to 10 or null")
    # NaN fails this comparison as well; so does an integer too large for a float.
    if not 0 <= value <= 10:
        raise ValueError(f"criterion {name!r}: score {str(value)[:40]} is not between 0 and 10")
    return float(value)


def _examples(given: object, labelled_runs: LabelledRuns) -> tuple[tuple[Example, ...], int]:
    kept: list[Example] = []
    dropped = 0
    for item in given if isinstance(given, list) else []:
        citation = _citation(item, "", "any", labelled_runs)
        if citation is not None:
            kept.append(Example(citation, _text(item.get("text"))))
        else:
            dropped += 1
    return tuple(kept), dropped


def _contradictions(given: object, labelled_runs: LabelledRuns) -> tuple[tuple[Contradiction, ...], int]:
    kept: list[Contradiction] = []
    dropped = 0
    for item in given if isinstance(given, list) else []:
        claim = _citation(item, "claim_", "claim", labelled_runs)
        observation = _citation(item, "observation_", "observation", labelled_runs)
        # Of two different runs neither can contradict the other.
        if claim is not None and observation is not None and claim.run_id == observation.run_id:
            kept.append(Contradiction(claim, observation, _text(item.get("text"))))
        else:
            dropped += 1
    return tuple(kept), dropped


def _citation(item: Any, prefix: str, side: Side, labelled_runs: LabelledRuns) -> Citation | None:
    if not isinstance(item, dict):
        return None
    quote = _text(item.get(f"{prefix}quote"))
    found = labelled_runs.find(item.get(f"{prefix}label"), quote, side)
    return Citation.of(found, quote) if found is not None else None


def _text(value: object) -> str:
    # An escape in JSON can stand for NUL or half a character, which no store takes.
    return (read_text(value) or "") if isinstance(value, str) else ""


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [value]
    items = value if isinstance(value, list) else []
    return tuple(text for item in items if (text := _text(item).strip()))
