"""Which runs of a report people are asked about."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from tasks.evidence.ids import natural_key
from tasks.evidence.types import AgentId
from tasks.report.rows import AgentRow, CriterionRow, RunRow


@dataclass(frozen=True, slots=True)
class RunToLabel:
    """A run with its agent, as rows of the warehouse, and the rows of the criteria that it is asked about."""

    agent: AgentRow
    run: RunRow
    criteria: tuple[CriterionRow, ...]


def choose_runs(
    agents: Sequence[AgentRow],
    criteria: Sequence[CriterionRow],
    runs: Sequence[RunRow],
    *,
    count: int,
    seed: int,
    only: Collection[AgentId] = (),
) -> list[RunToLabel]:
    """At most ``count`` runs in the order in which they tell most; the same for the same report and ``seed``.

    Each agent gets one run before any gets a second, and agents that the judge passed and did not pass take turns: what
    is known of the judge's errors grows with agents, and of either kind with its own. The runs of an agent are drawn at
    random, so that their mean stands for all of them. Left out are criteria that the judge did not score, runs that
    have not finished, and agents (of ``only``, when given) that have nothing else.
    """
    draw = random.Random(seed)  # noqa: S311 - a sample, not a secret
    scored: dict[AgentId, list[CriterionRow]] = defaultdict(list)
    for criterion in criteria:
        if criterion["agent_id"] is not None and criterion["score"] is not None:
            scored[criterion["agent_id"]].append(criterion)
    finished: dict[AgentId, list[RunRow]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: natural_key(run["run_id"])):
        if run["completed"] is not None:
            finished[run["agent_id"]].append(run)
    wanted = [row for row in agents if (not only or row["agent_id"] in only) and scored[row["agent_id"]]]
    order = _in_turns([row for row in wanted if finished[row["agent_id"]]], draw)
    rounds = [
        [
            RunToLabel(agent, run, tuple(scored[agent["agent_id"]]))
            for run in draw.sample(finished[agent["agent_id"]], len(finished[agent["agent_id"]]))
        ]
        for agent in order
    ]
    chosen = [found for turn in zip_longest(*rounds) for found in turn if found is not None]
    return chosen[:count]


def _in_turns(agents: Sequence[AgentRow], draw: random.Random) -> list[AgentRow]:
    """Agents that passed and that did not, each in random order, alternating for as long as there are both."""
    sides = [[row for row in agents if row["passed"] is not True], [row for row in agents if row["passed"] is True]]
    shuffled = [draw.sample(side, len(side)) for side in sides]
    return [row for turn in zip_longest(*shuffled) for row in turn if row is not None]
