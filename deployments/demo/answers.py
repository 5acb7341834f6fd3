"""What the simulated judge answers: derived from the facts and runs in the evidence it is sent, and repeatable."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployments.demo.issue_answers import derive_issues
from deployments.demo.sample import load_team
from deployments.demo.verdicts import ADVICE, Verdict, derive_verdicts, quote_start

_RUNS = re.compile(r"^- runs analysed: (\d+)(?: \((\d+) completed)?", re.MULTILINE)
_TOOL = re.compile(r"^- tool with (\d+) calls, (\d+) errors", re.MULTILINE)
_FAILURE = re.compile(r"^- failure seen (\d+) times(?: \([R\d, ]+\))?:\n\| (.+)$", re.MULTILINE)
_REPEATS = re.compile(r"the same call repeated in (\d+) runs")
_DURATION = re.compile(r"^- duration: ([\d.]+) s on average", re.MULTILINE)
_RUN = re.compile(r"^### (R\d+): status (\w+)(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
_ERROR = re.compile(r"^Error of the run \(observation\):\n\| (.+)$", re.MULTILINE)
_RESPONSE = re.compile(r"^Final response \(claim\):\n\| (.+)$", re.MULTILINE)
_GOOD = 7.0
_MOST_CONTRADICTIONS = 4
_MOST_EXAMPLES = 2
_COPY = re.compile(r"-\d+$")
_AGENT = re.compile(r"^## Agent\n\| (.+)$", re.MULTILINE)
_AGREES = "What most of its runs report agrees with what was observed."


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
    total = int(runs[1]) if runs else 0
    # The facts may omit how many ended as completed; the failures that they list are those that did not.
    failed = sum(int(count) for count, _ in _FAILURE.findall(text))
    return _Seen(
        runs=total,
        completed=int(runs[2]) if runs and runs[2] else max(0, total - failed),
        tool_calls=sum(int(calls) for calls, _ in tools),
        tool_errors=sum(int(errors) for _, errors in tools),
        repeats=int(repeats[1]) if repeats else 0,
        duration_seconds=float(duration[1]) if duration else 0.0,
        failures=tuple((int(count), pattern.strip()) for count, pattern in _FAILURE.findall(text)),
    )


def derive_answer(evidence: str, schema: dict[str, Any]) -> dict[str, Any]:
    """An answer that follows ``schema``: the team's when it asks for a summary, a verdict on each run when it asks for
    runs, otherwise scores from an agent's figures."""
    properties = schema["properties"]
    if "issues" in properties:
        return derive_issues(evidence)
    names = list(properties.get("criteria", {}).get("properties", {}))
    if "executive_summary" in properties:
        return _team(evidence, names)
    if "runs" in properties:
        return _runs(evidence, schema)
    return _agent(evidence, names)


def _runs(evidence: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Verdicts on the runs that ``schema`` names, then what they come to; only what the schema asks for."""
    properties = schema["properties"]
    asked = properties["runs"]["properties"]
    by_key = {verdict.run.key: verdict for verdict in derive_verdicts(evidence)}
    verdicts = [by_key[key] for key in asked if key in by_key]
    judged = {key: _verdict(by_key.get(key), _checks(schema, run)) for key, run in asked.items()}
    criteria = _resolve(schema, properties.get("criteria", {})).get("properties", {})
    modes = Counter(verdict.failure_mode for verdict in verdicts if verdict.failure_mode).most_common(3)
    reached = sum(verdict.success == "yes" for verdict in verdicts)
    most = f" Most frequent: {modes[0][0]}." if modes else ""
    answer = {
        "runs": judged,
        "contradictions": [_contradiction(verdict) for verdict in verdicts if verdict.claim][:_MOST_CONTRADICTIONS],
        "criteria": {name: _of_runs(name, verdicts) for name in criteria},
        "reasoning": f"{reached} of {len(verdicts)} runs did what they were asked.{most}",
        "strengths": [_AGREES] if reached > len(verdicts) / 2 else [],
        "weaknesses": [f"{count} of {len(verdicts)} runs: {mode}." for mode, count in modes],
        "recommendations": [ADVICE[mode] for mode, _ in modes if mode in ADVICE],
    }
    return {name: answer[name] for name in properties if name in answer}


def _resolve(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    """``node``, or what it refers to in ``$defs``."""
    found: Mapping[str, Any] = node
    if "$ref" in node:
        found = schema["$defs"][node["$ref"].rpartition("/")[2]]
    return found


def _checks(schema: Mapping[str, Any], run: Mapping[str, Any]) -> Sequence[str]:
    """The criteria that a run is checked against."""
    checks = _resolve(schema, run).get("properties", {}).get("checks", {})
    return list(_resolve(schema, checks).get("properties", {}))


def _verdict(verdict: Verdict | None, criteria: Sequence[str]) -> dict[str, Any]:
    """The answer on one run; on one that is not shown, that it cannot tell."""
    if verdict is None:
        unknown = dict.fromkeys(criteria, "cannot_tell")
        return {"evidence": [], "checks": unknown, "success": "cannot_tell", "failure_mode": "", "step": ""}
    return {
        "evidence": [{"key": key, "quote": quote} for key, quote in verdict.quotes],
        "checks": {name: verdict.check(name) for name in criteria},
        "success": verdict.success,
        "failure_mode": verdict.failure_mode,
        "step": verdict.step,
    }


def _contradiction(verdict: Verdict) -> dict[str, str]:
    """The first quote of ``verdict``, which was observed, against the agent's claim."""
    (observed, observation), (claimed, claim) = verdict.quotes[0], verdict.claim or verdict.quotes[-1]
    return {
        "claim_label": claimed,
        "claim_quote": claim,
        "observation_label": observed,
        "observation_quote": observation,
        "text": _sentence(verdict.failure_mode),
    }


def _sentence(phrase: str) -> str:
    return f"{phrase[:1].upper()}{phrase[1:]}." if phrase else ""


def _of_runs(name: str, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """What the verdicts on runs come to for one criterion, without a score: that is counted elsewhere."""
    checks = [(verdict, verdict.check(name)) for verdict in verdicts]
    failing = [verdict for verdict, check in checks if check == "fail"]
    passing = [verdict for verdict, check in checks if check == "pass"]
    # Of runs that meet a criterion, first those that show nothing else that went wrong.
    shown = failing or sorted(passing, key=lambda verdict: verdict.success != "yes")
    return {
        "reasoning": f"{len(failing)} of {len(verdicts)} runs do not meet it." if verdicts else "No run is shown.",
        "examples": [_example(verdict) for verdict in shown if verdict.quotes][:_MOST_EXAMPLES],
    }


def _example(verdict: Verdict) -> dict[str, str]:
    """A citation of a run, with what it shows."""
    text = f"What went wrong: {verdict.failure_mode}." if verdict.failure_mode else "It did what was asked."
    return {"label": verdict.quotes[0][0], "quote": verdict.quotes[0][1], "text": text}


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
    return f"status {status}" if words is None else quote_start(words[1])


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
        return "Find out why the call takes so long, and define what to do instead when it times out."
    if "permission" in folded or "denied" in folded or "forbidden" in folded:
        return "Grant the permission that it lacks, or keep such tasks from it."
    return f"Handle this error or fix its cause: {pattern}"


def _team(evidence: str, names: list[str]) -> dict[str, Any]:
    parts = _AGENT.split(evidence)[1:]
    agents = [(name.strip(), _see(text)) for name, text in zip(parts[::2], parts[1::2], strict=True)]
    measured = [_Member(name, seen, _mistaken(name, seen)) for name, seen in agents if seen.runs]
    runs = sum(member.seen.runs for member in measured)
    whole = _Seen(
        runs=runs,
        completed=sum(member.seen.completed for member in measured),
        tool_calls=sum(member.seen.tool_calls for member in measured),
        tool_errors=sum(member.seen.tool_errors for member in measured),
        repeats=sum(member.seen.repeats for member in measured),
        duration_seconds=sum(member.seen.duration_seconds * member.seen.runs for member in measured) / runs
        if runs
        else 0.0,
        failures=(),
    )
    done = sum(member.done for member in measured)
    worst = sorted((member for member in measured if member.rate < 1), key=lambda member: member.rate)[:3]
    best = sorted((member for member in measured if member not in worst), key=lambda member: -member.rate)[:3]
    claiming = [member.name for member in measured if member.mistaken]
    strong, weak = _with_rates(best), _with_rates(worst)
    verdicts = derive_verdicts(evidence)
    criteria = {name: _team_criterion(name, whole, done, verdicts) for name in names}
    claims = f" {_join(claiming)} report{'s' if len(claiming) == 1 else ''} work as done that was held or refused."
    return {
        "criteria": criteria,
        "reasoning": f"{done} of {runs} runs of {len(measured)} agents did their task; {whole.completed} ended as "
        "completed.",
        "strengths": [f"Most often successful: {strong}."] if best else [],
        "weaknesses": [f"Least often successful: {weak}."] if worst else [],
        "recommendations": [_first_step(member) for member in worst if member.rate < 0.8],
        "executive_summary": (
            f"{done} of {runs} runs did their task, although {whole.completed} ended as completed."
            if done < whole.completed
            else f"{done} of {runs} runs did their task."
        )
        + (claims if claiming else "")
        + (f"\n\nLeast often successful: {weak}." if worst else "")
        + (f" Most often: {strong}." if worst and best else ""),
    }


@dataclass(frozen=True, slots=True)
class _Member:
    """An agent of the team; ``mistaken`` of its completed runs claim a success that they were not."""

    name: str
    seen: _Seen
    mistaken: int

    @property
    def done(self) -> int:
        return self.seen.completed - self.mistaken

    @property
    def rate(self) -> float:
        return self.done / self.seen.runs


def _mistaken(name: str, seen: _Seen) -> int:
    """How many completed runs of an agent claim success for what did not happen: the sample plants a share of them.

    The team's evidence shows one run of each agent, from which no judge could count them.
    """
    shares = {spec["name"]: spec.get("mistaken", 0.0) for spec in load_team()}
    share: float = shares.get(_COPY.sub("", name), 0.0)
    return round(seen.completed * share)


def _team_criterion(name: str, whole: _Seen, done: int, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """A score of the team's own: accuracy by the runs that did their task, the rest by the figures."""
    found = _criterion(name, whole, [], [])
    if found["score"] is None:
        return found
    folded = name.casefold()
    if not any(word in folded for word in ("effic", "cost", "reliab")):
        score = 10 * done / whole.runs - 3 * whole.error_rate
        found["score"] = round(2 * max(0.0, score)) / 2
        found["reasoning"] = f"{done} of {whole.runs} runs did their task."
    failing = [verdict for verdict in verdicts if verdict.success == "no"]
    passing = [verdict for verdict in verdicts if verdict.success == "yes"]
    first, second = (failing, passing) if found["score"] < _GOOD else (passing, failing)
    return found | {"examples": [_example(verdict) for verdict in (*first, *second) if verdict.quotes][:_MOST_EXAMPLES]}


def _first_step(member: _Member) -> str:
    """What to do first for an agent that often does not do its task."""
    if member.seen.failures and member.seen.runs - member.seen.completed >= member.mistaken:
        return f"Look at {member.name} first: {member.seen.failures[0][1]}"
    return f"Have {member.name} read what its calls return before it reports a task as done."


def _with_rates(members: Sequence[_Member]) -> str:
    return ", ".join(f"{member.name} ({member.rate:.0%})" for member in members)


def _join(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
