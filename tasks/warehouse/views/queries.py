"""The queries of the views. Only narrow columns are read to find out what is newest: reasons and tools stay unread."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Select
from sqlalchemy.sql.selectable import CTE

from tasks.warehouse.columns import Real, Text, UtcTime, Whole
from tasks.warehouse.schema import agent_report_details as details
from tasks.warehouse.schema import criterion_scores as criteria
from tasks.warehouse.schema import judge_calls, reports

NOT_LOOKED_AT = ("not_started", "skipped_budget")
"""Statuses of an agent that a report left out: they show nothing about the agent, and hide nothing of what is known."""


def _real(expression: ColumnElement[Any]) -> ColumnElement[Any]:
    return sa.type_coerce(expression, Real())


def _whole(expression: ColumnElement[Any]) -> ColumnElement[Any]:
    return sa.type_coerce(expression, Whole())


def _text(expression: ColumnElement[Any]) -> ColumnElement[Any]:
    return sa.type_coerce(expression, Text())


def _time(expression: ColumnElement[Any]) -> ColumnElement[Any]:
    return sa.type_coerce(expression, UtcTime())


_of_report = (
    reports.c.environment,
    details.c.agent_id,
    details.c.agent_name,
    details.c.report_id,
    reports.c.created_at.label("report_created_at"),
    reports.c.evidence_until,
)
_of_score = (
    details.c.status,
    details.c.score,
    details.c.passed,
    details.c.coverage,
    details.c.error,
    details.c.completion_rate,
    details.c.completion_rate_low,
    details.c.completion_rate_high,
    details.c.runs_analyzed,
    details.c.avg_duration_seconds,
    details.c.p95_duration_seconds,
    details.c.avg_tokens,
    details.c.avg_cost_usd,
    details.c.judge_cost_usd,
    details.c.reused,
    reports.c.judge_model,
    reports.c.judge_fingerprint,
    # Behind the columns that were there first: PostgreSQL takes no others in the place of a view.
    details.c.success_rate,
    details.c.success_rate_low,
    details.c.success_rate_high,
    details.c.success_rate_shrunk,
    details.c.runs_in_population,
)
_completed = reports.c.status == "completed"
_in_report = details.join(reports, reports.c.id == details.c.report_id)
_looked_at = details.c.status.not_in(NOT_LOOKED_AT)


def _looks() -> CTE:
    """Every look that a completed report had at an agent: its place counted from the newest, which is 1, whether it
    found the agent failing for certain or too close to call once more, and the newest one that found it fine for
    certain (0: none).

    One that was too close to call for the first time, or by another judge (``stays_too_close``), is neither, as one
    that saw nothing."""
    agent = (reports.c.environment, details.c.agent_id)
    is_close = sa.and_(details.c.status == "evaluated", details.c.passed.is_(None), details.c.score.is_not(None))
    # Of the look before: by which judge it was too close; NULL where it was not.
    judge_before = sa.func.lag(sa.case((is_close, reports.c.judge_fingerprint))).over(
        partition_by=agent, order_by=details.c.report_id
    )
    failing = sa.or_(
        details.c.status == "failed",
        sa.func.coalesce(details.c.passed, sa.true()) == sa.false(),
        sa.and_(is_close, judge_before == reports.c.judge_fingerprint),
    )
    fine = sa.case((details.c.passed == sa.true(), details.c.report_id))
    return (
        sa.select(
            reports.c.environment,
            details.c.agent_id,
            details.c.report_id,
            sa.case((failing, 1), else_=0).label("failing"),
            sa.func.row_number().over(partition_by=agent, order_by=details.c.report_id.desc()).label("age"),
            sa.func.coalesce(sa.func.max(fine).over(partition_by=agent), 0).label("fine_in"),
        )
        .select_from(_in_report)
        .where(_completed, _looked_at)
        .cte("looks")
    )


def _newest_reports() -> CTE:
    return (
        sa.select(reports.c.environment, sa.func.max(reports.c.id).label("report_id"))
        .where(_completed)
        .group_by(reports.c.environment)
        .cte("newest")
    )


def select_latest_agent_scores() -> Select[Any]:
    """The query of the view ``latest_agent_scores``."""
    looks, newest, now = _looks(), _newest_reports(), details.alias("now")
    is_gone = sa.case((now.c.agent_id.is_(None), sa.true()), else_=sa.false())
    return (
        sa.select(
            *_of_report,
            (details.c.report_id == newest.c.report_id).label("is_current"),
            is_gone.label("is_gone"),
            *_of_score,
        )
        .select_from(looks)
        .join(newest, newest.c.environment == looks.c.environment)
        .join(details, sa.and_(details.c.report_id == looks.c.report_id, details.c.agent_id == looks.c.agent_id))
        .join(reports, reports.c.id == looks.c.report_id)
        .outerjoin(now, sa.and_(now.c.report_id == newest.c.report_id, now.c.agent_id == looks.c.agent_id))
        .where(looks.c.age == 1)
    )


def select_agent_score_history() -> Select[Any]:
    """The query of the view ``agent_score_history``."""
    return (
        sa.select(*_of_report, reports.c.name.label("report_name"), *_of_score)
        .select_from(_in_report)
        .where(_completed)
    )


def select_criterion_history() -> Select[Any]:
    """The query of the view ``criterion_history``."""
    of_agent = sa.and_(details.c.report_id == criteria.c.report_id, details.c.agent_id == criteria.c.agent_id)
    return (
        sa.select(
            reports.c.environment,
            criteria.c.agent_id,
            details.c.agent_name,
            criteria.c.criterion,
            criteria.c.report_id,
            reports.c.created_at.label("report_created_at"),
            reports.c.evidence_until,
            criteria.c.weight,
            criteria.c.threshold,
            criteria.c.score,
            criteria.c.passed,
            criteria.c.supported,
            criteria.c.spread,
            criteria.c.unstable,
            reports.c.judge_model,
            reports.c.judge_fingerprint,
            criteria.c.kind,
            criteria.c.score_low,
            criteria.c.score_high,
            criteria.c.runs_passed,
            criteria.c.runs_decided,
            criteria.c.coverage,
        )
        .select_from(criteria.join(reports, reports.c.id == criteria.c.report_id).outerjoin(details, of_agent))
        .where(_completed)
    )


def select_judge_costs() -> Select[Any]:
    """The query of the view ``judge_costs``."""
    calls = judge_calls.c
    known, total = sa.func.count(calls.cost_usd), sa.func.sum(calls.cost_usd)
    answered, usable, unanswered = (
        sa.func.sum(sa.case((which, 1), else_=0))
        for which in (calls.status == "answered", calls.outcome == "usable", calls.status == "unanswered")
    )
    arrived = sa.case((calls.status == "answered", calls.created_at))
    paid = (
        sa.select(
            calls.report_id,
            calls.kind,
            calls.model,
            answered.label("calls"),
            (answered - usable).label("unusable_calls"),
            unanswered.label("unanswered_calls"),
            *(
                sa.cast(sa.func.sum(calls[name]), sa.BigInteger).label(name)
                for name in ("prompt_tokens", "completion_tokens", "cached_tokens")
            ),
            sa.case((known == sa.func.count(), total)).label("cost_usd"),
            total.label("known_cost_usd"),
            known.label("calls_with_cost"),
            sa.func.min(arrived).label("first_answer_at"),
            sa.func.max(arrived).label("last_answer_at"),
        )
        .where(calls.status != "claimed")
        .group_by(calls.report_id, calls.kind, calls.model)
        .cte("paid")
    )
    # What a database computes has no type of ours; who reads the view through ``table`` gets the usual values.
    tokens = ("prompt_tokens", "completion_tokens", "cached_tokens")
    whole = ("calls", "unusable_calls", *tokens, "calls_with_cost")
    counts = {name: _whole(paid.c[name]).label(name) for name in whole}
    calls_with_cost = counts.pop("calls_with_cost")
    return sa.select(
        reports.c.environment,
        paid.c.report_id,
        reports.c.name.label("report_name"),
        reports.c.status.label("report_status"),
        reports.c.created_at.label("report_created_at"),
        paid.c.kind,
        paid.c.model,
        *counts.values(),
        _real(paid.c.cost_usd).label("cost_usd"),
        _real(paid.c.known_cost_usd).label("known_cost_usd"),
        calls_with_cost,
        _time(paid.c.first_answer_at).label("first_answer_at"),
        _time(paid.c.last_answer_at).label("last_answer_at"),
        _whole(paid.c.unanswered_calls).label("unanswered_calls"),
    ).select_from(paid.outerjoin(reports, reports.c.id == paid.c.report_id))


def select_failing_agents() -> Select[Any]:
    """The query of the view ``failing_agents``."""
    looks, newest = _looks(), _newest_reports()
    streak = (
        sa.select(
            looks.c.environment,
            looks.c.agent_id,
            sa.func.max(looks.c.report_id).label("report_id"),
            sa.func.min(looks.c.report_id).label("since_id"),
            sa.func.count().label("reports"),
        )
        .where(looks.c.report_id > looks.c.fine_in, looks.c.failing == 1)
        .group_by(looks.c.environment, looks.c.agent_id)
        .cte("streak")
    )
    shortfall = criteria.c.threshold - criteria.c.score
    below = (
        sa.select(
            criteria.c.report_id,
            criteria.c.agent_id,
            criteria.c.criterion,
            criteria.c.score,
            criteria.c.threshold,
            sa.func.count().over(partition_by=(criteria.c.report_id, criteria.c.agent_id)).label("criteria"),
            sa.func.row_number()
            .over(
                partition_by=(criteria.c.report_id, criteria.c.agent_id),
                order_by=(shortfall.is_(None), shortfall.desc(), criteria.c.criterion),
            )
            .label("place"),
        )
        .join(
            streak,
            sa.and_(streak.c.report_id == criteria.c.report_id, streak.c.agent_id == criteria.c.agent_id),
        )
        .where(sa.or_(criteria.c.passed == sa.false(), criteria.c.score.is_(None)))
        .cte("below")
    )
    first, now = reports.alias("first"), details.alias("now")
    worst = sa.and_(below.c.report_id == streak.c.report_id, below.c.agent_id == streak.c.agent_id, below.c.place == 1)
    return (
        sa.select(
            *_of_report,
            details.c.status,
            details.c.score,
            details.c.error,
            details.c.completion_rate,
            details.c.completion_rate_low,
            details.c.completion_rate_high,
            details.c.runs_analyzed,
            _whole(sa.func.coalesce(below.c.criteria, 0)).label("criteria_not_passed"),
            below.c.criterion.label("worst_criterion"),
            below.c.score.label("worst_criterion_score"),
            below.c.threshold.label("worst_criterion_threshold"),
            _whole(streak.c.reports).label("reports_failing"),
            _whole(streak.c.since_id).label("failing_since_report_id"),
            first.c.created_at.label("failing_since"),
            details.c.success_rate,
            details.c.success_rate_low,
            details.c.success_rate_high,
            _text(
                sa.case(
                    (details.c.status == "failed", "not judged"),
                    (details.c.passed == sa.false(), "fails"),
                    else_="too close",
                )
            ).label("why"),
        )
        .select_from(streak)
        .join(newest, newest.c.environment == streak.c.environment)
        # Without one in the newest report the agent is gone, and nothing can be mended.
        .join(now, sa.and_(now.c.report_id == newest.c.report_id, now.c.agent_id == streak.c.agent_id))
        .join(details, sa.and_(details.c.report_id == streak.c.report_id, details.c.agent_id == streak.c.agent_id))
        .join(reports, reports.c.id == streak.c.report_id)
        .join(first, first.c.id == streak.c.since_id)
        .outerjoin(below, worst)
    )
