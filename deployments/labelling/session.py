"""The labelling session on the terminal: one question per run and criterion, every answer stored immediately."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from deployments.labelling.label_entry import HELP, LabelEntry, parse_entry
from deployments.labelling.questions import Question, ask_about, describe_judge, describe_label
from deployments.labelling.whole_run import WholeRun
from deployments.terminal.console import Column, one_line, plain, print_table
from deployments.terminal.invocation import printed_command
from deployments.tool_calls import describe_calls
from tasks.calibration.judging import RunKey
from tasks.calibration.label_sample import RunToLabel
from tasks.evidence.types import AgentId, RunId
from tasks.wire.trace_pages import NO_PAGES, TracePages
from tasks.wording.counts import counted
from tasks.wording.durations import format_duration
from tasks.wording.shortening import clip_middle

if TYPE_CHECKING:
    from deployments.labelling.labelled_report import LabelledReport

_COMPLETED, _STOPPED = 0, 1
_LONGEST_STEP, _LONGEST_INSTRUCTIONS = 600, 2000


class LabellingSession:
    """Asks the questions of a sample in order. Answered questions are not asked again unless the person goes back."""

    def __init__(
        self,
        report: LabelledReport,
        chosen: Sequence[RunToLabel],
        labeler: str,
        *,
        blind: bool,
        console: Console,
        whole: Mapping[RunKey, WholeRun] | None = None,
        pages: TracePages = NO_PAGES,
    ) -> None:
        self.report, self.labeler, self.blind, self.console = report, labeler, blind, console
        self.whole, self.pages = whole or {}, pages
        self.questions = ask_about(chosen, report.descriptions())
        self.known = {(label.agent_id, label.run_id, label.criterion): label for label in report.stored(labeler)}
        self.skipped: set[int] = set()
        self.given: set[tuple[AgentId, RunId | None, str]] = set()
        self._shown: RunToLabel | None = None
        self._instructions: set[str] = set()

    def run(self) -> int:
        """Ask until every question is answered or the person quits; returns the exit code (1 after Ctrl-C)."""
        total = len(self.questions)
        before = sum(question.key in self.known for question in self.questions)
        runs = len({(q.key[0], q.key[1]) for q in self.questions})
        agents = len({q.key[0] for q in self.questions})
        self._print(
            f"Report {self.report.report['id']} on {self.report.report['environment']}: {counted(runs, 'run')} of "
            f"{counted(agents, 'agent')}, {counted(total, 'question')} for {self.labeler}, {before} answered before."
        )
        self._print(HELP)
        if self.blind:
            self._print("The judge's verdicts are shown beside yours at the end.")
        try:
            self._ask_all()
        except (KeyboardInterrupt, EOFError) as stop:
            self.console.print()
            self._end("Stopped")
            return _STOPPED if isinstance(stop, KeyboardInterrupt) else _COMPLETED
        return _COMPLETED

    def _ask_all(self) -> None:
        position = self._next_open(-1)
        while position is not None:
            question = self.questions[position]
            answer = self._ask(position)
            if answer.kind == "quit":
                self._reveal()
                self._end("Stopped")
                return
            if answer.kind == "back":
                if position == 0:
                    self._print("This is the first question.")
                position = max(0, position - 1)
                continue
            if answer.kind == "skip":
                self.skipped.add(position)
            else:
                self._store(question, answer)
                self.skipped.discard(position)
            position = self._next_open(position)
        self._reveal()
        self._end("Done")

    def _next_open(self, after: int) -> int | None:
        for position in range(after + 1, len(self.questions)):
            if self._is_open(position):
                return position
        # Then the open questions before it.
        return next((position for position in range(after + 1) if self._is_open(position)), None)

    def _is_open(self, position: int) -> bool:
        return position not in self.skipped and self.questions[position].key not in self.known

    def _ask(self, position: int) -> LabelEntry:
        question = self.questions[position]
        if self._shown is not question.of:
            self._show_run(question.of)
            self._shown = question.of
        head = Text.assemble(f"\n[{position + 1}/{len(self.questions)}] ", one_line(question.title, "bold"))
        if question.meaning:
            head.append_text(Text.assemble(": ", one_line(question.meaning)))
        self.console.print(head)
        if not self.blind:
            self._print(f"The judge: {describe_judge(question)}")
        if (label := self.known.get(question.key)) is not None:
            self._print(f"Your answer so far: {describe_label(label)}")
        while True:
            try:
                line = input("y, n, s, b, q, ? > ")
            except UnicodeDecodeError:
                line = "\0"
            answer = parse_entry(line)
            if answer.kind == "help":
                self._print(HELP)
            elif answer.kind == "unclear":
                self._print(answer.note or "")
            else:
                return answer

    def _store(self, question: Question, answer: LabelEntry) -> None:
        label = self.report.make_label(*question.key, self.labeler, passed=answer.passed)
        self.report.store([(label, answer.note)])
        self.known[question.key] = label
        self.given.add(question.key)

    def _reveal(self) -> None:
        """Show the judge's verdicts beside this person's, for runs whose questions are all answered or skipped."""
        left = {question.of.run["run_id"] for place, question in enumerate(self.questions) if self._is_open(place)}
        shown = [
            (question, label)
            for question in self.questions
            if question.of.run["run_id"] not in left and (label := self.known.get(question.key)) is not None
        ]
        if not shown:
            return
        columns = [
            Column("Agent", [one_line(question.of.agent["agent_name"]) for question, _ in shown], folds=True),
            Column("Run", [one_line(question.of.run["run_id"]) for question, _ in shown], rank=1),
            Column("Question", [one_line(question.title) for question, _ in shown], folds=True),
            Column("You", [describe_label(label) for _, label in shown]),
            Column("The judge", [one_line(describe_judge(question)) for question, _ in shown], folds=True),
        ]
        print_table(self.console, columns)

    def _show_run(self, of: RunToLabel) -> None:
        run = of.run
        self.console.print()
        self.console.rule(style="dim")
        head = Text.assemble(one_line(of.agent["agent_name"], "bold"), " · ", one_line(f"run {run['run_id']}"), " · ")
        head.append_text(one_line(run["status"], "green" if run["completed"] else "red"))
        if run["duration_seconds"] is not None:
            head.append(f" · {format_duration(run['duration_seconds'])}")
        if run["tokens"] is not None:
            head.append(f" · {counted(run['tokens'], 'token')}")
        self.console.print(head)
        if url := self.pages.url(run["trace_id"], run["run_id"], run["session_id"]):
            self.console.print(Text.assemble(("Trace: ", "bold"), one_line(url)), soft_wrap=True)
        if (whole := self.whole.get((run["agent_id"], run["run_id"]))) is not None:
            self._show_whole(whole)
            return
        texts = (("Task", run["task_excerpt"]), ("Response", run["response_excerpt"]), ("Error", run["error"]))
        for title, text in texts:
            if text:
                self.console.print(Text.assemble((f"{title}: ", "bold"), plain(text)))
        if not (run["task_excerpt"] or run["response_excerpt"]):
            self._print("The report has no excerpt of the task or response.")
        for line in describe_calls(run):
            self.console.print(line)

    def _show_whole(self, whole: WholeRun) -> None:
        if whole.instructions and whole.instructions not in self._instructions:
            self._instructions.add(whole.instructions)
            text = clip_middle(whole.instructions, _LONGEST_INSTRUCTIONS)
            self.console.print(Text.assemble(("The agent's instructions: ", "bold"), plain(text, "dim")))
        timeline = [(moment.title, clip_middle(moment.text, _LONGEST_STEP)) for moment in whole.timeline]
        for title, text in (*whole.texts, *timeline, *whole.ending):
            self.console.print(Text.assemble(one_line(f"{title}:", "bold"), " ", plain(text)))

    def _end(self, how: str) -> None:
        open_ones = sum(question.key not in self.known for question in self.questions)
        report_id = self.report.report["id"]
        answers = counted(len(self.given), "answer")
        left = ""
        if open_ones:
            left = f"; {open_ones} unanswered, run the same command to resume"
        self._print(
            f"{how}: {answers} stored{left}. `{printed_command('agreement', report_id)}` shows how well the "
            "judge and people agree."
        )

    def _print(self, text: str) -> None:
        self.console.print(plain(text))
