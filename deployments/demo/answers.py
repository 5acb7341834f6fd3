"""What the simulated judge answers: derived from the facts and runs in the evidence it is sent, and repeatable."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from deployments.demo.issue_answers import derive_issues

_RUNS = re.compile(r"^- runs analysed: (\d+) \((\d+) completed, (\d+) failed\)", re.MULTILINE)
_TOOL = re.compile(r"^- tool with (\d+) calls, (\d+) errors", re.MULTILINE)
_FAILURE = re.compile(r"^- failure seen (\d+) times(?: \([R\d, ]+\))?:\n\| (.+)$", re.MULTILINE)
_REPEATS = re.compile(r"the same call repeated in (\d+) runs")
_DURATION = re.compile(r"^- duration: ([\d.]+) s on average", re.MULTILINE)
_RUN = re.compile(r"^### (R\d+): status (\w+)(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
_ERROR = re.compile(r"^Error of the run \(observation\):\n\| (.+)$", re.MULTILINE)
_RESPONSE = re.compile(r"^Final response \(claim\):\n\| (.+)$", re.MULTILINE)
_QUOTED = 120
_GOOD = 7.0
_AGENT = re.compile(r"^## Agent\n\| (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the simulated judge takes from the evidence of one agent."""

    runs: int
    completed: int
    tool_calls: int
    tool_errors: int
    repeats: int
    duration_seconds: float
    failures: tuple[tuple[int, str], ...]

    @property
    def rate(self) -> float:
        return self.completed / self.runs if self.runs else 0.0

    @property
    def error_rate(self) -> float:
        return self.tool_errors / self.tool_calls if self.tool_calls else 0.0


def _see(text: str) -> _Seen:
    runs = _RUNS.search(text)
    tools = _TOOL.findall(text)
    repeats = _REPEATS.search(text)
    duration = _DURATION.search(text)
    return _Seen(
        runs=int(runs[1]) if runs else 0,
        completed=int(runs[2]) if runs else 0,
        tool_calls=sum(int(calls) for calls, _ in tools),
        tool_errors=sum(int(errors) for _, errors in tools),
        repeats=int(repeats[1]) if repeats else 0,
        duration_seconds=float(duration[1]) if duration else 0.0,
        failures=tuple((int(count), pattern.strip()) for count, pattern in _FAILURE.findall(text)),
    )


def derive_answer(evidence: str, schema: dict[str, Any]) -> dict[str, Any]:
    """An answer that follows ``schema``, for an agent's evidence or (when it asks for a summary) the team's."""
    properties = schema["properties"]
    if "issues" in properties:
        return derive_issues(evidence)
    names = list(properties["criteria"]["properties"])
    if "executive_summary" in properties:
        return _team(evidence, names)
    return _agent(evidence, names)


def _agent(evidence: str, names: list[str]) -> dict[str, Any]:
    seen = _see(evidence)
    weaknesses = [
        f"{count} runs failed in the same way: {pattern}" if count > 1 else f"A run failed: {pattern}"
        for count, pattern in seen.failures[:3]
    ]
    failed, ended = _examples(evidence)
    if seen.repeats:
        weaknesses.append(f"In {seen.repeats} runs the same tool was called again with the same arguments.")
    strengths = [f"{seen.completed} of {seen.runs} runs ended as completed."] if seen.rate >= 0.5 else []
    calls = f"; {seen.tool_errors} of {seen.tool_calls} tool calls returned an error" if seen.tool_calls else ""
    if seen.tool_calls and not seen.tool_errors:
        strengths.append(f"None of its {seen.tool_calls} tool calls returned an error.")
    return {
        "contradictions": [],
        "criteria": {name: _criterion(name, seen, failed, ended) for name in names},
        "reasoning": f"{seen.completed} of {seen.runs} runs ended as completed{calls}.",
        "strengths": strengths,
        "weaknesses": weaknesses,
        "recommendations": list(dict.fromkeys(_advice(pattern) for _, pattern in seen.failures[:3]))
        + (["Keep the result of a call and do not ask again."] if seen.repeats else []),
    }


def _examples(evidence: str) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """A citation of every run that is shown: of those that failed, and of those that ended."""
    failed, ended = [], []
    for label, status, text in _RUN.findall(evidence):
        if status == "completed":
            words = _RESPONSE.search(text)
            ended.append({"label": label, "quote": _quote(words, status), "text": "Ended as completed, saying this."})
        else:
            words = _ERROR.search(text)
            failed.append({"label": label, "quote": _quote(words, status), "text": "Did not end as completed."})
    return failed, ended


def _quote(words: re.Match[str] | None, status: str) -> str:
    """The run's own words, which have to stand in the evidence as they are: whole ones, and no mark where they end."""
    if words is None:
        return f"status {status}"
    if len(words[1]) <= _QUOTED:
        return words[1]
    whole = words[1][: _QUOTED + 1].rsplit(None, 1)
    return whole[0].rstrip() if len(whole) > 1 else words[1][:_QUOTED]


def _criterion(name: str, seen: _Seen, failed: list[dict[str, str]], ended: list[dict[str, str]]) -> dict[str, Any]:
    if not seen.runs:
        return {"reasoning": "No run is shown.", "score": None, "examples": []}
    repeated = seen.repeats / seen.runs
    folded = name.casefold()
    if "effic" in folded or "cost" in folded:
        score = 9.5 - 5 * repeated - 4 * seen.error_rate - (1.5 if seen.duration_seconds > 60 else 0)
        reasoning = f"The same call was repeated in {seen.repeats} of {seen.runs} runs; runs take "
        reasoning += f"{seen.duration_seconds:.0f} s on average."
    elif "reliab" in folded:
        score = 10 * seen.rate - 3 * seen.error_rate
        reasoning = f"{seen.runs - seen.completed} of {seen.runs} runs did not end as completed."
    else:
        score = 2 + 7.5 * seen.rate - 2 * seen.error_rate
        reasoning = f"What {seen.completed} of {seen.runs} runs answer agrees with what their tools returned."
    # What speaks for the score: where runs failed and that counted, those; else runs that did what was asked.
    rounded = round(2 * min(10.0, max(0.0, score))) / 2
    examples = [*failed, *ended][:2] if rounded < _GOOD else [*ended, *failed][:2]
    return {"reasoning": reasoning, "score": rounded, "examples": examples}


def _advice(pattern: str) -> str:
    folded = pattern.casefold()
    if "no space left" in folded:
        return "Free disk space there, and check how much is left before the task starts."
    if "timeout" in folded or "timed out" in folded or "time out" in folded:
        return "Find out why the call takes so long, and say what to do instead when it times out."
    if "permission" in folded or "denied" in folded or "forbidden" in folded:
        return "Grant the permission that it lacks, or keep such tasks from it."
    return f"Handle this error or fix its cause: {pattern}"


def _team(evidence: str, names: list[str]) -> dict[str, Any]:
    parts = _AGENT.split(evidence)[1:]
    agents = [(name.strip(), _see(text)) for name, text in zip(parts[::2], parts[1::2], strict=True)]
    measured = [(name, seen) for name, seen in agents if seen.runs]
    runs = sum(seen.runs for _, seen in measured)
    whole = _Seen(
        runs=runs,
        completed=sum(seen.completed for _, seen in measured),
        tool_calls=sum(seen.tool_calls for _, seen in measured),
        tool_errors=sum(seen.tool_errors for _, seen in measured),
        repeats=sum(seen.repeats for _, seen in measured),
        duration_seconds=sum(seen.duration_seconds * seen.runs for _, seen in measured) / runs if runs else 0.0,
        failures=(),
    )
    best = sorted(measured, key=lambda item: -item[1].rate)[:3]
    worst = sorted((item for item in measured if item[1].rate < 1), key=lambda item: item[1].rate)[:3]
    weak = ", ".join(f"{name} ({seen.rate:.0%})" for name, seen in worst)
    strong = ", ".join(f"{name} ({seen.rate:.0%})" for name, seen in best)
    failed, ended = _examples(evidence)
    return {
        "criteria": {name: _criterion(name, whole, failed, ended) for name in names},
        "reasoning": f"{whole.completed} of {runs} runs of {len(measured)} agents ended as completed.",
        "strengths": [f"Most dependable: {strong}."] if best else [],
        "weaknesses": [f"Least dependable: {weak}."] if worst else [],
        "recommendations": [
            f"Look at {name} first: {seen.failures[0][1]}" for name, seen in worst if seen.failures and seen.rate < 0.8
        ],
        "executive_summary": (
            f"The team ended {whole.completed} of {runs} runs as completed. Its most dependable agents are "
            f"{strong}.\n\n"
        )
        + (f"Most of the failed runs are those of {weak}." if worst else "No run failed."),
    }
