"""The rows of one agent: what was measured and judged, as columns of the warehouse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import cast

from tasks.evidence.metrics import run_tokens
from tasks.evidence.types import Agent, Evidence, Run, Trace
from tasks.judge.answer import Contradiction
from tasks.judge.evaluation import Evaluation
from tasks.judge.prompt.citations import Citation
from tasks.judge.runs.success import KnownSuccess, run_success
from tasks.judge.runs.verdict import Check, RunVerdict
from tasks.report.figures import Figures
from tasks.report.nested_rows import (
    CitationRow,
    ContradictionRow,
    DayFiguresRow,
    RunRefRow,
    TelemetryRow,
    ToolCallRow,
    ToolCallsRow,
    VerdictCountsRow,
    WaterfallSpanRow,
)
from tasks.report.notable_runs import choose_best_run, choose_worst_run
from tasks.report.rows import AgentRow, CriterionRow, RunRow
from tasks.statistics.estimate import Estimate
from tasks.wording.shortening import clip_middle

_EXCERPT_CHARACTERS = 600
_CALL_CHARACTERS = 200
_MOST_CALLS = 50


def build_agent_row(
    agent: Agent, evaluation: Evaluation, evidence: Evidence | None, figures: Figures | None, known: KnownSuccess | None
) -> AgentRow:
    """The row of ``agent_report_details``; without evidence, every figure is None.

    ``figures`` and ``known`` are those of ``evidence``. ``success_rate_shrunk`` needs the other agents', and is None.
    """
    verdicts = {verdict.run_id: verdict for verdict in evaluation.run_verdicts}
    metrics = evidence.metrics.model_dump() if evidence else {}
    best = choose_best_run(evidence, verdicts) if evidence else None
    worst = choose_worst_run(evidence, verdicts) if evidence else None
    measured = figures.measured.model_dump() if figures else {}
    completion = figures.completion if figures else Estimate()
    success = known.rate if known else Estimate()
    return {
        "agent_id": agent.id,
        "agent_name": agent.name,
        "status": evaluation.status,
        "score": evaluation.score,
        "passed": evaluation.passed,
        "coverage": evaluation.coverage if evaluation.status in ("evaluated", "no_evidence") else None,
        "error": evaluation.error,
        "reasoning": agent_reasoning(evaluation),
        "strengths": list(evaluation.strengths),
        "weaknesses": list(evaluation.weaknesses),
        "recommendations": list(evaluation.recommendations),
        "runs_analyzed": metrics.get("runs_analyzed"),
        "runs_in_population": figures.runs if figures else None,
        "runs_unfinished": figures.unfinished if figures else None,
        "run_ids": [run.id for run in evidence.finished_runs] if evidence else None,
        "completion_rate": completion.value,
        "completion_rate_low": completion.low,
        "completion_rate_high": completion.high,
        "success_rate": success.value,
        "success_rate_low": success.low,
        "success_rate_high": success.high,
        "success_rate_shrunk": None,
        "verdicts": cast(VerdictCountsRow, known.counts.model_dump()) if known else None,
        "daily": _daily(figures),
        "avg_duration_seconds": measured.get("avg_duration_seconds"),
        "p50_duration_seconds": measured.get("p50_duration_seconds"),
        "p95_duration_seconds": measured.get("p95_duration_seconds"),
        "avg_tokens": measured.get("avg_tokens"),
        "runs_with_tokens": measured.get("runs_with_tokens"),
        "avg_cost_usd": measured.get("avg_cost_usd"),
        "total_cost_usd": measured.get("total_cost_usd"),
        "runs_with_cost": measured.get("runs_with_cost"),
        "tool_usage": metrics.get("tool_usage"),
        "failure_patterns": measured.get("failure_patterns"),
        "best_run": cast(RunRefRow, best.model_dump()) if best else None,
        "worst_run": cast(RunRefRow, worst.model_dump()) if worst else None,
        "typical_run": metrics.get("typical_run"),
        "traces": metrics.get("traces"),
        "telemetry_summary": metrics.get("telemetry"),
        "contradictions": [_contradiction(found) for found in evaluation.contradictions],
        "citations_dropped": evaluation.citations_dropped,
        "suspicions": [
            {"run_id": found.run_id, "place": found.place, "text": found.text} for found in evaluation.suspicions
        ],
        "redactions": evidence.redactions if evidence else None,
        "runs_shown": evaluation.runs_shown,
        "sampling": evaluation.sampling or None,
        "samples": evaluation.samples,
        "prompt_tokens": evaluation.prompt_tokens,
        "completion_tokens": evaluation.completion_tokens,
        "judge_cost_usd": evaluation.cost_usd,
        "reused": evaluation.reused,
        "warnings": [*(evidence.warnings if evidence else ()), *evaluation.warnings],
    }


def _daily(figures: Figures | None) -> list[DayFiguresRow] | None:
    if figures is None or figures.daily is None:
        return None
    return [cast(DayFiguresRow, day.model_dump()) for day in figures.daily]


def _contradiction(found: Contradiction) -> ContradictionRow:
    return {"claim": _citation(found.claim), "observation": _citation(found.observation), "text": found.text}


def _citation(citation: Citation) -> CitationRow:
    return {
        "run_id": citation.run_id,
        "label": citation.label,
        "span_id": citation.span_id,
        "quote": citation.quote,
    }


def agent_reasoning(evaluation: Evaluation) -> str | None:
    """The judge's reasoning, or why there is none; None when the agent was not judged."""
    if evaluation.status == "failed":
        return f"Evaluation failed: {evaluation.error}"
    return evaluation.reasoning or None


def build_criterion_rows(evaluation: Evaluation) -> list[CriterionRow]:
    """The rows of ``criterion_scores`` of one agent, or of the team."""
    return [
        {
            "agent_id": evaluation.agent_id,
            "criterion": verdict.criterion,
            "kind": verdict.kind,
            "weight": verdict.weight,
            "threshold": verdict.threshold,
            "score": verdict.score,
            "score_low": verdict.score_low,
            "score_high": verdict.score_high,
            "runs_passed": verdict.runs_passed,
            "runs_decided": verdict.runs_decided,
            "coverage": verdict.coverage,
            "passed": verdict.passed,
            "reasoning": verdict.reasoning,
            "examples": [{**_citation(example.citation), "text": example.text} for example in verdict.examples],
            "supported": verdict.supported,
            "scores": list(verdict.scores),
            "spread": verdict.spread,
            "unstable": verdict.unstable,
        }
        for verdict in evaluation.verdicts
    ]


def build_run_row(
    evidence: Evidence, run: Run, verdict: RunVerdict | None = None, computed: Mapping[str, Check] | None = None
) -> RunRow:
    """The row of ``report_runs``; without ``verdict`` the judge was not asked about this run.

    ``computed`` is what code found on the run, by criterion; None or empty: there is no such criterion.
    """
    success = run_success(run, verdict)
    trace = evidence.traces.get(run.id)
    return {
        "agent_id": evidence.agent.id,
        "run_id": run.id,
        "status": run.status,
        "completed": None if run.outcome == "unfinished" else run.outcome == "completed",
        "succeeded": success.succeeded,
        "success_source": success.source,
        "verdict": verdict.success if verdict else None,
        "verdict_error": (verdict.problem or None) if verdict else None,
        "checks": {**(verdict.checks if verdict else {}), **(computed or {})} if verdict or computed else None,
        "failure_mode": (verdict.failure_mode or None) if verdict else None,
        "failure_step": (verdict.step or None) if verdict else None,
        "verdict_evidence": [_citation(found) for found in verdict.evidence] if verdict else None,
        "unstable": verdict.unstable if verdict else None,
        "inclusion_probability": evidence.inclusion_of(run.id),
        "session_id": run.session_id,
        "started_at": run.started_at,
        "duration_seconds": run.duration_seconds,
        "tokens": run_tokens(run, trace).total,
        "cost_usd": evidence.costs_usd.get(run.id),
        "model_name": run.model_name,
        "error": clip_middle(run.error, _EXCERPT_CHARACTERS) or None,
        "trace_id": (trace.trace_id if trace else None) or run.trace_id,
        "trace_state": trace.state if trace else None,
        "telemetry": _telemetry(trace),
        "waterfall": _waterfall(evidence, run),
        "task_hash": sha256(run.task.encode(errors="replace")).hexdigest() if run.task else None,
        "task_excerpt": clip_middle(run.task, _EXCERPT_CHARACTERS) or None,
        "response_excerpt": clip_middle(run.final_response, _EXCERPT_CHARACTERS) or None,
        # A trace has them in its telemetry.
        "tool_calls": None if trace and trace.telemetry and trace.telemetry.tool_calls else _source_calls(run),
    }


def _telemetry(trace: Trace | None) -> TelemetryRow | None:
    return cast(TelemetryRow, trace.telemetry.model_dump()) if trace and trace.telemetry else None


def _waterfall(evidence: Evidence, run: Run) -> Sequence[WaterfallSpanRow] | None:
    spans = evidence.waterfalls.get(run.id)
    return None if spans is None else [cast(WaterfallSpanRow, span.model_dump()) for span in spans]


def _source_calls(run: Run) -> ToolCallsRow | None:
    if not run.tool_calls:
        return None
    kept: list[ToolCallRow] = [
        {
            "name": clip_middle(call.name, _CALL_CHARACTERS),
            "arguments": clip_middle(call.arguments, _CALL_CHARACTERS) or None,
            "result": clip_middle(call.result, _CALL_CHARACTERS) or None,
            "error": clip_middle(call.error, _CALL_CHARACTERS) or None,
        }
        for call in run.tool_calls[:_MOST_CALLS]
    ]
    return {"calls": kept, "left_out": len(run.tool_calls) - len(kept)}
