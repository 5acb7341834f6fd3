"""A question put to the judge and turned into an evaluation: the way that an agent and the team have in common."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tasks.errors import AgentReportError, BudgetError, JudgingEndedError, UnusableAnswerError
from tasks.judge.answer import JudgeAnswer
from tasks.judge.call_context import Spent
from tasks.judge.evaluation import AgentStatus, Evaluation
from tasks.judge.exchange import Judge
from tasks.judge.question import Question
from tasks.judge.scoring import Verdict, build_verdicts, score_verdicts, typical_first
from tasks.wording.counts import is_are


def judge_question(judge: Judge, question: Question, *, timeout_seconds: float) -> Evaluation:
    """Ask, score, and return an evaluation whatever happens: a failure is its error, never a score.

    Of several samples the first is asked alone, so that the others find its prompt in the endpoint's cache; one that
    fails is left out and said so. ``timeout_seconds`` counts from now and bounds everything: waiting, calls, retries.
    """
    deadline = time.monotonic() + timeout_seconds
    spent = Spent()
    answers: list[JudgeAnswer] = []
    missing: list[str] = []
    for sample in range(judge.samples):
        try:
            answer, _ = judge.ask(question, deadline=deadline, spent=spent, sample=sample)
        except UnusableAnswerError as error:
            missing.append(str(error))
        except AgentReportError as error:
            # Of the ledger too: an answer that cannot be kept must not take the report with it.
            if not answers:
                return _unjudged(question, _status(error, spent), str(error), spent)
            missing.append(str(error))
        else:
            answers.append(answer)
    if not answers:
        return _unjudged(question, "failed", missing[0], spent)
    warnings = (
        [f"{len(missing)} of {judge.samples} samples {is_are(len(missing))} missing: {missing[0]}"] if missing else []
    )
    return _judged(question, typical_first(answers, question.rubric), spent, warnings)


def _status(error: AgentReportError, spent: Spent) -> AgentStatus:
    """Nothing went wrong with what was never answered for; a second try that was not made is a failure."""
    if spent.calls:
        return "failed"
    if isinstance(error, BudgetError):
        return "skipped_budget"
    return "not_started" if isinstance(error, JudgingEndedError) else "failed"


def _judged(question: Question, answers: Sequence[JudgeAnswer], spent: Spent, warnings: list[str]) -> Evaluation:
    typical = answers[0]
    shown = next((answer.shown for answer in answers if answer.shown is not None), None)
    verdicts = build_verdicts(answers, question.rubric)
    score = score_verdicts(verdicts)
    if typical.ignored:
        warnings.append(f"the judge also answered on what was not asked: {', '.join(typical.ignored)[:200]}")
    warnings += dict.fromkeys(warning for answer in answers for warning in answer.warnings)
    warnings += _doubts(verdicts)
    reused = spent.calls == 0
    return Evaluation(
        agent_id=question.agent_id,
        status="no_evidence" if score.score is None else "evaluated",
        score=score.score,
        passed=score.passed,
        coverage=score.coverage,
        verdicts=verdicts,
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


def _doubts(verdicts: Sequence[Verdict]) -> list[str]:
    unsupported = [verdict.criterion for verdict in verdicts if verdict.score is not None and not verdict.supported]
    unstable = [verdict.criterion for verdict in verdicts if verdict.unstable]
    doubts = []
    if unsupported:
        doubts.append(f"without a citation that holds: {', '.join(unsupported)}")
    if unstable:
        doubts.append(f"the judge's samples lie on both sides of the threshold: {', '.join(unstable)}")
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
