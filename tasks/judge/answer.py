"""What the judge is asked to answer (a JSON schema) and what is made of whatever comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tasks.errors import UnusableAnswerError
from tasks.evidence.values import read_text
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.issues.found_issue import ParsedIssues
from tasks.judge.parsing.objects import find_values, require_object
from tasks.judge.parsing.reasoning import require_answer_part
from tasks.judge.parsing.scores import read_score
from tasks.judge.parsing.shapes import find_answer
from tasks.judge.prompt.citations import Citation, LabelledRuns, Side
from tasks.judge.prompt.instructions import Asks, Kind
from tasks.judge.prompt.selection import RenderedEvidence
from tasks.judge.rubric import fold_name
from tasks.judge.runs.parsing import CUT_OFF, LEFT_OUT, find_runs, find_whole_runs, read_verdicts
from tasks.judge.runs.schema import object_of, run_definitions, runs_schema
from tasks.judge.runs.verdict import RunVerdict

_REASONS = ("reasoning", "rationale", "explanation", "justification", "reason")


@dataclass(frozen=True, slots=True)
class Example:
    """A citation, and what it shows according to the judge."""

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
    """The judge on one criterion; ``score`` is 0 to 10, or None: not enough evidence, or not asked for."""

    reasoning: str
    score: float | None
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class JudgeAnswer:
    """A usable answer. ``executive_summary`` is the team's; an agent's is empty. ``issues`` are of that question alone.

    ``run_verdicts`` are on the runs that were shown. ``shown`` is what was shown for it; None when it came from the
    ledger, which does not keep that. ``warnings`` are what was odd about its call, ``problems`` why it is no whole
    answer: it was cut off, or does not hold together. ``lost`` states how many verdicts cannot be used, where these are
    more than half.
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
    run_verdicts: tuple[RunVerdict, ...] = ()
    problems: tuple[str, ...] = ()
    lost: str = ""
    issues: ParsedIssues | None = None
    shown: RenderedEvidence | None = field(default=None, compare=False)
    warnings: tuple[str, ...] = field(default=(), compare=False)

    def or_better(self, other: JudgeAnswer | None) -> JudgeAnswer:
        """``other`` where that has more usable verdicts, else this one."""
        if other is None:
            return self
        usable = [sum(verdict.success is not None for verdict in one.run_verdicts) for one in (self, other)]
        return other if usable[1] > usable[0] else self

    @property
    def to_repair(self) -> tuple[str, ...]:
        """What the judge is asked to repair; empty for an answer that is good enough."""
        return (*self.problems, self.lost) if self.lost else self.problems

    def with_problems(self) -> JudgeAnswer:
        """The answer with its problems among its warnings; verdicts that are lost are counted elsewhere."""
        listed = tuple(f"the judge's answer is not whole: {problem}" for problem in self.problems)
        return replace(self, warnings=(*self.warnings, *listed))


def build_schema(
    kind: Kind, rubric: Mapping[str, Criterion], asks: Asks = "scores", labels: Sequence[str] = ()
) -> dict[str, Any]:
    """The JSON schema of an answer, strict: quotes come before what follows from them.

    Verdicts are on the runs of ``labels``, each a required property. Contradictions come before criteria: what an agent
    claims and what was observed are compared before anything general.
    """
    text = {"type": "string"}
    texts = {"type": "array", "items": text}
    runs = {"runs": runs_schema(labels)} if asks in ("verdicts", "runs") else {}
    definitions = {"$defs": run_definitions(rubric)} if runs else {}
    if asks == "runs":
        return object_of(runs) | definitions
    examples = {"type": "array", "items": object_of({"label": text, "quote": text, "text": text})}
    score = {"score": {"type": ["number", "null"], "minimum": 0, "maximum": 10}} if asks == "scores" else {}
    criterion = object_of({"reasoning": text, **score, "examples": examples})
    names = ("claim_label", "claim_quote", "observation_label", "observation_quote", "text")
    properties: dict[str, Any] = dict(runs)
    if kind == "agent":
        properties["contradictions"] = {"type": "array", "items": object_of(dict.fromkeys(names, text))}
    properties |= {
        "criteria": object_of(dict.fromkeys(rubric, criterion)),
        "reasoning": text,
        "strengths": texts,
        "weaknesses": texts,
        "recommendations": texts,
    }
    if kind == "team":
        properties["executive_summary"] = text
    return object_of(properties) | definitions


def parse_answer(
    text: str,
    kind: Kind,
    rubric: Mapping[str, Criterion],
    labelled_runs: LabelledRuns,
    *,
    cut_off: bool = False,
) -> JudgeAnswer:
    """``text`` as an answer to ``rubric``; ``cut_off`` when it ended at a limit, then only a whole object counts.

    Fences and prose around the JSON are passed over, and so is reasoning in tags (``answer_part``). JSON is read as
    models write it (``ValueReader``), wherever the criteria stand in it (``find_answer``), and so are scores
    (``read_score``). Unknown criteria are ignored; citations of what there is not, or of words that do not stand
    there, are dropped and counted. Lengths and list sizes do not matter.
    Where two things could be meant (a key that comes twice, two objects), nothing is chosen.

    Raises:
        UnusableAnswerError: no JSON object, a criterion missing, a score that is no number from 0 to 10 or null, or a
            team's executive summary missing. Never is a score guessed, clamped or set to zero.
    """
    data = _load(text, rubric, cut_off)
    problems: list[str] = []
    found = data["criteria"]
    alike = _alike(found)
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
        criteria[name] = CriterionAnswer(_reasoning(given), score, examples)
    summary = _text(data.get("executive_summary"))
    if kind == "team" and not summary.strip():
        problems.append("executive_summary is missing")
    if problems:
        raise UnusableAnswerError(problems)
    return _with_words(JudgeAnswer(criteria, executive_summary=summary, citations_dropped=dropped), data, labelled_runs)


def parse_verdicts(
    text: str,
    rubric: Mapping[str, Criterion],
    labelled_runs: LabelledRuns,
    labels: Sequence[str] | None = None,
    *,
    cut_off: bool = False,
) -> JudgeAnswer:
    """``text`` as verdicts on the runs of ``labels`` (None: on those that it names), and words on the agent.

    An answer that was cut off, or does not hold together, gives the verdicts that are whole, and has ``problems``.
    Words may be missing; nothing counts them.

    Raises:
        UnusableAnswerError: there is no verdict that can be used.
    """
    part = require_answer_part(text)
    problems: list[str] = []
    data: Mapping[str, Any] = {}
    wanted = labelled_runs.labels if labels is None else labels
    try:
        values = find_values(part, cut_off=cut_off)
    except UnusableAnswerError as error:
        problems += ["the answer was cut off at its length limit"] if cut_off else error.problems
        given = {label: verdict for label, verdict in find_whole_runs(part).items() if label in wanted}
    else:
        require_object(values, part)
        given = find_runs(values, wanted)
        data = _words_of(values, rubric)
    if labels is None:
        wanted = [label for label in wanted if label in given]
    verdicts = read_verdicts(given, wanted, rubric, labelled_runs, missing=CUT_OFF if problems else LEFT_OUT)
    usable = [verdict for verdict in verdicts if verdict.success is not None]
    if not usable:
        unusable = [verdict.problem for verdict in verdicts[:3]] if given else ["there is no verdict on any run"]
        raise UnusableAnswerError(list(dict.fromkeys(problems or unusable)))
    lost = ""
    if 2 * len(usable) < len(verdicts):
        first = next(verdict for verdict in verdicts if verdict.success is None)
        count = f"{len(verdicts) - len(usable)} of {len(verdicts)} verdicts"
        lost = f"{count} cannot be used: {first.label}: {first.problem}"
    criteria, dropped = _unscored(data, rubric, labelled_runs)
    answer = JudgeAnswer(
        criteria,
        citations_dropped=dropped + sum(verdict.quotes_dropped for verdict in verdicts),
        run_verdicts=verdicts,
        problems=tuple(problems),
        lost=lost,
    )
    return _with_words(answer, data, labelled_runs)


def parse_words(
    text: str, rubric: Mapping[str, Criterion], labelled_runs: LabelledRuns, *, cut_off: bool = False
) -> JudgeAnswer:
    """``text`` as words on an agent whose runs have verdicts; any of them may be missing, as nothing counts them.

    Raises:
        UnusableAnswerError: there is nothing in it that was asked for.
    """
    part = require_answer_part(text)
    values = find_values(part, cut_off=cut_off)
    require_object(values, part)
    data = _words_of(values, rubric)
    criteria, dropped = _unscored(data, rubric, labelled_runs)
    answer = _with_words(JudgeAnswer(criteria, citations_dropped=dropped), data, labelled_runs)
    texts = (answer.reasoning, *answer.strengths, *answer.weaknesses, *answer.recommendations)
    if not any((*texts, *(criterion.reasoning for criterion in criteria.values()))):
        raise UnusableAnswerError(["the answer has no words on the agent"])
    return answer


def _unscored(
    data: Mapping[str, Any], rubric: Mapping[str, Criterion], labelled_runs: LabelledRuns
) -> tuple[dict[str, CriterionAnswer], int]:
    """The words on each criterion, and how many citations were dropped; a criterion that is missing has no words."""
    found = data.get("criteria") or {}
    alike = _alike(found)
    criteria: dict[str, CriterionAnswer] = {}
    dropped = 0
    for name in rubric:
        try:
            words = _given(name, found, alike)
        except ValueError:
            words = {}
        examples, lost = _examples(words.get("examples"), labelled_runs)
        dropped += lost
        criteria[name] = CriterionAnswer(_reasoning(words), None, examples)
    return criteria, dropped


def _words_of(values: Sequence[Any], rubric: Mapping[str, Criterion]) -> Mapping[str, Any]:
    """The words on the agent, without the verdicts: what looks like criteria in a verdict is none."""
    without = [
        {key: inside for key, inside in value.items() if fold_name(key) != "runs"} if isinstance(value, dict) else value
        for value in values
    ]
    try:
        found = find_answer(without, rubric)
    except UnusableAnswerError:
        return {}
    return found or next((value for value in without if isinstance(value, dict)), {})


def _with_words(answer: JudgeAnswer, data: Mapping[str, Any], labelled_runs: LabelledRuns) -> JudgeAnswer:
    contradictions, lost = _contradictions(data.get("contradictions"), labelled_runs)
    found = data.get("criteria")
    asked = {fold_name(name) for name in answer.criteria}
    return replace(
        answer,
        reasoning=_text(data.get("reasoning")),
        strengths=_texts(data.get("strengths")),
        weaknesses=_texts(data.get("weaknesses")),
        recommendations=_texts(data.get("recommendations")),
        contradictions=contradictions,
        citations_dropped=answer.citations_dropped + lost,
        ignored=tuple(
            sorted(_text(key) for key in (found if isinstance(found, dict) else ()) if fold_name(key) not in asked)
        ),
    )


def _alike(found: Mapping[str, Any]) -> dict[str, list[str]]:
    alike: dict[str, list[str]] = {}
    for key in found:
        alike.setdefault(fold_name(key), []).append(key)
    return alike


def _load(text: str, rubric: Mapping[str, Criterion], cut_off: bool) -> dict[str, Any]:
    """The answer in ``text`` with its criteria as an object, however few of them there are."""
    text = require_answer_part(text)
    values = find_values(text, cut_off=cut_off)
    answer = find_answer(values, rubric)
    if answer is not None:
        return answer
    require_object([] if text.lstrip().startswith("<") else values[:1], text)
    return {**values[0], "criteria": {}}


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


def _reasoning(given: Mapping[str, Any]) -> str:
    """The judge's reasons, under whatever name it gave them; "" without."""
    by_name = {fold_name(key): value for key, value in given.items()}
    return next((text for name in _REASONS if (text := _text(by_name.get(name)))), "")


def _score(name: str, given: dict[str, Any]) -> float | None:
    values = [given[key] for key in given if fold_name(key) == "score"]
    if not values or any(value != values[0] for value in values[1:]):
        raise ValueError(f"criterion {name!r} has {'more than one score' if values else 'no score'}")
    try:
        return read_score(values[0])
    except ValueError as error:
        raise ValueError(f"criterion {name!r}: {error}") from None


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
