"""Pairs of reports whose truth is known: a judge that is the truth and noise, runs with realistic times and costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from tasks.evidence.types import AgentId
from tasks.report.stored_report import ScoreRow, StoredReport
from tasks.warehouse.sql import Warehouse

CRITERIA = {"accuracy": (0.4, 7.0), "efficiency": (0.3, 6.0), "reliability": (0.3, 7.0)}
_NOW = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Truth:
    """One agent as it is. Times are log-normal, of a failed run often a time-out; ``cost_usd`` likewise."""

    completion_rate: float = 0.9
    seconds: float = 20.0
    cost_usd: float = 0.01
    spread: float = 0.6
    efficiency: float = 7.0


@dataclass(frozen=True)
class World:
    """How reports come about: ``judge_sd`` is the noise of an answer on a criterion, ``tasks`` 0 for a new task every
    run, else that many which every report repeats; those of another ``task_set`` are others.

    Runs depend on each other by ``night_icc`` and ``task_icc``, the intraclass correlations of the success of an
    agent's runs within a report and within a task (0: independent): the rate of a night, or of a task, is drawn from
    the Beta distribution with the agent's rate as its mean and this correlation. ``night_seconds_sd`` is the standard
    deviation of the logarithm of a factor that all times of a report have in common.
    """

    agents: tuple[Truth, ...]
    runs: int = 20
    judge_sd: float = 0.7
    samples: int = 1
    tasks: int = 0
    timeout_seconds: float = 300.0
    task_set: int = 0
    night_icc: float = 0.0
    task_icc: float = 0.0
    night_seconds_sd: float = 0.0
    _task_rates: dict[tuple[int, str], float] = field(default_factory=dict, repr=False)

    def changed(self, number: int, **values: float) -> World:
        """The same world but for one agent."""
        agents = list(self.agents)
        agents[number] = replace(agents[number], **values)
        return replace(self, agents=tuple(agents))

    def report(self, rng: np.random.Generator, report_id: int) -> StoredReport:
        """One report on this world, of runs that no other has."""
        details, criteria, runs = [], [], []
        slow = float(np.exp(rng.normal(0, self.night_seconds_sd))) if self.night_seconds_sd else 1.0
        for number, truth in enumerate(self.agents, 1):
            tasks = [
                f"t{self.task_set}-{index % self.tasks}" if self.tasks else f"{report_id}-{number}-{index}"
                for index in range(self.runs)
            ]
            rows = self._run(rng, number, truth, report_id * 100_000 + number * 1000, tasks, slow)
            detail, given = self._read(rng, number, truth, rows)
            details.append(detail)
            criteria += given
            runs += rows
        return self._report(rng, report_id, details, criteria, runs)

    def windows(self, rng: np.random.Generator, starts: Sequence[int]) -> list[StoredReport]:
        """Reports 1, 2, … on this world, each over ``runs`` runs of every agent from its start on: reports whose starts
        lie closer have runs in common."""
        tasks = [f"run-{index}" for index in range(max(starts) + self.runs)]
        made = [self._run(rng, number, truth, number * 1000, tasks) for number, truth in enumerate(self.agents, 1)]
        readings = []
        for report_id, start in enumerate(starts, 1):
            windows = [rows[start : start + self.runs] for rows in made]
            read = [
                self._read(rng, number, truth, rows)
                for number, (truth, rows) in enumerate(zip(self.agents, windows, strict=True), 1)
            ]
            criteria = [row for _, given in read for row in given]
            runs = [row for rows in windows for row in rows]
            readings.append(self._report(rng, report_id, [detail for detail, _ in read], criteria, runs))
        return readings

    def _run(
        self,
        rng: np.random.Generator,
        number: int,
        truth: Truth,
        first_id: int,
        tasks: Sequence[str],
        slow: float = 1.0,
    ) -> list[dict[str, Any]]:
        size = len(tasks)
        succeeded = rng.random(size) < self._rates(rng, number, truth, tasks)
        seconds = slow * truth.seconds * np.exp(rng.normal(0, truth.spread, size))
        seconds[~succeeded & (rng.random(size) < 0.5)] = self.timeout_seconds
        costs = truth.cost_usd * np.exp(rng.normal(0, truth.spread, size))
        return [
            {
                "agent_id": str(number),
                "run_id": str(first_id + index),
                "completed": bool(succeeded[index]),
                "duration_seconds": float(seconds[index]),
                "cost_usd": float(costs[index]),
                "task_hash": task,
            }
            for index, task in enumerate(tasks)
        ]

    def _rates(self, rng: np.random.Generator, number: int, truth: Truth, tasks: Sequence[str]) -> float | list[float]:
        """The completion rate of every run."""
        rate = _draw_rate(rng, truth.completion_rate, self.night_icc)
        if not self.task_icc:
            return rate
        for task in tasks:
            if (number, task) not in self._task_rates:
                self._task_rates[number, task] = _draw_rate(rng, truth.completion_rate, self.task_icc)
        return [self._task_rates[number, task] for task in tasks]

    def _read(
        self, rng: np.random.Generator, number: int, truth: Truth, runs: Sequence[dict[str, Any]]
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        rate = float(np.mean([run["completed"] for run in runs]))
        # The judge sees these runs, not the truth behind them.
        score, criteria = self._judge(rng, str(number), [10 * rate, truth.efficiency, 10 * rate])
        detail = {
            "agent_id": str(number),
            "agent_name": f"agent-{number}",
            "status": "evaluated",
            "score": score,
            "passed": None,
            "completion_rate": rate,
            "avg_duration_seconds": float(np.mean([run["duration_seconds"] for run in runs])),
            "avg_cost_usd": float(np.mean([run["cost_usd"] for run in runs])),
            "reused": False,
        }
        return detail, criteria

    def _report(
        self,
        rng: np.random.Generator,
        report_id: int,
        details: list[dict[str, Any]],
        criteria: list[dict[str, Any]],
        runs: list[dict[str, Any]],
    ) -> StoredReport:
        team, rows = self._judge(rng, None, [10 * float(np.mean([run["completed"] for run in runs])), 7.0, 7.0])
        return StoredReport(report_row(report_id, team_score=team), details, criteria + rows, runs)

    def _judge(
        self, rng: np.random.Generator, agent_id: AgentId | None, seen: Sequence[float]
    ) -> tuple[float, list[dict[str, Any]]]:
        rows: list[dict[str, Any]] = []
        for (name, (weight, threshold)), value in zip(CRITERIA.items(), seen, strict=True):
            answers = np.clip(value + rng.normal(0, self.judge_sd, self.samples), 0, 10)
            rows.append(
                {
                    "agent_id": agent_id,
                    "criterion": name,
                    "weight": weight,
                    "threshold": threshold,
                    "score": float(answers.mean()),
                    "scores": [float(answer) for answer in answers],
                }
            )
        return sum(row["weight"] * row["score"] for row in rows), rows


def _draw_rate(rng: np.random.Generator, mean: float, icc: float) -> float:
    """A rate around ``mean``; outcomes that are drawn by it are correlated by ``icc``."""
    if not icc:
        return mean
    size = (1 - icc) / icc
    return float(rng.beta(mean * size, (1 - mean) * size))


def report_row(report_id: int, **values: Any) -> dict[str, Any]:
    """A row of ``reports``, completed."""
    criteria = {name: {"weight": weight, "threshold": threshold} for name, (weight, threshold) in CRITERIA.items()}
    return {
        "id": report_id,
        "environment": "prod",
        "name": "",
        "status": "completed",
        "team_score": 7.0,
        "team_passed": True,
        "judge_model": "m",
        "judge_fingerprint": "f",
        "judge_settings": {"model": "m", "prompt_version": 3, "evidence_tokens": 100, "parameters": {}},
        "parameters": {"criteria": {"default": criteria, "team": {"goal": "g", "criteria": criteria}}, "options": {}},
        "created_at": _NOW,
        "error": None,
    } | values


def score_rows(reading: StoredReport) -> list[ScoreRow]:
    """A report's scores of agents as a history has them."""
    runs = {
        row["agent_id"]: frozenset(run["run_id"] for run in reading.runs_of(row["agent_id"])) for row in reading.details
    }
    whole = [(row["agent_id"], None, row["score"]) for row in reading.details]
    single = [
        (row["agent_id"], row["criterion"], row["score"]) for row in reading.criteria if row["agent_id"] is not None
    ]
    return [ScoreRow(reading.id, *row, run_ids=runs[row[0]]) for row in (*whole, *single)]


def team_of(kind: str, rng: np.random.Generator, agents: int = 14) -> tuple[Truth, ...]:
    """Agents whose rates are all 0.9, all 0.5, or anywhere from 0.5 to 0.98."""
    rates = {"high": [0.9] * agents, "middle": [0.5] * agents, "mixed": rng.uniform(0.5, 0.98, agents)}[kind]
    return tuple(
        Truth(float(rate), float(rng.uniform(2, 60)), float(rng.uniform(0.001, 0.1)), float(rng.uniform(0.3, 1.0)))
        for rate in rates
    )


def store(warehouse: Warehouse, reading: StoredReport) -> int:
    """Write ``reading`` as a new report of the warehouse; its id there."""
    values = {name: value for name, value in reading.report.items() if name not in ("id", "status")}
    report_id = warehouse.create_report(values | {"status": "pending"})
    details = [
        row | {"passed": None, "run_ids": [run["run_id"] for run in reading.runs_of(row["agent_id"])]}
        for row in reading.details
    ]
    runs = [row | {"status": "completed" if row["completed"] else "failed"} for row in reading.runs]
    end = {"status": reading.report["status"]}
    warehouse.write_report(report_id, end, details, list(reading.criteria), runs)
    return report_id
