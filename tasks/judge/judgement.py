"""A question put to the judge and turned into an evaluation: the way that an agent and the team have in common."""

from __future__ import annotations

import time

from tasks.errors import AgentReportError, JudgingEndedError
from tasks.judge.answer import Answer
from tasks.judge.evaluation import AgentStatus, Evaluation
from tasks.judge.exchange import Judge, Question, Spent
from tasks.judge.scoring import build_verdicts, score_verdicts


def judge_question(judge: Judge, question: Question, *, timeout_seconds: float) -> Evaluation:
    """Ask, score, and return an evaluation whatever happens: a failure is its error, never a score.

    ``timeout_seconds`` counts from now and bounds everything: waiting, calls, retries, the second try.
    """
    deadline = time.monotonic() + timeout_seconds
    spent = Spent()
    try:
        answer, reused = judge.ask(question, deadline=deadline, spent=spent)
    except JudgingEndedError as error:
        # Nothing was answered for this one, so nothing went wrong with it; a second try that was not made is a failure.
        status: AgentStatus = "not_started" if spent.calls == 0 else "failed"
        return _unjudged(question, status, str(error), spent)
    except AgentReportError as error:
        # Of the ledger too: an answer that cannot be kept must not take the report with it.
        return _unjudged(question, "failed", str(error), spent)
    return _judged(question, answer, spent, reused)


def _judged(question: Question, answer: Answer, spent: Spent, reused: bool) -> Evaluation:
    verdicts = build_verdicts(answer, question.rubric)
    score = score_verdicts(verdicts)
    warnings = []
    if answer.ignored:
        warnings.append(f"the judge also answered on what was not asked: {', '.join(answer.ignored)[:200]}")
    return Evaluation(
        agent_id=question.agent_id,
        status="no_evidence" if score.score is None else "evaluated",
        score=score.score,
        passed=score.passed,
        coverage=score.coverage,
        verdicts=verdicts,
        reasoning=answer.reasoning,
        strengths=answer.strengths,
        weaknesses=answer.weaknesses,
        recommendations=answer.recommendations,
        executive_summary=answer.executive_summary,
        reused=reused,
        citations_dropped=answer.citations_dropped,
        warnings=tuple(warnings),
        calls=spent.calls,
        prompt_tokens=0 if reused else spent.prompt_tokens,
        completion_tokens=0 if reused else spent.completion_tokens,
        cost_usd=0.0 if reused else spent.cost_usd,
    )


def _unjudged(question: Question, status: AgentStatus, error: str, spent: Spent) -> Evaluation:
    asked = spent.calls > 0
    return Evaluation(
        agent_id=question.agent_id,
        status=status,
        error=error,
        calls=spent.calls,
        prompt_tokens=spent.prompt_tokens if asked else 0,
        completion_tokens=spent.completion_tokens if asked else 0,
        cost_usd=spent.cost_usd if asked else 0.0,
    )
