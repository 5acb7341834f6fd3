"""The simulated judge's verdict on each run that is shown: read from the prompt's text alone, and repeatable."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

HELD_BACK = "success claimed for a task held for review"
"""The failure mode that the sample plants in three agents."""

_RUN = re.compile(r"^### (R\d+): status (\w+)(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
_STEP = re.compile(r"^(R\d+\.\d+)\b")
# Heads that go on with the step before them.
_OF_A_STEP = ("with:", "It failed", "It returned")
_REPEATED = re.compile(r"^Repeated (\d+) times with the same arguments", re.MULTILINE)
_MOST_REPEATS = 2
_UNREADABLE = "Tool calls that cannot be read"
_MARK = "| "
_QUOTED = 120
# What was observed, the words with which a response admits it, and the failure mode of one that does not.
_DENIALS = (
    (r'"(?:status|state)":\s*"(?:pending_review|on_hold)"', r"\bhold\b|\bheld\b|\breview\w*", HELD_BACK),
    (r'"error":\s*"', r"could not|cannot|locked|refused", "success claimed for a refused change"),
    (r'"suggested":\s*"decline"', r"declin", "action against its own check"),
)
_ERRORS = (
    (r"no space left", "full disk"),
    (r"permission denied|forbidden|token expired", "missing permission"),
    (r"max_steps", "endless loop"),
    (r"timed? ?out|timeout", "time-out of a call"),
    (r"conflict|is closed|in progress", "conflict with another change"),
    (r"HTTP 5\d\d|unavailable|refused|quota", "failing service"),
)
_OTHER_ERROR = "error of a tool"
ADVICE = {
    HELD_BACK: "Read the state that a call returns before reporting the task as done; report it as held otherwise.",
    "success claimed for a refused change": "Report a change as made only when its call returned no error.",
    "action against its own check": "Stop when the check declines, and hand the case to a person.",
    "full disk": "Free disk space there, and check how much is left before the task starts.",
    "missing permission": "Grant the permission that it lacks, or keep such tasks from it.",
    "endless loop": "Keep the result of a call, and stop asking for the same one again.",
    "time-out of a call": "Find out why the call takes so long, and define what to do instead when it times out.",
    "conflict with another change": "Wait for the other change to end, or hand the task to a person.",
    "failing service": "Retry the call later, and report the task as open until then.",
}
"""What to change, by failure mode."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Marked lines under one head, as one text; ``key`` is the run's (R1) or the step's (R1.3)."""

    key: str
    head: str
    text: str

    @property
    def is_response(self) -> bool:
        """Whether it is the run's final response."""
        return self.head.startswith("Final response")

    @property
    def is_observed(self) -> bool:
        """Whether it was observed, not claimed."""
        return "(observation)" in self.head


@dataclass(frozen=True, slots=True)
class ShownRun:
    """One run as the prompt shows it."""

    key: str
    status: str
    text: str
    passages: Sequence[Passage]

    @property
    def response(self) -> Passage | None:
        """Its final response; None where it is not shown."""
        return next((passage for passage in self.passages if passage.is_response), None)

    @property
    def repeats(self) -> int:
        """How often the call that was repeated most was made; 0 where none was."""
        return max((int(count) for count in _REPEATED.findall(self.text)), default=0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The simulated judge on one run. ``quotes`` are pairs of a key and words that stand under it.

    ``claim`` is what the agent claims against the first quote: None where it does not.
    """

    run: ShownRun
    success: str
    quotes: Sequence[tuple[str, str]]
    failure_mode: str = ""
    step: str = ""
    claim: tuple[str, str] | None = None

    def check(self, criterion: str) -> str:
        """pass, fail or cannot_tell, by what the name of ``criterion`` asks for."""
        folded = criterion.casefold()
        if "effic" in folded or "cost" in folded:
            return "fail" if self.run.repeats > _MOST_REPEATS else "pass"
        if "reliab" in folded:
            return "pass" if self.run.status == "completed" else "fail"
        return {"yes": "pass", "no": "fail"}.get(self.success, "cannot_tell")


def derive_verdicts(evidence: str) -> list[Verdict]:
    """A verdict on every run that ``evidence`` shows, in its order; none shown, an empty list."""
    return [_judge(run) for run in _read_runs(evidence)]


def quote_start(text: str) -> str:
    """The start of ``text``, verbatim: at most 120 characters of one line, whole words, nothing across what was cut."""
    line = text.partition("\n")[0].partition("[…")[0].rstrip()
    if len(line) <= _QUOTED:
        return line
    whole = line[: _QUOTED + 1].rsplit(None, 1)
    return whole[0].rstrip() if len(whole) > 1 else line[:_QUOTED]


def _read_runs(evidence: str) -> Iterator[ShownRun]:
    for key, status, text in _RUN.findall(evidence):
        yield ShownRun(key, status, text, list(_read_passages(key, text)))


def _read_passages(run_key: str, text: str) -> Iterator[Passage]:
    key, head, lines = run_key, "", list[str]()
    for line in [*text.split("\n")[1:], ""]:
        if line.startswith(_MARK):
            lines.append(line.removeprefix(_MARK))
            continue
        if lines:
            yield Passage(key, head, "\n".join(lines))
        head, lines = line, []
        if step := _STEP.match(line):
            key = step[1]
        elif not line.startswith(_OF_A_STEP):
            key = run_key


def _judge(run: ShownRun) -> Verdict:
    response = run.response
    answered = [(run.key, words)] if response and len(words := quote_start(response.text)) > 8 else []
    if run.status != "completed":
        return _judge_failed(run)
    if _UNREADABLE in run.text:
        return Verdict(run, "cannot_tell", answered)
    if (denied := _find_denial(run)) is not None:
        passage, words, mode = denied
        claim = answered[0] if answered else None
        return Verdict(run, "no", [(passage.key, words), *answered], mode, passage.key, claim)
    return Verdict(run, "yes", answered or [(run.key, f"status {run.status}")])


def _judge_failed(run: ShownRun) -> Verdict:
    """Of a run that did not end as completed: its error, and the last step that failed."""
    error = next((passage for passage in run.passages if passage.head.startswith("Error of the run")), None)
    failed = [passage.key for passage in run.passages if passage.head.startswith("It failed")]
    words = error.text if error else ""
    mode = next((mode for pattern, mode in _ERRORS if re.search(pattern, words, re.IGNORECASE)), _OTHER_ERROR)
    quote = quote_start(words)
    if len(quote) <= 8:  # Too short to be found for certain.
        quote = f"status {run.status}"
    return Verdict(run, "no", [(run.key, quote)], mode, failed[-1] if failed else "")


def _find_denial(run: ShownRun) -> tuple[Passage, str, str] | None:
    """What was observed that the response does not admit: where, the words, and the failure mode; None without."""
    response = run.response.text if run.response else ""
    for pattern, admits, mode in _DENIALS:
        if re.search(admits, response, re.IGNORECASE):
            continue
        for passage in run.passages:
            if passage.is_observed and (found := re.search(pattern, passage.text)):
                return passage, quote_start(passage.text[found.start() :]), mode
    return None
