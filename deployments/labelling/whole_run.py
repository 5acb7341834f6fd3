"""Runs to label as the judge is shown them, read from the source again: what happened, in order, and not excerpts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.calibration.judging import RunKey
from tasks.calibration.label_sample import RunToLabel
from tasks.errors import AgentReportError, scrub
from tasks.report.rows import ReportRow

if TYPE_CHECKING:
    from tasks.judge.prompt.citations import LabelledRun
    from tasks.judge.prompt.steps import Step


@dataclass(frozen=True, slots=True)
class Moment:
    """One step of a run: what it was, and its text ("" where it has none)."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class WholeRun:
    """A run as the source has it, redacted: ``texts`` before what happened (task, what is given), the ``timeline`` in
    order, ``ending`` after it (response, error); each text under its heading. ``instructions`` are those that the agent
    was given ("" where they are not known)."""

    texts: Sequence[tuple[str, str]]
    timeline: Sequence[Moment]
    ending: Sequence[tuple[str, str]]
    instructions: str = ""


@dataclass(frozen=True, slots=True)
class WholeRuns:
    """The runs that the source still has, by agent and run; ``problem`` is why others are missing ("" without)."""

    runs: Mapping[RunKey, WholeRun]
    problem: str = ""


def read_whole_runs(report: ReportRow, chosen: Sequence[RunToLabel]) -> WholeRuns:
    """The runs of ``chosen``, read as ``report`` read them; what goes wrong is a ``problem``: excerpts do as well."""
    from tasks.judge.prompt.selection import label_runs
    from tasks.stored.rereading import reread_evidence, reread_plan

    wanted = {(one.run["agent_id"], one.run["run_id"]) for one in chosen}
    try:
        found = reread_evidence(reread_plan(report), {agent_id for agent_id, _ in wanted})
    except AgentReportError as error:
        return WholeRuns({}, scrub(str(error)) or type(error).__name__)
    runs = {
        (agent_id, labelled.run.id): _whole(labelled, evidence.agent.prompt or "")
        for agent_id, evidence in found.items()
        for labelled in label_runs(evidence)
        if (agent_id, labelled.run.id) in wanted
    }
    missing = len(wanted) - len(runs)
    return WholeRuns(runs, f"{missing} of {len(wanted)} runs were not found there again" if missing else "")


def _whole(labelled: LabelledRun, instructions: str) -> WholeRun:
    run = labelled.run
    return WholeRun(
        texts=_filled(("Task", run.task), ("A correct answer (given)", run.expected), ("Context (given)", run.context)),
        timeline=tuple(_moments(labelled.steps)),
        ending=_filled(("Response", run.final_response), ("Error", run.error)),
        instructions=instructions,
    )


def _filled(*texts: tuple[str, str | None]) -> tuple[tuple[str, str], ...]:
    return tuple((heading, text) for heading, text in texts if text)


def _moments(steps: Sequence[Step]) -> Iterator[Moment]:
    for step in steps:
        number = f"{step.number}. "
        if step.kind in ("said", "heard"):
            who = "the agent" if step.kind == "said" else "to the agent"
            yield Moment(f"{number}{who}", step.text)
            continue
        what = "called" if step.kind == "call" else "result of"
        parts = (step.arguments if step.kind == "call" else "", step.result, step.error and f"It failed: {step.error}")
        yield Moment(f"{number}{what} {step.name}{step.seconds}", "\n→ ".join(part for part in parts if part))
