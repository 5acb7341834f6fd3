"""Real runs of two airline agents, all completed, of which 43 of 100 did their task: what a report makes of them.

``python -m benchmarks.airline [--trials 300] [--seed 1]``. The truth is in `tests/fixtures/airline_truth.json`, a line
for each agent, a character for each run (1: it did its task). A simulated judge of sensitivity 0.85 and specificity
0.75 sees 20 runs of each agent, and people label 40. Exit code 1 where the result is not as it must be.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from benchmarks.simulated_runs import Shown, World, draw_labels, draw_sizes, judge_runs
from benchmarks.success_rates import LEAST_HELD, holds, ratings_of, report_of, width
from tasks.calibration.pass_rate import PassRate, correct_success_rate

TRUTH = Path(__file__).parents[1] / "tests" / "fixtures" / "airline_truth.json"
SHOWN, LABELS = 20, 40
EXPECTED, TOLERANCE = 0.51, 0.15
_WORLD = World(sensitivity=0.85, specificity=0.75, judge_spread=0, cannot_tell=0)


def read_truth() -> list[list[bool]]:
    """Whether each run did its task, by agent."""
    agents = json.loads(TRUTH.read_text(encoding="utf-8"))
    return [[run == "1" for run in runs] for runs in agents.values()]


def draw_report(rng: np.random.Generator) -> Shown:
    """20 runs of each agent, drawn at random from all, with the judge's verdicts."""
    agents = [np.array(runs) for runs in read_truth()]
    truth = np.concatenate([rng.choice(runs, SHOWN, replace=False) for runs in agents])
    return Shown(
        agent=np.repeat(np.arange(len(agents)), SHOWN),
        truth=truth,
        completed=np.ones(len(truth), dtype=np.bool_),
        inclusion=np.repeat([SHOWN / len(runs) for runs in agents], SHOWN),
        verdict=judge_runs(rng, truth, _WORLD, np.zeros(2)),
        rate=float(np.concatenate(agents).mean()),
    )


def measure(rng: np.random.Generator) -> tuple[PassRate, float]:
    """One report, labelled: its rates, and the truth."""
    shown = draw_report(rng)
    report = report_of(shown)
    ratings = ratings_of(report, shown, draw_labels(rng, draw_sizes(shown), LABELS))
    return correct_success_rate(ratings, {1: report}, 1), shown.rate


def main() -> int:
    """Measure and print; 1 where it is not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.airline")
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    found = [measure(rng) for _ in range(given.trials)]
    truth = found[0][1]
    judged = np.array([rate.judged.value for rate, _ in found], dtype=float)
    held = float(np.mean([holds(rate.corrected, truth) for rate, _ in found]))
    print(f"100 runs, all completed (100%), of which {truth:.0%} did their task; {SHOWN} shown an agent, two agents.")
    print(f"{given.trials} reports, seed {given.seed}; judge 0.85 / 0.75; {LABELS} labels a report.")
    low, high = np.quantile(judged, [0.025, 0.975])
    print(f"judged success     {judged.mean():.2f}, in 95% of reports from {low:.2f} to {high:.2f}")
    print(f"judged holds       {np.mean([holds(rate.judged, truth) for rate, _ in found]):.1%}")
    print(f"corrected holds    {held:.1%}, width {np.mean([width(rate.corrected) for rate, _ in found]):.2f}")
    fine = abs(judged.mean() - EXPECTED) < 0.03 and np.mean(np.abs(judged - EXPECTED) <= TOLERANCE) > 0.9
    return 0 if fine and held >= LEAST_HELD else 1


if __name__ == "__main__":
    sys.exit(main())
