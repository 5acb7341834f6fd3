"""Read reports from Python, for notebooks and scripts.

Every reader returns a pandas frame and changes nothing in the warehouse (``update_parquet`` rewrites old files):

    from agent_report import read_agents

    agents = read_agents("sqlite:///agent-report-data/warehouse.db", environment="production")
"""

from tasks.errors import WarehouseError
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
