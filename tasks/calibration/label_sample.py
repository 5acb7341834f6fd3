"""Which runs of a report people are asked about: drawn at random, with known probabilities, doubtful ones more often.

Every finished run has a size (``draw_size``), and is in a sample of n runs with a probability in proportion to it
(``inclusion_probabilities``). Runs come in the order of u / size, u uniform (sequential Poisson sampling, Ohlsson
1998): so every beginning of the order is such a sample, and people can stop when they like.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from tasks.evidence.ids import natural_key
from tasks.evidence.types import AgentId
from tasks.report.rows import AgentRow, CriterionRow, RunRow

_DOUBTFUL = 3.0
"""How much more often a run is drawn of which the judge's verdict is in doubt."""


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
    """At most ``count`` runs, in the order in which they are drawn; the same for the same report and ``seed``.

    Left out are runs that have not finished, agents that ``only`` (when given) does not name, and runs whose outcome
    the source states, as long as there are others: of those the truth is known. The criteria of a run are those that
    the judge has a verdict on for this run, and without verdicts on runs those that it scored; criteria that code
    computes are not asked about.
    """
    draw = random.Random(seed)  # noqa: S311 - a sample, not a secret
    judged: dict[AgentId, list[CriterionRow]] = defaultdict(list)
    for criterion in criteria:
        if criterion["agent_id"] is not None and criterion["kind"] in (None, "judge"):
            judged[criterion["agent_id"]].append(criterion)
    known = {row["agent_id"]: row for row in agents if not only or row["agent_id"] in only}
    finished = [run for run in runs if run["completed"] is not None and run["agent_id"] in known]
    open_ones = [run for run in finished if run["success_source"] != "source"]
    order = sorted(open_ones or finished, key=lambda run: (natural_key(run["agent_id"]), natural_key(run["run_id"])))
    order.sort(key=lambda run: draw.random() / draw_size(run))
    chosen = order[:count]
    return [RunToLabel(known[run["agent_id"]], run, _asked(run, judged[run["agent_id"]])) for run in chosen]


def _asked(run: RunRow, criteria: Sequence[CriterionRow]) -> tuple[CriterionRow, ...]:
    checks = run["checks"]
    if checks:
        return tuple(row for row in criteria if row["criterion"] in checks)
    return tuple(row for row in criteria if row["score"] is not None)


def draw_size(run: RunRow) -> float:
    """How likely a run is to be drawn for a label, up to a factor: more likely where it stands for many, and where the
    judge's verdict is in doubt."""
    return math.sqrt(population_weight(run)) * (_DOUBTFUL if is_doubtful(run) else 1.0)


def population_weight(run: RunRow) -> float:
    """How many runs of the population a run of the sample stands for; 1 where that is not stored."""
    return 1.0 / (run["inclusion_probability"] or 1.0)


def is_doubtful(run: RunRow) -> bool:
    """Whether the judge could not tell, its samples disagree, or its verdict contradicts the run's status."""
    verdict = run["verdict"]
    contradicts = verdict is not None and run["completed"] is not (verdict == "yes")
    return verdict == "cannot_tell" or bool(run["unstable"]) or contradicts
