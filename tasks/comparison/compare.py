"""Two reports compared: what got better or worse, what is undecided, and what cannot be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from tasks.comparison.change_tests import Draft, decide
from tasks.comparison.comparability import (
    agents_reasons,
    describe_criteria,
    has_success,
    is_judged,
    judge_reasons,
    question_reason,
    rubric_reason,
    runs_reason,
    score_reason,
    success_reason,
    tasks_differ,
    tasks_reason,
    unusable_reason,
)
from tasks.comparison.comparison import AgentComparison, Change, Comparison, Verdict
from tasks.comparison.measures import (
    AMOUNTS,
    Measured,
    Shown,
    amount_draft,
    completion_draft,
    measure_amounts,
    measure_runs,
    success_draft,
    team_amount_draft,
    team_rate_draft,
)
from tasks.comparison.rates import tasks_matter
from tasks.comparison.samples import Samples, variance_factor
from tasks.comparison.score_noise import Noise, RunNoise, measure_noise
from tasks.comparison.scores import Judged, Rubrics, score_drafts
from tasks.evidence.types import AgentId
from tasks.report.flagged import stays_too_close
from tasks.report.rows import AgentRow, RunRow
from tasks.report.stored_report import Pair, ScoreRow, StoredReport, match_agents


@dataclass(slots=True)
class _Subject:
    """An agent, or the team, on its way to a comparison."""

    agent_id: AgentId | None
    name: str
    presence: str = "both"
    baseline_name: str | None = None
    reason: str | None = None
    stays_close: bool = False
    drafts: list[Draft] = field(default_factory=list)


def compare_reports(baseline: StoredReport, report: StoredReport, history: Sequence[ScoreRow] = ()) -> Comparison:
    """``report`` against ``baseline``: the team and every agent that either has. Pure.

    Args:
        baseline: The earlier report.
        report: The later one.
        history: The scores of earlier comparable reports, from which is learnt how far scores move by themselves; may
            be empty, then noise is assumed on the high side (see ``Noise.spread``).

    Of every agent score, criteria, success rate (where one of the reports knows it of any run), completion rate,
    duration and cost of a run are compared, and all p-values are corrected together (``correct``), so that in at most 5
    of 100 pairs of reports without a change anything is called changed. That holds for runs that are independent of
    each other (``HOLDS_FOR``).

    An agent's verdict is worse when anything of it is, else better when anything is, else no_change; it is
    not_comparable when nothing could be compared, as where its runs are of other tasks (``tasks_reason``).
    """
    common = _Common(baseline, report)
    pairs = list(match_agents(baseline, report))
    measured = [common.measure(pair) for pair in pairs]
    known = [runs for runs in measured if runs is not None]
    comparable = [runs for runs in known if runs.reason is None]
    measure_amounts(known)
    common.noise = measure_noise((baseline, report), history, _typical_factor(known))
    common.by_task = tasks_matter([runs.completion for runs in known])
    common.success_by_task = tasks_matter([runs.success for runs in known])
    common.other_tasks = len(known) - len(comparable), len(known)
    team = _Subject(None, "team", drafts=_team_drafts(common, comparable))
    agents = [_agent(common, pair, runs) for pair, runs in zip(pairs, measured, strict=True)]
    changes = iter(decide([draft for subject in (team, *agents) for draft in subject.drafts]))
    finished = [_finish(subject, [next(changes) for _ in subject.drafts]) for subject in (team, *agents)]
    return Comparison(
        baseline_id=baseline.id,
        report_id=report.id,
        baseline_created_at=baseline.report["created_at"],
        reasons=tuple(dict.fromkeys((*common.judge, *common.of_runs, *common.tasks, *common.agents))),
        team=finished[0],
        agents=tuple(finished[1:]),
    )


@dataclass(slots=True)
class _Common:
    """What holds for every agent of the two reports."""

    baseline: StoredReport
    report: StoredReport
    noise: Noise = field(default_factory=Noise)
    by_task: bool = False
    success_by_task: bool = False
    other_tasks: tuple[int, int] = (0, 0)
    judge: tuple[str, ...] = field(init=False)
    runs: str | None = field(init=False)
    agents: tuple[str, ...] = field(init=False)
    has_success: bool = field(init=False)
    no_success: str | None = field(init=False)

    def __post_init__(self) -> None:
        self.judge = judge_reasons(self.baseline, self.report)
        self.runs = runs_reason(self.baseline, self.report)
        self.agents = agents_reasons(self.baseline, self.report)
        self.has_success = has_success(self.baseline, self.report)
        self.no_success = success_reason(self.baseline, self.report) if self.has_success else None

    @property
    def ids(self) -> tuple[int, int]:
        return self.baseline.id, self.report.id

    @property
    def tasks(self) -> tuple[str, ...]:
        """That the tasks of some agents differ; empty when those of none do."""
        count, total = self.other_tasks
        return (tasks_differ(count, total),) if count else ()

    @property
    def of_runs(self) -> tuple[str, ...]:
        """Why runs, or their success, cannot be compared; empty when they can."""
        return tuple(reason for reason in (self.runs, self.no_success) if reason)

    @property
    def no_scores(self) -> str | None:
        return next(iter(self.judge), None) or self.runs

    def measure(self, pair: Pair) -> Measured | None:
        if pair.before is None or pair.after is None:
            return None
        runs = self.baseline.runs_of(pair.before["agent_id"]), self.report.runs_of(pair.after["agent_id"])
        same_source = self.baseline.report["environment"] == self.report.report["environment"]
        measured = measure_runs(*runs, same_source=same_source)
        return replace(
            measured,
            reason=tasks_reason(measured.completion),
            shown=_of_populations(pair.before, pair.after) if any(map(_is_sample, runs)) else {},
            success_reason=self.no_success
            or self.unusable(pair.before, pair.after)
            or self._question_reason(pair.before, pair.after),
        )

    def unusable(self, before: AgentRow, after: AgentRow) -> str | None:
        return unusable_reason(before, self.baseline.id) or unusable_reason(after, self.report.id)

    def _question_reason(self, before: AgentRow, after: AgentRow) -> str | None:
        rubrics = self.rubrics(before, after)
        if not all(rubrics) or not is_judged(self.baseline, self.report):
            return None
        return question_reason(*rubrics, self.descriptions(before, after))

    def rubrics(self, before: AgentRow, after: AgentRow) -> Rubrics:
        return self.baseline.criteria_of(before["agent_id"]), self.report.criteria_of(after["agent_id"])

    def descriptions(self, before: AgentRow | None, after: AgentRow | None) -> tuple[dict[str, str], dict[str, str]]:
        return describe_criteria(self.baseline, before), describe_criteria(self.report, after)


def _is_sample(runs: Sequence[RunRow]) -> bool:
    """Whether the runs were drawn from more than there are here."""
    return any((run.get("inclusion_probability") or 1.0) < 1.0 for run in runs)


def _of_populations(before: AgentRow, after: AgentRow) -> dict[str, Shown]:
    """What both reports show of all runs of an agent."""
    figures = {metric: (before.get(metric), after.get(metric)) for metric in ("completion_rate", *AMOUNTS)}
    return {
        metric: (float(first), float(last))
        for metric, (first, last) in figures.items()
        if isinstance(first, int | float) and isinstance(last, int | float)
    }


def _finish(subject: _Subject, changes: Sequence[Change]) -> AgentComparison:
    return AgentComparison(
        agent_id=subject.agent_id,
        agent_name=subject.name,
        presence=subject.presence,
        baseline_name=subject.baseline_name,
        verdict=overall([change.verdict for change in changes]),
        reason=subject.reason,
        changes=tuple(changes),
        stays_close=subject.stays_close,
    )


def overall(verdicts: Sequence[Verdict]) -> Verdict:
    """One verdict of many: worse before better, better before no_change; not_comparable when all are, or for none."""
    order: tuple[Verdict, ...] = ("worse", "better", "no_change")
    return next((verdict for verdict in order if verdict in verdicts), "not_comparable")


def _agent(common: _Common, pair: Pair, measured: Measured | None) -> _Subject:
    before, after = pair.before, pair.after
    if before is None or after is None or measured is None:
        row = after or before
        if row is None:
            raise ValueError("a pair without an agent")
        subject = _Subject(row["agent_id"], row["agent_name"], pair.presence)
        subject.reason = f"only in report {common.ids[before is None]}"
        rates = ("success_rate", "completion_rate") if common.has_success else ("completion_rate",)
        subject.drafts = [_lone(metric, row, subject) for metric in ("score", *rates, *AMOUNTS)]
        return subject
    subject = _Subject(after["agent_id"], after["agent_name"], pair.presence, reason=pair.reason)
    if subject.presence == "renamed":
        subject.baseline_name = before["agent_name"]
    rubrics = common.rubrics(before, after)
    reason = (
        common.no_scores
        or score_reason(before, common.baseline.id)
        or score_reason(after, common.report.id)
        or common.unusable(before, after)
        or measured.reason
        or rubric_reason(*rubrics, common.descriptions(before, after))
    )
    subject.stays_close = reason is None and stays_too_close(before, after)
    judged = Judged((before["score"], after["score"]), rubrics, common.ids, _run_noise([measured.outcomes]))
    of_runs = common.runs or measured.reason
    subject.drafts = score_drafts(judged, common.noise, reason)
    if common.has_success:
        why = of_runs or measured.success_reason
        subject.drafts.append(success_draft(measured, why, by_task=common.success_by_task))
    subject.drafts += [
        completion_draft(measured, of_runs, by_task=common.by_task),
        *(amount_draft(metric, measured, of_runs) for metric in AMOUNTS),
    ]
    return subject


def _lone(metric: str, row: AgentRow, subject: _Subject) -> Draft:
    """What is known of an agent that only one report has."""
    values: dict[str, Any] = {"after" if subject.presence == "new" else "before": row.get(metric)}
    return Draft(Change(metric=metric, verdict="not_comparable", reason=subject.reason, **values))


def _team_drafts(common: _Common, measured: Sequence[Measured]) -> list[Draft]:
    baseline, report = common.baseline, common.report
    runs_reason = common.runs or (next(iter(common.tasks), None) if not measured else None)
    scores = baseline.report["team_score"], report.report["team_score"]
    rubrics = baseline.criteria_of(None), report.criteria_of(None)
    missing = [f"no team score in report {key}" for key, score in zip(common.ids, scores, strict=True) if score is None]
    goals = baseline.team_goal(), report.team_goal()
    reason = (
        common.no_scores
        or next(iter(missing), None)
        or next(iter(common.tasks), None)
        or next(iter(common.agents), None)
        or ("other goal of the team" if goals[0] != goals[1] else None)
        or rubric_reason(*rubrics, common.descriptions(None, None))
    )
    judged = Judged(scores, rubrics, common.ids, _run_noise([runs.outcomes for runs in measured]), is_team=True)
    drafts = score_drafts(judged, common.noise, reason)
    if common.has_success:
        successes = [runs.success for runs in measured if runs.success_reason is None]
        others = next((runs.success_reason for runs in measured if runs.success_reason), None)
        why = runs_reason or (None if successes else others)
        successes = successes or [runs.success for runs in measured]
        drafts.append(team_rate_draft("success_rate", successes, why, by_task=common.success_by_task))
    completions = [runs.completion for runs in measured]
    return [
        *drafts,
        team_rate_draft("completion_rate", completions, runs_reason, by_task=common.by_task),
        *(team_amount_draft(metric, measured, runs_reason) for metric in AMOUNTS),
    ]


def _run_noise(samples: Sequence[Samples]) -> tuple[RunNoise, RunNoise]:
    """What the choice of runs does to the scores before and after."""
    before, after = sum(len(one.before) for one in samples), sum(len(one.after) for one in samples)
    shared = sum(one.shared_runs for one in samples)
    # What a run of both counts more in one report than in the other is put on both halves.
    uneven = shared * (1 / after - 1 / before) ** 2 / 2 if before and after else 0.0
    hits = [
        round(sum((one.means[side] or 0.0) * len((one.before, one.after)[side]) for one in samples)) for side in (0, 1)
    ]
    return (
        RunNoise(hits[0], before, before - shared + before**2 * uneven),
        RunNoise(hits[1], after, after - shared + after**2 * uneven),
    )


def _typical_factor(measured: Sequence[Measured]) -> float:
    """How much other runs make of the difference between the two reports, of an agent in the middle; 0 without any."""
    known = [runs.completion for runs in measured if runs.completion.measured]
    factors = [variance_factor(len(one.before), len(one.after), one.shared_runs) for one in known]
    return median(factors) if factors else 0.0
