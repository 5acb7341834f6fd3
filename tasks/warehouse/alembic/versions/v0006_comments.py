"""Comments of columns in plainer words."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_COMMENTS = {
    "reports.evidence_until": "Runs up to then were read.",
    "reports.citations_dropped": "Invalid citations of the judge, over the team and all agents.",
    "agent_report_details.citations_dropped": "Invalid citations of the judge.",
    "agent_report_details.suspicions": "What looks like an attempt to influence the judge.",
    "report_runs.tool_calls": "As the source has them, in excerpts. NULL: it has none, or the trace has them.",
    "report_comparisons.detectable": "The smallest difference that could have been distinguished from noise.",
}


def upgrade() -> None:
    # SQLite keeps no comments.
    if op.get_context().dialect.name == "postgresql":
        for place, comment in _COMMENTS.items():
            table, column = place.split(".")
            op.alter_column(table, column, comment=comment)
