"""Pairs of reports whose truth is known: a judge that is the truth and noise, runs with realistic times and costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from tasks.report.reading import Reading, ScoreRow
from tasks.warehouse.sql import Warehouse

CRITERIA = {"accuracy": (0.4, 7.0), "efficiency": (0.3, 6.0), "reliability": (0.3, 7.0)}
_NOW = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Truth:
    """One agent as it is. Times are log-normal, of a failed run often a time-out; ``cost_usd`` likewise."""

    success_rate: float = 0.9
    seconds: float = 20.0
    cost_usd: float = 0.01
    spread: float = 0.6
    efficiency: float = 7.0


@dataclass(frozen=True)
class World:
    """How reports come about: ``judge_sd`` is the noise of an answer on a criterion, ``tasks`` 0 for a new task every
    run, else that many which every report repeats."""

    agents: tuple[Truth, ...]
    runs: int = 20
    judge_sd: float = 0.7
    samples: int = 1
    tasks: int = 0
    timeout_seconds: float = 300.0

    def changed(self, number: int, **values: float) -> World:
        """The same world but for one agent."""
        agents = list(self.agents)
        agents[number] = replace(agents[number], **values)
        return replace(self, agents=tuple(agents))

    def report(self, rng: np.random.Generator, report_id: int) -> Reading:
        """One report on this world."""
        details, criteria, runs = [], [], []
        for number, truth in enumerate(self.agents, 1):
            succeeded = rng.random(self.runs) < truth.success_rate
            seconds = truth.seconds * np.exp(rng.normal(0, truth.spread, self.runs))
            seconds[~succeeded & (rng.random(self.runs) < 0.5)] = self.timeout_seconds
            costs = truth.cost_usd * np.exp(rng.normal(0, truth.spread, self.runs))
            runs += [
                {
                    "agent_id": number,
                    "run_id": report_id * 100_000 + number * 1000 + index,
                    "succeeded": bool(succeeded[index]),
                    "duration_seconds": float(seconds[index]),
                    "cost_usd": float(costs[index]),
                    "task_hash": f"t{index % self.tasks}" if self.tasks else f"{report_id}-{number}-{index}",
                }
                for index in range(self.runs)
            ]
            rate = float(succeeded.mean())
            # The judge sees these runs, not the truth behind them.
            score, rows = self._judge(rng, number, [10 * rate, truth.efficiency, 10 * rate])
            criteria += rows
            details.append(
                {
                    "agent_id": number,
                    "agent_name": f"agent-{number}",
                    "status": "evaluated",
                    "score": score,
                    "success_rate": rate,
                    "avg_duration_seconds": float(seconds.mean()),
                    "avg_cost_usd": float(costs.mean()),
                    "reused": False,
                }
            )
        team, rows = self._judge(rng, None, [10 * float(np.mean([run["succeeded"] for run in runs])), 7.0, 7.0])
        return Reading(report_row(report_id, team_score=team), details, criteria + rows, runs)

    def _judge(
        self, rng: np.random.Generator, agent_id: int | None, seen: Sequence[float]
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


def score_rows(reading: Reading) -> list[ScoreRow]:
    """A report's scores as a history has them."""
    whole = [ScoreRow(reading.id, row["agent_id"], None, row["score"]) for row in reading.details]
    return whole + [ScoreRow(reading.id, row["agent_id"], row["criterion"], row["score"]) for row in reading.criteria]


def team_of(kind: str, rng: np.random.Generator, agents: int = 14) -> tuple[Truth, ...]:
    """Agents whose rates are all 0.9, all 0.5, or anywhere from 0.5 to 0.98."""
    rates = {"high": [0.9] * agents, "middle": [0.5] * agents, "mixed": rng.uniform(0.5, 0.98, agents)}[kind]
    return tuple(
        Truth(float(rate), float(rng.uniform(2, 60)), float(rng.uniform(0.001, 0.1)), float(rng.uniform(0.3, 1.0)))
        for rate in rates
    )


def store(warehouse: Warehouse, reading: Reading) -> int:
    """Write ``reading`` as a new report of the warehouse; its id there."""
    values = {name: value for name, value in reading.report.items() if name not in ("id", "status")}
    report_id = warehouse.create_report(values | {"status": "pending"})
    details = [row | {"passed": None} for row in reading.details]
    runs = [row | {"status": "completed" if row["succeeded"] else "failed"} for row in reading.runs]
    end = {"status": reading.report["status"]}
    warehouse.write_report(report_id, end, details, list(reading.criteria), runs)
    return report_id
