"""Over how many runs the tokens of an agent are known."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    comment = "Over how many runs avg_tokens is."
    op.add_column("agent_report_details", sa.Column("runs_with_tokens", sa.BigInteger(), comment=comment))
    # SQLite keeps no comments.
    if op.get_context().dialect.name == "postgresql":
        op.alter_column("agent_report_details", "avg_tokens", comment="Of the runs of which they are known.")
