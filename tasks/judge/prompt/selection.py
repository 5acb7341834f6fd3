"""Which part of the evidence a judgement sees: runs of every kind, within a budget of tokens that one run cannot eat.

Rates and totals are never taken from here: they are computed from all runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from tasks.evidence.ids import random_place
from tasks.evidence.types import Evidence, Run
from tasks.judge.prompt.allocation import share_in_order, water_fill
from tasks.judge.prompt.citations import LabelledRun
from tasks.judge.prompt.steps import Step
from tasks.judge.prompt.tokens import clip_tokens, text_tokens

_RUN_OVERHEAD = 60
_STEP_OVERHEAD = 16
# Below this nothing of a run can be understood, so fewer runs are shown instead.
_LEAST_RUN_TOKENS = 400


@dataclass(frozen=True, slots=True)
class StepExcerpt:
    """A step as the judge sees it: clipped texts, under the number that it has in the whole run."""

    step: Step
    arguments: str
    result: str
    error: str
    text: str


@dataclass(frozen=True, slots=True)
class RunExcerpt:
    """A run as the judge sees it; texts are clipped in the middle, with a mark."""

    labelled_run: LabelledRun
    task: str
    response: str
    error: str
    steps: tuple[StepExcerpt, ...]
    expected: str = ""
    context: str = ""

    @property
    def run(self) -> Run:
        """The whole run."""
        return self.labelled_run.run


@dataclass(frozen=True, slots=True)
class Selection:
    """The runs that are shown, in the order in which they are, and how many finished runs there are.

    ``is_random``: they were drawn from these at random.
    """

    runs: tuple[RunExcerpt, ...]
    finished: int
    is_random: bool = False

    @property
    def is_sample(self) -> bool:
        """Whether there are runs that are not shown."""
        return len(self.runs) < self.finished


def describe_runs(shown: int, finished: int, *, is_random: bool) -> str:
    """That so many of so many runs are shown, in one phrase."""
    return f"{shown:,} of {finished:,} runs, {'drawn at random' if is_random else 'a sample'}"


@dataclass(frozen=True, slots=True)
class RenderedEvidence:
    """The evidence as the judge was shown it, without its fence: the text, and how many runs are in it.

    ``runs`` is None where they are not counted; they are of ``finished``, and drawn from these at random, or not.
    ``labels`` are those of the runs that are shown, in their order.
    """

    text: str
    runs: int | None = None
    finished: int = 0
    is_random: bool = False
    labels: tuple[str, ...] = ()

    @property
    def sampling(self) -> str:
        """Which runs are shown when they are not all; "" otherwise."""
        if self.runs is None or self.runs >= self.finished:
            return ""
        return describe_runs(self.runs, self.finished, is_random=self.is_random)

    def with_part(self, part: RenderedEvidence) -> RenderedEvidence:
        """What was shown here and, of other runs, in ``part``."""
        return replace(
            self,
            runs=(self.runs or 0) + (part.runs or 0),
            is_random=self.is_random and part.is_random,
            labels=(*self.labels, *part.labels),
        )


def label_runs(evidence: Evidence) -> list[LabelledRun]:
    """Every finished run as an labelled_run, R1 the newest."""
    return [
        LabelledRun(f"R{number}", run, evidence.traces.get(run.id), evidence.costs_usd.get(run.id))
        for number, run in enumerate(evidence.finished_runs, start=1)
    ]


def select_runs(
    evidence: Evidence,
    labelled_runs: Sequence[LabelledRun],
    budget_tokens: int,
    rotation: float = 0.0,
    *,
    at_random: bool = False,
) -> Selection:
    """Runs of every kind within ``budget_tokens``; none: an empty selection.

    As many as find room with a least share for each. The newest of every class of failure (the most frequent first) and
    the newest success come first, then the second newest of each, and so on; or ``at_random`` any, each as likely as
    the others, so that what is counted of them holds for all. They are shown newest first, from the ``rotation``-th
    part (0 to 1) on: judges lean towards what they read first.

    The same evidence gives the same selection.
    """
    order = sorted(labelled_runs, key=_place) if at_random else _by_stratum(evidence, labelled_runs)
    shown = _that_fit(order, labelled_runs, budget_tokens)
    shares = water_fill([run_size(labelled_run) for labelled_run in shown], budget_tokens)
    runs = [show_run(labelled_run, share) for labelled_run, share in zip(shown, shares, strict=True)]
    turn = round(rotation * len(runs)) % len(runs) if runs else 0
    is_random = at_random or (evidence.population is not None and len(shown) == len(labelled_runs))
    return Selection(tuple(runs[turn:] + runs[:turn]), evidence.metrics.runs_in_population, is_random)


def show_run(labelled_run: LabelledRun, budget_tokens: int) -> RunExcerpt:
    """One run within ``budget_tokens``."""
    return _whole(labelled_run) if run_size(labelled_run) <= budget_tokens else _clipped(labelled_run, budget_tokens)


def run_size(labelled_run: LabelledRun) -> int:
    """Tokens that the whole run takes, about."""
    return labelled_run.tokens + _RUN_OVERHEAD + _STEP_OVERHEAD * len(labelled_run.shown_steps)


def _place(labelled_run: LabelledRun) -> bytes:
    return random_place(labelled_run.run.id)


def _that_fit(
    order: Sequence[LabelledRun], labelled_runs: Sequence[LabelledRun], budget_tokens: int
) -> Sequence[LabelledRun]:
    if budget_tokens >= len(labelled_runs) * _LEAST_RUN_TOKENS:
        return labelled_runs
    chosen: set[int] = set()
    left = budget_tokens
    for labelled_run in order:
        left -= min(_LEAST_RUN_TOKENS, run_size(labelled_run))
        if left < 0 and chosen:
            break
        chosen.add(id(labelled_run))
    return [labelled_run for labelled_run in labelled_runs if id(labelled_run) in chosen]


def _by_stratum(evidence: Evidence, labelled_runs: Sequence[LabelledRun]) -> list[LabelledRun]:
    """All runs, the newest of each stratum first: the classes of failure, then successes, then other failures."""
    class_of = {
        run_id: place for place, pattern in enumerate(evidence.metrics.failure_patterns) for run_id in pattern.run_ids
    }
    successes, others = len(evidence.metrics.failure_patterns), len(evidence.metrics.failure_patterns) + 1
    strata: list[list[LabelledRun]] = [[] for _ in range(others + 1)]
    for labelled_run in labelled_runs:
        place = class_of.get(labelled_run.run.id, successes if labelled_run.run.outcome == "completed" else others)
        strata[place].append(labelled_run)
    return [labelled_run for rank in zip_longest(*strata) for labelled_run in rank if labelled_run is not None]


def _whole(labelled_run: LabelledRun) -> RunExcerpt:
    run = labelled_run.run
    return RunExcerpt(
        labelled_run=labelled_run,
        task=run.task or "",
        response=run.final_response or "",
        error=run.error or "",
        expected=run.expected or "",
        context=run.context or "",
        steps=tuple(
            StepExcerpt(step, step.arguments, step.result, step.error, step.own_text)
            for step in labelled_run.shown_steps
        ),
    )


def _clipped(labelled_run: LabelledRun, budget_tokens: int) -> RunExcerpt:
    """A run in ``budget_tokens``, what matters most first: task, response, error, what was expected, calls and
    arguments, what its user wrote, results, the context, other words.

    Each of them takes at most half of what is left, so that something of the next ones is to be seen; what they leave
    over is given out in a second round, in the same order.
    """
    run = labelled_run.run
    left = max(1, budget_tokens - _RUN_OVERHEAD)
    steps = _steps_that_fit(labelled_run.shown_steps, left // 2)
    left -= sum(_STEP_OVERHEAD + text_tokens(step.name) for step in steps)
    groups: list[list[str]] = [
        [run.task or ""],
        [run.final_response or ""],
        [run.error or ""],
        [run.expected or ""],
        [step.arguments for step in steps],
        [step.own_text if step.speaker == "user" else "" for step in steps],
        [text for step in steps for text in (step.error, step.result)],
        [run.context or ""],
        [step.own_text if step.speaker != "user" else "" for step in steps],
    ]
    sizes = [[text_tokens(text) for text in group] for group in groups]
    given = share_in_order([sum(group) for group in sizes], max(0, left))
    clipped = [
        [clip_tokens(text, limit) for text, limit in zip(group, water_fill(size, share), strict=True)]
        for group, size, share in zip(groups, sizes, given, strict=True)
    ]
    [task], [response], [error], [expected], arguments, of_users, outcomes, [context], of_others = clipped
    words = [user or other for user, other in zip(of_users, of_others, strict=True)]
    shown = zip(steps, arguments, outcomes[::2], outcomes[1::2], words, strict=True)
    return replace(
        _whole(labelled_run),
        task=task,
        response=response,
        error=error,
        expected=expected,
        context=context,
        steps=tuple(
            StepExcerpt(step, arguments=asked, result=result, error=failure, text=text)
            for step, asked, failure, result, text in shown
        ),
    )


def _steps_that_fit(steps: Sequence[Step], limit_tokens: int) -> list[Step]:
    """As many steps as find room with a little of their texts: those that failed, then the first and the last ones, a
    call with what its user wrote before it.
    """
    most = max(1, limit_tokens // (3 * _STEP_OVERHEAD))
    if len(steps) <= most:
        return list(steps)
    kept: dict[int, Step] = {}
    ends: Iterable[Step] = (step for pair in zip(steps, reversed(steps), strict=True) for step in pair)
    failed = [step for step in steps if step.error]
    wrote: list[Step | None] = [None]
    for step in steps:
        wrote.append(step if step.speaker == "user" else wrote[-1])
    for step in [*failed[: most // 2], *ends]:
        # Whether a user agreed decides whether a call was right.
        before = wrote[step.number - 1] if step.kind == "call" else None
        for each in (step, *([before] if before else [])):
            if len(kept) < most:
                kept[each.number] = each
    return [kept[number] for number in sorted(kept)]
