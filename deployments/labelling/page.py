"""The labelling page: one run at a time with its questions, rendered here, without a script; answers come as a form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2

from deployments.labelling.questions import Question, QuestionKey, ask_about, describe_judge, describe_label
from deployments.labelling.whole_run import Moment, WholeRun
from deployments.terminal.invocation import printed_command
from deployments.tool_calls import describe_calls
from tasks.calibration.judging import RunKey
from tasks.calibration.label_sample import RunToLabel
from tasks.calibration.labels import Label
from tasks.errors import UsageError
from tasks.render.html.untrusted_text import finalize, untrusted
from tasks.report.rows import SUCCESS_QUESTION, RunRow
from tasks.wire.trace_pages import NO_PAGES, TracePages
from tasks.wording.counts import counted

if TYPE_CHECKING:
    from deployments.labelling.labelled_report import LabelledReport

LONGEST_NOTE = 2000
_ANSWERS = {"yes": True, "no": False, "": None}


@dataclass(frozen=True, slots=True)
class _Place:
    number: int
    path: str
    done: bool
    current: bool


@dataclass(frozen=True, slots=True)
class _ShownQuestion:
    field: str
    title: str
    meaning: str
    yes: str
    no: str
    passed: bool | None
    judge: str


@dataclass(frozen=True, slots=True)
class _ShownRun:
    agent_name: str
    run_id: str
    status: str
    path: str
    trace_url: str
    instructions: str
    texts: Sequence[tuple[str, str]]
    timeline: Sequence[Moment]
    ending: Sequence[tuple[str, str]]
    questions: Sequence[_ShownQuestion]


@dataclass(frozen=True, slots=True)
class _ShownVerdict:
    agent_name: str
    run_id: str
    question: str
    you: str
    judge: str


class LabellingPage:
    """The runs of a sample as pages below ``base``, a path that ends in "/"; answers are read from the store."""

    def __init__(
        self,
        report: LabelledReport,
        chosen: Sequence[RunToLabel],
        labeler: str,
        *,
        blind: bool,
        base: str,
        whole: Mapping[RunKey, WholeRun] | None = None,
        pages: TracePages = NO_PAGES,
    ) -> None:
        self.report, self.labeler, self.blind, self.base = report, labeler, blind, base
        self.whole, self.pages = whole or {}, pages
        asked = ask_about(chosen, report.descriptions())
        self.runs = [[question for question in asked if question.of is of] for of in chosen]
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            finalize=finalize,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
        )
        environment.filters |= {"untrusted": untrusted, "counted": counted}
        self._template = environment.get_template("labelling.html")

    def first_open(self) -> str:
        """The path of the first run that has an open question, or of the end."""
        known = self._known()
        place = next((place for place, own in enumerate(self.runs) if not self._is_done(own, known)), None)
        return self.path(place)

    def path(self, place: int | None) -> str:
        """The path of a run by its place from 0 (None, or beyond the last: of the end)."""
        return f"{self.base}end" if place is None or place >= len(self.runs) else f"{self.base}run/{place + 1}"

    def render(self, place: int | None, nonce: str) -> str:
        """The HTML of a run by its place from 0, or of the end, where the judge's verdicts stand beside the answers.

        ``nonce`` is what the style's element has for the policy of its response.
        """
        known = self._known()
        done = [self._is_done(own, known) for own in self.runs]
        return self._template.render(
            title=f"Report {self.report.report['id']}: did the agents do their tasks?",
            nonce=nonce,
            labeler=self.labeler,
            answered=sum(done),
            places=[
                _Place(number + 1, self.path(number), done[number], number == place) for number in range(len(self.runs))
            ],
            end_path=self.path(None),
            shown=None if place is None else self._shown(place, known),
            verdicts=self._verdicts(known) if place is None else (),
            longest_note=LONGEST_NOTE,
            agreement_command=printed_command("agreement", self.report.report["id"]),
        )

    def store(self, place: int, form: Mapping[str, str]) -> None:
        """Store the answers of a form about the run at ``place``: those that are given, all or none.

        Raises:
            RefusedError: a field or an answer that the form does not have, or a note that is too long.
        """
        own = self.runs[place]
        fields = {_field(number): question for number, question in enumerate(own)}
        if unknown := form.keys() - fields.keys() - {"note"}:
            raise UsageError(f"{sorted(unknown)[0][:40]!r} is no field of this form: reload the page")
        note = form.get("note", "").strip()
        if len(note) > LONGEST_NOTE:
            raise UsageError(f"the note has {len(note)} characters: {LONGEST_NOTE} at most")
        labels: list[tuple[Label, str | None]] = []
        for field, question in fields.items():
            given = form.get(field, "")
            if given not in _ANSWERS:
                raise UsageError(f"{given[:40]!r} is no answer: yes, no, or none")
            if (passed := _ANSWERS[given]) is not None:
                # One note a run: it goes with the first answer, which is that on success where it is answered.
                own_note = note if not labels and note else None
                labels.append((self.report.make_label(*question.key, self.labeler, passed=passed), own_note))
        self.report.store(labels)

    def _known(self) -> dict[QuestionKey, Label]:
        stored = self.report.stored(self.labeler)
        return {(label.agent_id, label.run_id or "", label.criterion): label for label in stored}

    @staticmethod
    def _is_done(own: Sequence[Question], known: Mapping[QuestionKey, Label]) -> bool:
        # What a run does not show stays open: a run is done with its first answer.
        return any(question.key in known for question in own)

    def _shown(self, place: int, known: Mapping[QuestionKey, Label]) -> _ShownRun:
        own = self.runs[place]
        of = own[0].of
        whole = self.whole.get((of.agent["agent_id"], of.run["run_id"])) or _of_excerpts(of.run)
        return _ShownRun(
            agent_name=of.agent["agent_name"],
            run_id=of.run["run_id"],
            status=of.run["status"],
            path=self.path(place),
            trace_url=self.pages.url(of.run["trace_id"], of.run["run_id"], of.run["session_id"]),
            instructions=whole.instructions,
            texts=whole.texts,
            timeline=whole.timeline,
            ending=whole.ending,
            questions=[self._question(number, question, known) for number, question in enumerate(own)],
        )

    def _question(self, number: int, question: Question, known: Mapping[QuestionKey, Label]) -> _ShownQuestion:
        label = known.get(question.key)
        yes, no = ("Yes", "No") if question.name == SUCCESS_QUESTION else ("It passes", "It fails")
        return _ShownQuestion(
            field=_field(number),
            title=question.title,
            meaning=question.meaning,
            yes=yes,
            no=no,
            passed=None if label is None else label.passed,
            judge="" if self.blind else describe_judge(question),
        )

    def _verdicts(self, known: Mapping[QuestionKey, Label]) -> list[_ShownVerdict]:
        return [
            _ShownVerdict(
                agent_name=question.of.agent["agent_name"],
                run_id=question.of.run["run_id"],
                question=question.title,
                you=describe_label(known[question.key]),
                judge=describe_judge(question),
            )
            for own in self.runs
            for question in own
            if question.key in known
        ]


def _of_excerpts(run: RunRow) -> WholeRun:
    """What the report keeps of a run."""
    ending = (("Response (excerpt)", run["response_excerpt"]), ("Error", run["error"]))
    calls = [line.plain for line in describe_calls(run)]
    return WholeRun(
        texts=[("Task (excerpt)", run["task_excerpt"])] if run["task_excerpt"] else [],
        timeline=[Moment(calls[0], "\n".join(calls[1:]))],
        ending=[(heading, text) for heading, text in ending if text],
    )


def _field(number: int) -> str:
    return f"answer-{number}"
