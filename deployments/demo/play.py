"""Plays: one run of a sample agent, its messages, calls and results, with consistent times and tokens."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from deployments.demo.template import Words

_CHARACTERS_PER_TOKEN = 4
_TOOLS_TOKENS = 700
_TOKENS_PER_SECOND = 70
_START_US = 30_000
_GAP_US = 4_000


@dataclass(slots=True)
class PlayedCall:
    """One call of a tool. Times are microseconds since the run's start."""

    tool: str
    arguments: Any
    result: Any
    error: str | None
    start_us: int
    end_us: int


@dataclass(slots=True)
class PlayedTurn:
    """One answer of the model and the calls that it asked for (none after the last one)."""

    text: str
    start_us: int
    end_us: int
    input_tokens: int
    output_tokens: int
    calls: list[PlayedCall] = field(default_factory=list)


@dataclass(slots=True)
class Play:
    """One run. ``status`` is completed, failed or timeout; the response is empty when the run ended without one."""

    task: str
    turns: list[PlayedTurn]
    response: str
    status: str
    error: str | None
    duration_us: int

    @property
    def calls(self) -> list[PlayedCall]:
        """Every call of a tool, in order."""
        return [call for turn in self.turns for call in turn.calls]

    @property
    def input_tokens(self) -> int:
        """Over all turns: each sends the messages so far."""
        return sum(turn.input_tokens for turn in self.turns)

    @property
    def output_tokens(self) -> int:
        """Over all turns."""
        return sum(turn.output_tokens for turn in self.turns)


@dataclass(frozen=True, slots=True)
class Twist:
    """What makes a run other than its scenario: a failure of the agent's, a wrong claim, a loop, a call tried twice."""

    failure: Mapping[str, Any] | None = None
    mistaken: bool = False
    looping: bool = False
    flaky: bool = False


def build_play(agent: Mapping[str, Any], twist: Twist, rng: random.Random, now: datetime) -> Play:
    """A run of ``agent`` (one of the data files) that starts at ``now``. The same ``rng`` gives the same run."""
    scenario = _scenario(agent, twist, rng)
    words = Words(rng, now, {**agent.get("vars", {}), **scenario.get("vars", {})})
    mistake = scenario.get("mistake") if twist.mistaken else None
    steps = _steps(scenario["steps"], twist, mistake, rng)
    failure = twist.failure
    response = (failure or mistake or scenario).get("response", "")
    stage = _Stage(agent, str(words.fill(scenario["task"])), rng)
    for step in steps:
        stage.call(step, words)
    text = str(words.fill(response)).strip()
    if text:
        stage.say(text)
    return Play(
        task=stage.task,
        turns=stage.turns,
        response=text,
        status="completed" if failure is None else failure.get("status", "failed"),
        error=None if failure is None else str(words.fill(failure["error"])),
        duration_us=stage.now_us + _START_US,
    )


def _scenario(agent: Mapping[str, Any], twist: Twist, rng: random.Random) -> Mapping[str, Any]:
    scenarios: Sequence[Mapping[str, Any]] = agent["scenarios"]
    if twist.failure is not None:
        tool = twist.failure["tool"]
        scenarios = [one for one in scenarios if any(step["tool"] == tool for step in one["steps"])]
    elif twist.mistaken:
        scenarios = [one for one in scenarios if "mistake" in one]
    return rng.choice(scenarios)


def _steps(
    steps: Sequence[Mapping[str, Any]], twist: Twist, mistake: Mapping[str, Any] | None, rng: random.Random
) -> list[Mapping[str, Any]]:
    played: list[Mapping[str, Any]] = []
    results = mistake.get("results", {}) if mistake else {}
    failure = twist.failure
    unsteady = rng.randrange(len(steps)) if twist.flaky else -1
    for position, step in enumerate(steps):
        if step["tool"] in results:
            step = {**step, "result": results[step["tool"]]}
        if failure and step["tool"] == failure["tool"] and (step.get("loop") or not failure.get("loop_only")):
            return played + _failing(step, failure, rng)
        if position == unsteady:
            played.append({**step, "tool_error": "connection reset by peer", "result": None, "with_previous": False})
            step = {**step, "say": "The connection broke; I try once more.", "with_previous": False}
        played.append(step)
        if twist.looping and step.get("loop"):
            again = {**step, "say": "The trail seems to go on; I look at the same window again."}
            played += [again] * rng.randint(3, 6)
    return played


def _failing(step: Mapping[str, Any], failure: Mapping[str, Any], rng: random.Random) -> list[Mapping[str, Any]]:
    if "repeat" in failure:
        again = {**step, "say": "Nothing new. I look at this window again."}
        return [step, *[again] * (rng.randint(*failure["repeat"]) - 1)]
    failed = {**step, "tool_error": failure["tool_error"], "result": None, "with_previous": False}
    if "seconds" in failure:
        failed["seconds"] = failure["seconds"]
    retry = {**failed, "say": "That did not work. I try it again."}
    return [failed, *[retry] * (rng.randint(*failure.get("times", [1, 1])) - 1)]


class _Stage:
    """The clock and the growing context of a run that is being played."""

    def __init__(self, agent: Mapping[str, Any], task: str, rng: random.Random) -> None:
        self.task = task.strip()
        self.turns: list[PlayedTurn] = []
        self.now_us = _START_US
        self._pace = float(agent.get("pace", 1.0))
        self._rng = rng
        self._prefix = "__" if agent["convention"] == "station" else ""
        self._context = agent.get("context_tokens", _TOOLS_TOKENS) + _tokens(agent["prompt"]) + _tokens(self.task)

    def say(self, text: str, arguments: str = "") -> PlayedTurn:
        output = _tokens(text) + _tokens(arguments) + 12
        # A slow model is one that thinks, and thoughts are output.
        thought = int(output * max(0.0, self._pace - 1))
        seconds = (0.5 + output / _TOKENS_PER_SECOND) * self._pace + self._context / 60_000
        length = int(seconds * self._rng.uniform(0.8, 1.3) * 1e6)
        turn = PlayedTurn(text, self.now_us, self.now_us + length, self._context, output + thought)
        self.turns.append(turn)
        self._context += output
        self.now_us = turn.end_us + _GAP_US
        return turn

    def call(self, step: Mapping[str, Any], words: Words) -> None:
        arguments, result = words.fill(step["arguments"]), words.fill(step.get("result"))
        error = words.fill(step["tool_error"]) if "tool_error" in step else None
        if step.get("with_previous") and self.turns:
            turn = self.turns[-1]
            start = turn.calls[0].start_us + 900
        else:
            turn = self.say(str(words.fill(step["say"])), json.dumps(arguments))
            start = self.now_us
        length = int(self._rng.uniform(*step["seconds"]) * 1e6)
        turn.calls.append(PlayedCall(self._prefix + step["tool"], arguments, result, error, start, start + length))
        self._context += _tokens(error if result is None else json.dumps(result))
        self.now_us = max(self.now_us, start + length + _GAP_US)


def _tokens(text: str | None) -> int:
    return len(text or "") // _CHARACTERS_PER_TOKEN
