"""Read reports from Python, for notebooks and scripts; and the types of runs, for criteria of your own.

Every reader returns a pandas frame and changes nothing in the warehouse (``update_parquet`` rewrites old files):

    from agent_report import read_agents

    agents = read_agents("sqlite:///agent-report-data/warehouse.db", environment="production")

A function of a criterion of the kind ``code`` is given a ``Run``.
"""

from tasks.errors import WarehouseError
from tasks.evidence.types import Run, ToolCall
from tasks.warehouse.frames import (
    read_agents,
    read_criteria,
    read_issues,
    read_parquet_table,
    read_reports,
    read_runs,
    read_view,
)
from tasks.warehouse.parquet import update_parquet

__all__ = [
    "Run",
    "ToolCall",
    "WarehouseError",
    "read_agents",
    "read_criteria",
    "read_issues",
    "read_parquet_table",
    "read_reports",
    "read_runs",
    "read_view",
    "update_parquet",
]
