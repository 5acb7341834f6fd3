"""Parameters keep the order in which they were given: PostgreSQL's JSONB sorts keys, and criteria have an order."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # SQLite keeps the text as it was given.
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("reports", "parameters", type_=sa.JSON(), postgresql_using="parameters::json")
