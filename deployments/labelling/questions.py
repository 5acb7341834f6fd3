"""The questions about a run: first whether it did its task, then its criteria; and the answers in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deployments.labelling.labelled_report import is_judged, title_of
from tasks.calibration.judging import run_verdicts
from tasks.calibration.label_sample import RunToLabel
from tasks.calibration.labels import Label
from tasks.evidence.types import AgentId, RunId
from tasks.report.rows import SUCCESS_QUESTION, CriterionRow
from tasks.wording.formats import format_score, format_threshold

QuestionKey = tuple[AgentId, RunId, str]
"""Agent, run, question."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question about one run; ``judged`` is the row of its criterion (None: whether it did its task)."""

    of: RunToLabel
    name: str
    meaning: str
    judged: CriterionRow | None = None

    @property
    def key(self) -> QuestionKey:
        """Agent, run, question."""
        return self.of.agent["agent_id"], self.of.run["run_id"], self.name

    @property
    def title(self) -> str:
        """The question as people read it."""
        return title_of(self.name)


def ask_about(chosen: Sequence[RunToLabel], meanings: Mapping[tuple[AgentId, str], str]) -> list[Question]:
    """The questions about these runs, run by run; ``meanings`` are by agent and question."""

    def ask(of: RunToLabel, name: str, judged: CriterionRow | None = None) -> Question:
        return Question(of, name, meanings.get((of.agent["agent_id"], name), ""), judged)

    return [
        question
        for of in chosen
        for question in (ask(of, SUCCESS_QUESTION), *(ask(of, row["criterion"], row) for row in of.criteria))
    ]


def describe_label(label: Label) -> str:
    """A person's answer in words."""
    words = ("yes", "no") if label.criterion == SUCCESS_QUESTION else ("passes", "fails")
    passed = words[0] if label.passed else words[1]
    return passed if label.score is None else f"{format_threshold(label.score)} ({passed})"


def describe_judge(question: Question) -> str:
    """The judge's verdict in words: on this run, else on the agent, else that there is none."""
    run, row = question.of.run, question.judged
    if is_judged(run):
        verdicts = run_verdicts(run)
        if question.name not in verdicts:
            return "no usable verdict"
        words = {True: "yes", False: "no"} if row is None else {True: "passes", False: "fails"}
        verdict = verdicts[question.name]
        mode = f" ({run['failure_mode']})" if row is None and run["failure_mode"] else ""
        return "cannot tell" if verdict is None else words[verdict] + mode
    if row is None or row["score"] is None:
        return "no verdict on this run"
    return f"{format_score(row['score'], row['threshold'])} for the agent over all its runs, none on this run"
