"""What the tables have in common: their metadata, and the Arrow types of nested columns."""

from __future__ import annotations

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey

from tasks.warehouse.columns import Whole

metadata = sa.MetaData()

# SQLite counts up by itself only in a column that is declared INTEGER, which is 64 bits wide there.
Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXTS = pa.list_(pa.string())
AGENT_REPORT = pa.struct([("score", pa.float64()), ("summary", pa.string())])
CITATION: list[tuple[str, pa.DataType]] = [
    ("run_id", pa.string()),
    ("label", pa.string()),
    ("span_id", pa.string()),
    ("quote", pa.string()),
]
EXAMPLE = pa.struct([*CITATION, ("text", pa.string())])
CONTRADICTION = pa.struct([("claim", pa.struct(CITATION)), ("observation", pa.struct(CITATION)), ("text", pa.string())])
SUSPICION = pa.struct([("run_id", pa.string()), ("place", pa.string()), ("text", pa.string())])


def report_id() -> Column[int]:
    return Column("report_id", Whole(), ForeignKey("reports.id", ondelete="CASCADE"), nullable=False)
