"""The tool calls that the source has of a run, for runs without a trace."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    comment = "As the source has them, in excerpts. NULL: it has none."
    kind = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    op.add_column("report_runs", sa.Column("tool_calls", kind, comment=comment))
