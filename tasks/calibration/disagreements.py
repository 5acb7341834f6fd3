"""The runs on which the judge differs from people, or from the source's outcomes: for people, and for its guidance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tasks.calibration.labels import ItemKey, PairedRating
from tasks.calibration.run_pairs import is_decided
from tasks.evidence.types import AgentId, RunId
from tasks.report.rows import SUCCESS_QUESTION, RunRow


@dataclass(frozen=True, slots=True)
class Quote:
    """What the judge quoted for its verdict on a run, with the label that it stands under."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class PersonsAnswer:
    """One person's answer, with their note ("" without)."""

    labeler: str
    passed: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class RatedRun:
    """One question about a run that both the judge and a reference decided: people (``people`` has who), or the source
    by the outcome that it states (``people`` is empty). With excerpts of the run ("" where there is none) and the
    judge's quotes."""

    report_id: int
    agent_id: AgentId
    agent_name: str
    run_id: RunId
    question: str
    judge: bool
    passed: bool
    people: tuple[PersonsAnswer, ...]
    failure_mode: str = ""
    step: str = ""
    quotes: tuple[Quote, ...] = ()
    task: str = ""
    response: str = ""
    error: str = ""
    trace_id: str | None = None
    session_id: str | None = None


Disagreement = RatedRun
"""A ``RatedRun`` of which ``judge`` and ``passed`` differ."""


def describe_rated(
    rated: Sequence[PairedRating],
    rows: Mapping[ItemKey, RunRow],
    names: Mapping[AgentId, str],
    notes: Mapping[tuple[ItemKey, str], str],
) -> list[RatedRun]:
    """The ratings of runs that both decided, success first and then criteria by name, in the order of ``rated``.

    ``rows`` are the runs as their report stored them, under the item; ``notes`` are by item and labeler. Of a report
    that is gone there are no excerpts and quotes.
    """
    found = [
        _describe(rating, rows.get(rating.unit), names, notes)
        for rating in rated
        if rating.of_run and is_decided(rating)
    ]
    return sorted(found, key=lambda one: (one.question != SUCCESS_QUESTION, one.question))


def find_disagreements(described: Sequence[RatedRun]) -> list[Disagreement]:
    """Those on which the judge and people disagree."""
    return [one for one in described if one.judge is not one.passed]


def _describe(
    rating: PairedRating,
    row: RunRow | None,
    names: Mapping[AgentId, str],
    notes: Mapping[tuple[ItemKey, str], str],
) -> RatedRun:
    unit = rating.unit
    people = tuple(
        PersonsAnswer(labeler, opinion.passed, notes.get((unit, labeler), ""))
        for labeler, opinion in rating.labelers.items()
        if opinion.passed is not None
    )
    on_success = row is not None and unit.criterion == SUCCESS_QUESTION
    evidence = (row["verdict_evidence"] or ()) if row is not None else ()
    return RatedRun(
        report_id=unit.report_id,
        agent_id=unit.agent_id,
        agent_name=names.get(unit.agent_id, unit.agent_id),
        run_id=unit.run_id or "",
        question=unit.criterion,
        judge=bool(rating.judge.passed),
        passed=bool(rating.people.passed),
        people=people,
        failure_mode=(row["failure_mode"] or "") if row is not None and on_success else "",
        step=(row["failure_step"] or "") if row is not None and on_success else "",
        quotes=tuple(Quote(quote["label"] or "", quote["quote"] or "") for quote in evidence),
        task=(row["task_excerpt"] or "") if row is not None else "",
        response=(row["response_excerpt"] or "") if row is not None else "",
        error=(row["error"] or "") if row is not None else "",
        trace_id=row["trace_id"] if row is not None else None,
        session_id=row["session_id"] if row is not None else None,
    )
