"""Questions put to the judge and turned into an evaluation: the way that an agent and the team have in common."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from tasks.errors import AgentReportError, BudgetError, JudgingEndedError, UnusableAnswerError
from tasks.evidence.types import RunId
from tasks.judge.answer import CriterionAnswer, JudgeAnswer
from tasks.judge.call_context import Spent
from tasks.judge.evaluation import AgentStatus, Evaluation
from tasks.judge.exchange import Judge
from tasks.judge.question import Draft, Question
from tasks.judge.runs.each import JudgedRuns
from tasks.judge.runs.parsing import UNANSWERED
from tasks.judge.runs.scoring import combine_samples
from tasks.judge.runs.verdict import RunVerdict
from tasks.judge.scoring import Verdict, build_verdicts, count_verdicts, score_verdicts, typical_first
from tasks.wording.counts import counted, is_are


def _one(run_id: RunId) -> float:
    return 1.0


def judge_question(
    judge: Judge,
    question: Question,
    *,
    timeout_seconds: float,
    parts: Sequence[Question] = (),
    inclusion_of: Callable[[RunId], float] = _one,
    judged: JudgedRuns | None = None,
) -> Evaluation:
    """Ask, score, and return an evaluation whatever happens: a failure is its error, never a score.

    ``parts`` ask for verdicts on the runs that have no room in the answer to ``question``. ``inclusion_of`` gives the
    probability (0 to 1) with which a run was drawn. Of several samples the first is asked alone, so that the others
    find its prompt in the endpoint's cache; one that fails is left out with a warning. ``timeout_seconds`` starts when
    one of the judge's slots is free and bounds all that follows: waiting, calls, retries. ``judged`` has verdicts on
    the runs from before, with what these cost; a question that then fails leaves them, and what is counted from them.
    """
    spent = Spent()
    if judged is not None:
        spent.include(judged.spent)
    draft = judge.prepare(question) if judge.slots.is_full else None
    try:
        with judge.slots.slot(math.inf, judge.stop):
            deadline = time.monotonic() + timeout_seconds
            return _evaluate(judge, question, parts, draft, inclusion_of, judged, deadline=deadline, spent=spent)
    except JudgingEndedError as error:
        return _unanswered(question, _status(error, spent), str(error), spent, judged, inclusion_of)


def _evaluate(
    judge: Judge,
    question: Question,
    parts: Sequence[Question],
    draft: Draft | None,
    inclusion_of: Callable[[RunId], float],
    judged: JudgedRuns | None,
    *,
    deadline: float,
    spent: Spent,
) -> Evaluation:
    """As ``judge_question``, in its slot."""
    answers: list[JudgeAnswer] = []
    run_verdicts: list[list[RunVerdict]] = []
    missing: list[str] = []
    lost: list[str] = []
    for sample in range(judge.samples):
        try:
            first = draft if sample == 0 else None
            answer, _ = judge.ask(question, deadline=deadline, spent=spent, sample=sample, draft=first)
        except UnusableAnswerError as error:
            missing.append(str(error))
            continue
        except AgentReportError as error:
            # Of the ledger too: an answer that cannot be kept must not take the report with it.
            if not answers:
                return _unanswered(question, _status(error, spent), str(error), spent, judged, inclusion_of)
            missing.append(str(error))
            continue
        answers.append(answer)
        run_verdicts.append(list(answer.run_verdicts))
        for part in parts:
            try:
                more, _ = judge.ask(part, deadline=deadline, spent=spent, sample=sample)
            except UnusableAnswerError as error:
                lost.append(str(error))
                run_verdicts[-1] += _unusable(part)
            except AgentReportError as error:
                lost.append(str(error))
            else:
                answers[-1] = _with_part(answers[-1], more)
                run_verdicts[-1] += more.run_verdicts
    if not answers:
        unanswered = _unanswered(question, "failed", missing[0], spent, judged, inclusion_of)
        if question.asks != "verdicts":
            return unanswered
        return replace(unanswered, run_verdicts=tuple(_unusable(question, *parts)))
    warnings = []
    if missing:
        warnings.append(f"{len(missing)} of {judge.samples} samples {is_are(len(missing))} missing: {missing[0]}")
    if lost:
        warnings.append(f"{counted(len(lost), 'part')} of the verdicts on runs {is_are(len(lost))} missing: {lost[0]}")
    if question.asks == "scores":
        answers = typical_first(answers, question.rubric)
        verdicts = build_verdicts(answers, question.rubric)
        return _judged(question, answers, verdicts, () if judged is None else judged.verdicts, spent, warnings)
    combined = combine_samples(run_verdicts) if judged is None else judged.verdicts
    verdicts = count_verdicts(answers[0], combined, question.rubric, inclusion_of)
    return _judged(question, answers, verdicts, combined, spent, warnings)


def _unanswered(
    question: Question,
    status: AgentStatus,
    error: str,
    spent: Spent,
    judged: JudgedRuns | None,
    inclusion_of: Callable[[RunId], float],
) -> Evaluation:
    """What is left without an answer: nothing, or what the verdicts on runs from before come to."""
    known = () if judged is None else judged.verdicts
    if question.asks == "scores" or not any(verdict.success for verdict in known):
        return replace(_unjudged(question, status, error, spent), run_verdicts=known)
    nothing = JudgeAnswer({name: CriterionAnswer("", None) for name in question.rubric})
    verdicts = count_verdicts(nothing, known, question.rubric, inclusion_of)
    warnings = [f"the judge's words on the agent are missing: {error}"]
    return replace(_judged(question, [nothing], verdicts, known, spent, warnings), samples=0)


def _unusable(*questions: Question) -> list[RunVerdict]:
    """That there is no usable verdict on the runs of ``questions``, which the judge was asked about."""
    return [
        RunVerdict(question.labelled_runs.run_id(label) or "", label, None, problem=UNANSWERED)
        for question in questions
        for label in question.labelled_runs.labels
    ]


def _with_part(answer: JudgeAnswer, part: JudgeAnswer) -> JudgeAnswer:
    """``answer`` with what was shown for ``part``, and what was odd about that."""
    shown = answer.shown
    if shown is not None and part.shown is not None:
        shown = shown.with_part(part.shown)
    return replace(
        answer,
        shown=shown,
        warnings=(*answer.warnings, *part.warnings),
        citations_dropped=answer.citations_dropped + part.citations_dropped,
    )


def _status(error: AgentReportError, spent: Spent) -> AgentStatus:
    """Nothing went wrong with what was never answered for; a second try that was not made is a failure."""
    if spent.calls:
        return "failed"
    if isinstance(error, BudgetError):
        return "skipped_budget"
    return "not_started" if isinstance(error, JudgingEndedError) else "failed"


def _judged(
    question: Question,
    answers: Sequence[JudgeAnswer],
    verdicts: tuple[Verdict, ...],
    run_verdicts: tuple[RunVerdict, ...],
    spent: Spent,
    warnings: list[str],
) -> Evaluation:
    typical = answers[0]
    shown = next((answer.shown for answer in answers if answer.shown is not None), None)
    score = score_verdicts(verdicts)
    if typical.ignored:
        warnings.append(f"the judge also answered on what was not asked: {', '.join(typical.ignored)[:200]}")
    warnings += dict.fromkeys(warning for answer in answers for warning in answer.warnings)
    warnings += _doubts(verdicts)
    warnings += _run_doubts(run_verdicts)
    reused = spent.calls == 0 and not spent.unknown
    return Evaluation(
        agent_id=question.agent_id,
        status="no_evidence" if score.score is None and not _decides(run_verdicts) else "evaluated",
        score=score.score,
        passed=score.passed,
        coverage=score.coverage,
        verdicts=verdicts,
        run_verdicts=run_verdicts,
        reasoning=typical.reasoning,
        strengths=typical.strengths,
        weaknesses=typical.weaknesses,
        recommendations=typical.recommendations,
        executive_summary=typical.executive_summary,
        contradictions=typical.contradictions,
        reused=reused,
        samples=len(answers),
        runs_shown=shown.runs if shown else None,
        sampling=shown.sampling if shown else "",
        citations_dropped=sum(answer.citations_dropped for answer in answers),
        warnings=tuple(warnings),
        calls=spent.calls,
        prompt_tokens=0 if reused else spent.prompt_tokens,
        completion_tokens=0 if reused else spent.completion_tokens,
        cost_usd=0.0 if reused else spent.cost_usd,
        known_cost_usd=spent.known_cost_usd,
    )


def _decides(run_verdicts: Sequence[RunVerdict]) -> bool:
    return any(verdict.success in ("yes", "no") for verdict in run_verdicts)


def _doubts(verdicts: Sequence[Verdict]) -> list[str]:
    unsupported = [verdict.criterion for verdict in verdicts if verdict.score is not None and not verdict.supported]
    unstable = [verdict.criterion for verdict in verdicts if verdict.unstable]
    doubts = []
    if unsupported:
        doubts.append(f"without a citation that holds: {', '.join(unsupported)}")
    if unstable:
        doubts.append(f"the judge's samples lie on both sides of the threshold: {', '.join(unstable)}")
    return doubts


def _run_doubts(run_verdicts: Sequence[RunVerdict]) -> list[str]:
    doubts = []
    unusable = [verdict for verdict in run_verdicts if verdict.success is None]
    unstable = sum(verdict.unstable for verdict in run_verdicts)
    undecided = sum(verdict.success == "cannot_tell" for verdict in run_verdicts)
    runs = counted(len(run_verdicts), "run")
    if unusable:
        first = unusable[0]
        doubts.append(f"no usable verdict on {len(unusable)} of {runs} ({first.label}: {first.problem})")
    if undecided and 2 * undecided >= len(run_verdicts):
        doubts.append(f"the judge cannot tell on {undecided} of {runs}")
    if unstable:
        doubts.append(f"the judge's samples disagree on {unstable} of {runs}")
    return doubts


def _unjudged(question: Question, status: AgentStatus, error: str, spent: Spent) -> Evaluation:
    asked = spent.calls > 0 or bool(spent.unknown)
    return Evaluation(
        agent_id=question.agent_id,
        status=status,
        error=error,
        calls=spent.calls,
        prompt_tokens=spent.prompt_tokens if asked else 0,
        completion_tokens=spent.completion_tokens if asked else 0,
        cost_usd=spent.cost_usd if asked else 0.0,
        known_cost_usd=spent.known_cost_usd,
    )
