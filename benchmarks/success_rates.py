"""How often intervals of success rates hold the truth, how wide they are, and how often unchanged agents change sides.

``python -m benchmarks.success_rates [--trials 300] [--seed 1]``. The environments of `simulated_runs.py` are labelled
and measured as reports are. Exit code 1 where a corrected interval holds the truth in less than 93%, is from 60 labels
on not narrower than that of the labels alone, or where more than 0.05 agents a night go from "passes" to "fails".
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import stats

from benchmarks.simulated_runs import (
    CANNOT_TELL,
    YES,
    Codes,
    Floats,
    Shown,
    World,
    draw_environment,
    draw_labels,
    draw_sizes,
)
from tasks.calibration.judging import JudgedReport, JudgedRun
from tasks.calibration.labels import ItemKey, Opinion, PairedRating
from tasks.calibration.pass_rate import PassRate, correct_success_rate
from tasks.report.rows import SUCCESS_QUESTION
from tasks.statistics.estimate import Estimate
from tasks.statistics.passing import decide
from tasks.statistics.weighted import estimate_share

LABELS = (20, 60, 200)
LEAST_HELD = 0.93
MOST_FALLS = 0.05
MOST_ICC = 0.05
_MIXED = World(tasks=30, task_icc=0.2, nights=5, night_icc=0.05)
WORLDS: Mapping[str, World] = {
    "populations of 20 runs": replace(_MIXED, populations=(20,), nights=1),
    "populations of 200 runs": replace(_MIXED, populations=(200,)),
    "populations of 5,000 runs": replace(_MIXED, populations=(5000,)),
    "20, 200 and 5,000 runs mixed": _MIXED,
    "mixed, runs independent, judge alike on all agents": World(judge_spread=0),
    "mixed, agents mostly good": replace(_MIXED, rates=(0.85, 0.99)),
    "mixed, judge no better than chance": replace(_MIXED, sensitivity=0.5, specificity=0.5, judge_spread=0),
}


@dataclass(slots=True)
class Coverage:
    """What was found over many environments; every list has one entry an environment."""

    raw: list[bool] = field(default_factory=list)
    alone: list[bool] = field(default_factory=list)
    corrected: list[bool] = field(default_factory=list)
    alone_width: list[float] = field(default_factory=list)
    even_width: list[float] = field(default_factory=list)
    corrected_width: list[float] = field(default_factory=list)

    def add(self, truth: float, found: PassRate, even: Estimate) -> None:
        """Add one environment; ``even`` is by as many labels alone, all runs drawn alike."""
        self.raw.append(holds(found.judged, truth))
        self.alone.append(holds(found.labelled, truth))
        self.corrected.append(holds(found.corrected, truth))
        self.alone_width.append(width(found.labelled))
        self.even_width.append(width(even))
        self.corrected_width.append(width(found.corrected))

    @property
    def held(self) -> float:
        """The share of environments in which the corrected interval holds the truth."""
        return float(np.mean(self.corrected))

    @property
    def narrower(self) -> float:
        """The mean width of the corrected interval as a share of that of labels alone, drawn either way."""
        return float(np.mean(self.corrected_width) / min(np.mean(self.alone_width), np.mean(self.even_width)))


def holds(estimate: Estimate, truth: float) -> bool:
    """Whether there is an interval, and the truth is in it."""
    return estimate.low is not None and estimate.high is not None and estimate.low <= truth <= estimate.high


def width(estimate: Estimate) -> float:
    """The width of the interval; all of 0 to 1 where there is none."""
    return 1.0 if estimate.low is None or estimate.high is None else estimate.high - estimate.low


def report_of(shown: Shown) -> JudgedReport:
    """The verdicts of an environment as the warehouse has them."""
    runs = {}
    for index, size in enumerate(draw_sizes(shown)):
        verdict = shown.verdict[index]
        key = (f"{shown.agent[index]}", f"{index}")
        passed = None if verdict == CANNOT_TELL else bool(verdict == YES)
        weight = float(1 / shown.inclusion[index])
        runs[key] = JudgedRun(*key, {SUCCESS_QUESTION: passed}, weight=weight, draw=float(size))
    return JudgedReport({}, {}, runs)


def ratings_of(report: JudgedReport, shown: Shown, labelled: Codes) -> list[PairedRating]:
    """People's verdicts on these runs: the truth."""
    ratings = []
    keys = list(report.runs)
    for index in labelled:
        run = report.runs[keys[index]]
        opinion = Opinion(None, bool(shown.truth[index]))
        judge = Opinion(None, run.verdicts[SUCCESS_QUESTION])
        unit = ItemKey(1, run.agent_id, run.run_id, SUCCESS_QUESTION)
        ratings.append(PairedRating(unit, opinion, judge, {"ann": opinion}, None))
    return ratings


def measure_intervals(world: World, labels: int, trials: int, seed: int) -> Coverage:
    """``trials`` environments of a kind, each with ``labels`` runs labelled."""
    rng = np.random.default_rng([seed, labels])
    coverage = Coverage()
    for _ in range(trials):
        shown = draw_environment(rng, world)
        report = report_of(shown)
        ratings = ratings_of(report, shown, draw_labels(rng, draw_sizes(shown), labels))
        even = rng.choice(len(shown.truth), labels, replace=False)
        alone = estimate_share(list(shown.truth[even]), list(1 / shown.inclusion[even]))
        coverage.add(shown.rate, correct_success_rate(ratings, {1: report}, 1), alone)
    return coverage


@dataclass(frozen=True, slots=True)
class Nights:
    """What happens to agents that do not change: shares that are decided and (of these) decided wrongly, and how many a
    night fall from passes to fails, or change sides by their point values alone."""

    decided: float
    wrong: float
    falls: float
    by_value: float


def measure_nights(
    rng: np.random.Generator, *, nights: int, agents: int = 14, runs: int = 20, icc: float = 0.0
) -> Nights:
    """Agents that do not change, each with three criteria of thresholds 7, 7 and 6, judged night after night."""
    thresholds = np.array([0.7, 0.7, 0.6])
    rates = np.clip(rng.uniform(0.5, 0.98, agents)[:, None] + rng.normal(0, 0.05, (agents, 3)), 0.02, 0.98)
    truth = (rates >= thresholds).all(axis=1)
    before: list[bool | None] = []
    values_before: list[bool] = []
    decided = wrong = falls = flips = 0
    for _ in range(nights):
        now: list[bool | None] = []
        values: list[bool] = []
        for agent in range(agents):
            shares = [estimate_share(row, [1.0] * runs) for row in _draw_checks(rng, rates[agent], runs, icc)]
            verdicts = [decide(share, float(bound)) for share, bound in zip(shares, thresholds, strict=True)]
            now.append(False if False in verdicts else None if None in verdicts else True)
            values.append(all((share.value or 0) >= bound for share, bound in zip(shares, thresholds, strict=True)))
        decided += sum(verdict is not None for verdict in now)
        wrong += sum(verdict is not None and verdict != true for verdict, true in zip(now, truth, strict=True))
        if before:
            falls += sum(a is True and b is False for a, b in zip(before, now, strict=True))
            flips += sum(a != b for a, b in zip(values_before, values, strict=True))
        before, values_before = now, values
    pairs = nights - 1
    return Nights(decided / (nights * agents), wrong / max(1, decided), falls / pairs, flips / pairs)


def _draw_checks(rng: np.random.Generator, rates: Floats, runs: int, icc: float) -> list[list[bool]]:
    """Whether each of ``runs`` runs of a night passes each criterion. A run that passes one is likely to pass others,
    and a night that is good for one is good for all."""
    night = rng.random()
    size = (1 - icc) / icc if icc else 0.0
    of_night = stats.beta.ppf(night, rates * size, (1 - rates) * size) if icc else rates
    latent = np.sqrt(0.6) * rng.normal(size=(runs, 1)) + np.sqrt(0.4) * rng.normal(size=(runs, len(rates)))
    passed = latent < stats.norm.ppf(of_night)
    return [[bool(check) for check in column] for column in passed.T]


def main() -> int:
    """Measure and print all cases; 1 where one is not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.success_rates")
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    fine = [*_print_intervals(given.trials, given.seed), *_print_nights(given.trials, given.seed)]
    return 0 if all(fine) else 1


def _print_intervals(trials: int, seed: int) -> Iterator[bool]:
    """Whether each case is as it must be."""
    print(f"Team's success rate: 14 agents, 20 shown runs each, {trials} environments a case, seed {seed}.")
    print("Held: the interval has the population's true rate in it; width: its mean; alike: labels alone, of runs that")
    print("are all as likely to be labelled, where otherwise doubtful ones are more often. Judge 0.85 / 0.75.")
    print(f"{'':50} labels   judge   labels alone   alike       corrected")
    print(f"{'environments':50}           held    held  width   width    held  width")
    for name, world in WORLDS.items():
        for labels in LABELS:
            found = measure_intervals(world, labels, trials, seed)
            fine = found.held >= LEAST_HELD and (labels < LABELS[1] or found.narrower < 1)
            print(
                f"{name:50} {labels:6} {np.mean(found.raw):7.1%} {np.mean(found.alone):7.1%} "
                f"{np.mean(found.alone_width):6.3f}  {np.mean(found.even_width):6.3f} {found.held:7.1%} "
                f"{np.mean(found.corrected_width):6.3f}" + ("" if fine else "  NOT AS IT MUST BE"),
                flush=True,
            )
            yield fine


def _print_nights(trials: int, seed: int) -> Iterator[bool]:
    print(f"\nUnchanged agents night after night: 14 agents, 20 runs, three criteria, {trials} nights, seed {seed}.")
    print(
        "Falls: agents a night that go from passes to fails; by value: that change sides by point values alone. With an"
    )
    print("ICC of 0.1 whole nights are so different that a report is right to find a change; no bound is set there.")
    print(f"{'nights':50} decided   wrong   falls  by value")
    for icc in (0.0, 0.02, 0.05, 0.1):
        found = measure_nights(np.random.default_rng([seed, 7]), nights=trials, icc=icc)
        fine = found.falls <= MOST_FALLS or icc > MOST_ICC
        print(
            f"{f'runs of one night alike, ICC {icc:g}' if icc else 'independent runs':50} {found.decided:7.1%} "
            f"{found.wrong:7.1%} {found.falls:7.3f} {found.by_value:9.2f}" + ("" if fine else "  NOT AS IT MUST BE"),
            flush=True,
        )
        yield fine


if __name__ == "__main__":
    sys.exit(main())
