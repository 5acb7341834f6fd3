"""The criteria that code computes: over an agent's finished runs, into the same verdicts as the judge's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tasks.evidence.criterion_tally import RunValues
from tasks.evidence.known_calls import known_calls
from tasks.evidence.types import Evidence, RunId
from tasks.judge.criteria.check import Functions, RunFacts, check_run
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.criteria.function import UndecidedError
from tasks.judge.criteria.share import build_verdict, is_met, share_of_all, share_of_sample, share_of_success
from tasks.judge.evaluation import Evaluation
from tasks.judge.runs.success import Verdicts, read_success, run_success
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
    known = {**judged, **computed.verdicts}
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
        status=evaluation.status if score.score is None else "evaluated",
        score=score.score,
        passed=score.passed,
        coverage=score.coverage,
    )


def compute_criteria(
    rubric: Mapping[str, Criterion], evidence: Evidence, functions: Functions, evaluation: Evaluation
) -> ComputedCriteria:
    """The computed criteria of ``rubric``: over all runs where they were counted, else over those of ``evidence``.

    ``functions`` are those that the rubric names; ``evaluation`` has the judge's verdicts on runs, for ``success``.
    """
    known = {verdict.run_id: verdict for verdict in evaluation.run_verdicts}
    facts = _facts(evidence, known)
    verdicts: dict[str, Verdict] = {}
    checks: dict[RunId, dict[str, Check]] = {found.run.id: {} for found in facts}
    warnings = []
    for name, criterion in rubric.items():
        if not criterion.is_computed:
            continue
        values, problems = _values(name, criterion, facts, functions, evidence.checks)
        inclusion = [evidence.inclusion_of(found.run.id) for found in facts]
        if criterion.kind == "success":
            share = share_of_success(read_success(evidence, known))
        else:
            share = share_of_sample(zip(values, inclusion, strict=True), criterion)
        tallied = evidence.tallies.get(name)
        # Traces may decide more runs of a sample than rows decide of all.
        if tallied is not None and tallied.decided >= share.decided:
            share = share_of_all(tallied.runs, tallied.decided, tallied.passed, tallied.total)
        verdicts[name] = build_verdict(name, criterion, share)
        for found, value in zip(facts, values, strict=True):
            checks[found.run.id][name] = _check(value, criterion)
        first, count = (tallied.problem, tallied.problems) if tallied else (next(iter(problems), ""), len(problems))
        if count:
            what = f"{criterion.function or criterion.kind} {first}"
            warnings.append(f"criterion {name}: {what} ({counted(count, 'run')} of {share.runs:,} undecided)")
    return ComputedCriteria(verdicts, checks, tuple(warnings))


def _facts(evidence: Evidence, verdicts: Verdicts) -> list[RunFacts]:
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
    name: str, criterion: Criterion, facts: Sequence[RunFacts], functions: Functions, known: Mapping[RunId, RunValues]
) -> tuple[list[float | None], list[str]]:
    """Each run's value, and what went wrong on those that a fault left undecided.

    What the row decided before it was redacted stands (``known``); of the others the trace may show more.
    """
    values: list[float | None] = []
    problems = []
    for found in facts:
        before = known.get(found.run.id, {})
        if before.get(name) is not None or (name in before and criterion.function is not None):
            values.append(before[name])
            continue
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
