"""The query of the view on issues."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Select

from tasks.report.rows import OTHER_ISSUE
from tasks.warehouse.schema import issue_decisions as decisions
from tasks.warehouse.schema import report_issues as issues
from tasks.warehouse.schema import reports


def select_open_issues() -> Select[Any]:
    """The query of the view ``open_issues``."""
    newest = (
        sa.select(reports.c.environment, issues.c.issue_id, sa.func.max(issues.c.report_id).label("report_id"))
        .select_from(issues.join(reports, reports.c.id == issues.c.report_id))
        .where(reports.c.status == "completed", issues.c.issue_id != OTHER_ISSUE)
        .group_by(reports.c.environment, issues.c.issue_id)
        .cte("newest")
    )
    decided = (
        sa.select(decisions.c.environment, decisions.c.issue_id, sa.func.max(decisions.c.id).label("id"))
        .group_by(decisions.c.environment, decisions.c.issue_id)
        .cte("decided")
    )
    first = reports.alias("first")
    same = sa.and_(decided.c.environment == newest.c.environment, decided.c.issue_id == newest.c.issue_id)
    row = sa.and_(issues.c.report_id == newest.c.report_id, issues.c.issue_id == newest.c.issue_id)
    return (
        sa.select(
            reports.c.environment,
            issues.c.issue_id,
            issues.c.title,
            issues.c.description,
            issues.c.probable_cause,
            issues.c.recommendation,
            issues.c.agent_ids,
            issues.c.runs_affected,
            issues.c.share,
            issues.c.share_low,
            issues.c.share_high,
            issues.c.gain,
            issues.c.state,
            issues.c.origin,
            issues.c.report_id,
            reports.c.created_at.label("report_created_at"),
            issues.c.first_report_id,
            first.c.created_at.label("first_reported_at"),
        )
        .select_from(newest)
        .join(issues, row)
        .join(reports, reports.c.id == newest.c.report_id)
        .outerjoin(first, first.c.id == issues.c.first_report_id)
        .outerjoin(decided, same)
        .outerjoin(decisions, decisions.c.id == decided.c.id)
        .where(
            issues.c.state != "gone",
            # A report that found it after a person had decided outweighs that.
            sa.or_(
                decisions.c.id.is_(None),
                decisions.c.decision == "open",
                decisions.c.report_id < issues.c.report_id,
            ),
        )
    )
