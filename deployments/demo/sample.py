"""The sample: an environment of agents with runs and traces, made up, the same for the same seed and time."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import URL, Engine, create_engine

from deployments.demo.play import Play, Twist, build_play
from deployments.demo.station import Columns, write_station
from deployments.demo.traces import Traced, build_trace, drop_middle, drop_root

ENVIRONMENT = "demo"

_IDLE = 13
_SHORTEST_HOURS, _LONGEST_HOURS = 4.0, 9.0
_NEWEST = timedelta(minutes=25)
_LONGEST_STEP = 700
# Every so many runs one has no trace, or a part of one: numbers without a common factor with 20 runs.
_MISSING_EVERY, _PARTIAL_EVERY = 29, 23
# Odd rows want some others beside them.
_ENOUGH_FOR_ODD = 5
_CALL_KEYS = (
    ("tool_name", "parameters", "output"),
    ("name", "arguments", "result"),
    ("tool_name", "input", "output"),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows of Station's tables (times are aware) and traces in Jaeger's v1 JSON, which fit together."""

    environment: str
    environments: list[dict[str, Any]]
    agents: list[dict[str, Any]]
    runs: list[dict[str, Any]]
    traces: list[dict[str, Any]]

    def write_sqlite(self, path: Path, columns: Columns = "new") -> None:
        """Writes a SQLite database to ``path``, which must not exist; ``old`` leaves out what an older Station lacks.

        Raises:
            FileExistsError: there is something at ``path``.
        """
        if path.exists():
            raise FileExistsError(f"{path} exists; the sample is written to a new file")
        engine = create_engine(URL.create("sqlite", database=str(path)))
        try:
            self.write(engine, columns)
        finally:
            engine.dispose()

    def write(self, engine: Engine, columns: Columns = "new") -> None:
        """Creates the tables in the database of ``engine`` and writes the rows."""
        write_station(engine, self.environments, self.agents, self.runs, columns)


def build_sample(
    now: datetime, *, agents: int = 14, runs_per_agent: int = 20, seed: int = 7, idle: bool = True
) -> Sample:
    """A sample of ``agents`` agents (the 14 of the data files, then variants of them) with their newest runs before
    ``now``, an aware time.

    The last of the 14 has no runs, unless ``idle`` is False. From five runs an agent on, one run is still running, one
    was cancelled, one has tool calls that are no JSON, one has no trace id; some traces are missing or partial.
    """
    now = now.astimezone(UTC).replace(microsecond=0)
    team = load_team()
    rows: list[dict[str, Any]] = []
    played: list[_PlayedRun] = []
    for position in range(agents):
        spec = team[position % len(team)]
        copy = position // len(team)
        name = spec["name"] if copy == 0 else f"{spec['name']}-{copy + 1}"
        rows.append(_agent_row(spec, name, position + 1, now))
        if position != _IDLE or not idle:
            played += _play_runs(spec, name, position, runs_per_agent, now, seed)
    # Station numbers runs as they start, whichever agent's they are.
    played.sort(key=lambda run: (run.started_at, run.agent_id))
    runs, traces = [], []
    for number, run in enumerate(played, start=1):
        trace_id = f"{run.rng.getrandbits(127) | 1:032x}"
        trace = _trace(run, number, trace_id)
        if trace is not None:
            traces.append(trace)
        runs.append(_run_row(run, number, trace_id))
    environments = [
        {"id": 1, "name": ENVIRONMENT, "description": "Operations of Northwind Parcel (made up)", "created_at": now}
    ]
    return Sample(ENVIRONMENT, environments, rows, runs, traces)


@cache
def load_team() -> tuple[Mapping[str, Any], ...]:
    """The 14 agents of the data files, in order."""
    folder = files("deployments.demo").joinpath("team")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".yaml")), key=lambda entry: entry.name)
    return tuple(yaml.load(entry.read_text(encoding="utf-8"), loader) for entry in found)  # noqa: S506


@dataclass(slots=True)
class _PlayedRun:
    spec: Mapping[str, Any]
    agent: str
    agent_id: int
    age: int
    odd: bool
    started_at: datetime
    play: Play
    rng: random.Random

    def is_odd(self, agent: str, age: int) -> bool:
        """Whether this is the one run of its agent (a name of the data files) and age that is odd."""
        return self.odd and self.agent == agent and self.age == age


def _play_runs(
    spec: Mapping[str, Any], name: str, position: int, count: int, now: datetime, seed: int
) -> list[_PlayedRun]:
    rng = random.Random(f"{seed}:{name}")  # noqa: S311
    twists = _twists(spec, count, rng)
    runs = []
    ended = now - _NEWEST - timedelta(minutes=rng.randint(0, 90))
    for age, twist in enumerate(twists):
        own = random.Random(f"{seed}:{name}:{age}")  # noqa: S311
        # The texts of a run may name times, so it is played at about its time and then put before the next one.
        play = build_play(spec, twist, own, ended)
        started_at = (ended - timedelta(microseconds=play.duration_us)).replace(microsecond=0)
        runs.append(_PlayedRun(spec, name, position + 1, age, count >= _ENOUGH_FOR_ODD, started_at, play, own))
        ended = started_at - timedelta(seconds=own.randint(int(_SHORTEST_HOURS * 3600), int(_LONGEST_HOURS * 3600)))
    return runs


def _twists(spec: Mapping[str, Any], count: int, rng: random.Random) -> list[Twist]:
    """One for each run: failures, wrong claims and loops in the shares that the data file sets, at random places."""
    failing = round(count * (1 - spec["success"])) if spec["failures"] else 0
    pool = [failure for failure in spec["failures"] for _ in range(failure["weight"])]
    twists = [Twist(failure=pool[place * len(pool) // failing]) for place in range(failing)]
    left = count - failing
    mistaken = round(left * spec.get("mistaken", 0))
    twists += [Twist(mistaken=True)] * mistaken
    looping = round((left - mistaken) * spec.get("loops", 0))
    twists += [Twist(looping=True)] * looping
    twists += [Twist(flaky=rng.random() < 0.08) for _ in range(left - mistaken - looping)]
    rng.shuffle(twists)
    return twists


def _agent_row(spec: Mapping[str, Any], name: str, number: int, now: datetime) -> dict[str, Any]:
    created = now - timedelta(days=90 - number % 60)
    return {
        "id": number,
        "name": name,
        "description": spec["description"],
        "prompt": spec["prompt"].strip(),
        "max_steps": spec.get("max_steps", 12),
        "environment_id": 1,
        "created_by": 1,
        "created_at": created,
        "updated_at": created,
    }


def _trace(run: _PlayedRun, number: int, trace_id: str) -> dict[str, Any] | None:
    place = run.age + 7 * run.agent_id
    if place % _MISSING_EVERY == 0 or run.is_odd("backup-warden", 0):
        return None
    traced = Traced(number, run.agent, run.spec["convention"], run.spec["model"], run.play)
    trace = build_trace(traced, trace_id, run.started_at, run.rng)
    if place % _PARTIAL_EVERY == 0:
        (drop_root if run.agent_id % 2 else drop_middle)(trace)
    return trace


def _run_row(run: _PlayedRun, number: int, trace_id: str) -> dict[str, Any]:
    play = run.play
    # Milliseconds, which every way of writing a date keeps.
    seconds = round(play.duration_us / 1e6, 3)
    row = {
        "id": number,
        "agent_id": run.agent_id,
        "user_id": 1,
        "task": play.task,
        "final_response": play.response,
        "steps_taken": len(play.turns),
        "tool_calls": _tool_calls(run),
        "execution_steps": _execution_steps(play),
        "status": play.status,
        "started_at": run.started_at,
        "completed_at": run.started_at + timedelta(seconds=seconds),
        "input_tokens": play.input_tokens,
        "output_tokens": play.output_tokens,
        "total_tokens": play.input_tokens + play.output_tokens,
        "duration_seconds": seconds,
        "model_name": run.spec["model"],
        "tools_used": len({call.tool for call in play.calls}),
        "error": play.error,
        "trace_id": trace_id,
    }
    if run.is_odd("backup-warden", 0):
        open_values = ("completed_at", "duration_seconds", "input_tokens", "output_tokens", "total_tokens", "error")
        row |= {"status": "running", "final_response": "", **dict.fromkeys(open_values)}
    elif run.is_odd("deploy-pilot", 1):
        row |= {"status": "cancelled", "final_response": "", "error": "cancelled by operator"}
    elif run.is_odd("contract-reader", 2):
        # As a row looks when a writer was stopped half-way.
        row["tool_calls"] = row["tool_calls"][: len(row["tool_calls"]) * 2 // 3]
    elif run.is_odd("release-notes", 4):
        row["trace_id"] = None
    return row


def _tool_calls(run: _PlayedRun) -> str:
    name, given, made = _CALL_KEYS[run.agent_id % len(_CALL_KEYS)]
    calls = []
    for call in run.play.calls:
        entry = {name: call.tool, given: call.arguments, made: call.result}
        if call.error:
            entry["error"] = call.error
        calls.append(entry)
    return json.dumps(calls, ensure_ascii=False)


def _execution_steps(play: Play) -> str:
    steps: list[dict[str, Any]] = [{"role": "user", "content": play.task}]
    for turn in play.turns:
        steps.append({"role": "assistant", "content": turn.text, "tools": [call.tool for call in turn.calls]})
        for call in turn.calls:
            content = call.error or (call.result if isinstance(call.result, str) else json.dumps(call.result))
            steps.append({"role": "tool", "tool": call.tool, "content": content[:_LONGEST_STEP]})
    return json.dumps(steps, ensure_ascii=False)
