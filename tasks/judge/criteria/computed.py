"""The criteria that code computes: over an agent's finished runs, into the same verdicts as the judge's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tasks.evidence.known_calls import known_calls
from tasks.evidence.types import Evidence, RunId
from tasks.judge.criteria.check import Functions, RunFacts, check_run
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.criteria.function import UndecidedError
from tasks.judge.criteria.share import build_verdict, is_met, share_of_sample
from tasks.judge.evaluation import Evaluation
from tasks.judge.runs.success import run_success
from tasks.judge.runs.verdict import Check
from tasks.judge.scoring import Verdict, score_verdicts
from tasks.wording.counts import counted


@dataclass(frozen=True, slots=True)
class ComputedCriteria:
    """The verdicts of an agent's computed criteria by name, and what was found on each run.

    ``warnings`` has one line for each criterion that a fault left undecided on some runs.
    """

    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    checks: Mapping[RunId, Mapping[str, Check]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def add_computed(
    evaluation: Evaluation, rubric: Mapping[str, Criterion], evidence: Evidence, functions: Functions
) -> Evaluation:
    """``evaluation`` with the computed criteria of ``rubric``, and its score over all criteria.

    Where the judging failed the computed criteria are there all the same, and the agent has no score.
    """
    if not any(criterion.is_computed for criterion in rubric.values()):
        return evaluation
    computed = compute_criteria(rubric, evidence, functions, evaluation)
    judged = {verdict.criterion: verdict for verdict in evaluation.verdicts}
    known = judged | computed.verdicts
    evaluation = replace(
        evaluation,
        verdicts=tuple(known[name] for name in rubric if name in known),
        run_checks=computed.checks,
        warnings=(*evaluation.warnings, *computed.warnings),
    )
    if evaluation.status not in ("evaluated", "no_evidence"):
        return evaluation
    score = score_verdicts(evaluation.verdicts)
    return replace(
        evaluation,
        status="no_evidence" if score.score is None else "evaluated",
        score=score.score,
        passed=score.passed,
        coverage=score.coverage,
    )


def compute_criteria(
    rubric: Mapping[str, Criterion], evidence: Evidence, functions: Functions, evaluation: Evaluation
) -> ComputedCriteria:
    """The computed criteria of ``rubric`` over the finished runs of ``evidence``.

    ``functions`` are those that the rubric names; ``evaluation`` has the judge's verdicts on runs, for ``success``.
    """
    facts = _facts(evidence, evaluation)
    verdicts: dict[str, Verdict] = {}
    checks: dict[RunId, dict[str, Check]] = {found.run.id: {} for found in facts}
    warnings = []
    for name, criterion in rubric.items():
        if not criterion.is_computed:
            continue
        values, problems = _values(criterion, facts, functions)
        inclusion = [evidence.inclusion_of(found.run.id) for found in facts]
        verdicts[name] = build_verdict(name, criterion, share_of_sample(zip(values, inclusion, strict=True), criterion))
        for found, value in zip(facts, values, strict=True):
            checks[found.run.id][name] = _check(value, criterion)
        if problems:
            what = f"{criterion.function or criterion.kind} {problems[0]}"
            warnings.append(f"criterion {name}: {what} ({counted(len(problems), 'run')} of {len(facts)} undecided)")
    return ComputedCriteria(verdicts, checks, tuple(warnings))


def _facts(evidence: Evidence, evaluation: Evaluation) -> list[RunFacts]:
    verdicts = {verdict.run_id: verdict for verdict in evaluation.run_verdicts}
    return [
        RunFacts(
            run=run,
            calls=known_calls(run, evidence.traces.get(run.id)),
            cost_usd=evidence.costs_usd.get(run.id),
            success=run_success(run, verdicts.get(run.id)).succeeded,
        )
        for run in evidence.finished_runs
    ]


def _values(
    criterion: Criterion, facts: Sequence[RunFacts], functions: Functions
) -> tuple[list[float | None], list[str]]:
    """Each run's value, and what went wrong on those that a fault left undecided."""
    values: list[float | None] = []
    problems = []
    for found in facts:
        try:
            values.append(check_run(criterion, found, functions))
        except UndecidedError as error:
            values.append(None)
            problems.append(str(error))
    return values, problems


def _check(value: float | None, criterion: Criterion) -> Check:
    if value is None:
        return "cannot_tell"
    return "pass" if is_met(value, criterion) else "fail"
