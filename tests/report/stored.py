"""Simulated reports in a warehouse."""

from __future__ import annotations

from tasks.report.reading import Reading
from tasks.warehouse.sql import Warehouse


def store(warehouse: Warehouse, reading: Reading) -> int:
    """Write ``reading`` as a new report of the warehouse; its id there."""
    values = {name: value for name, value in reading.report.items() if name not in ("id", "status")}
    report_id = warehouse.create_report(values | {"status": "pending"})
    details = [row | {"passed": None} for row in reading.details]
    runs = [row | {"status": "completed" if row["succeeded"] else "failed"} for row in reading.runs]
    end = {"status": reading.report["status"]}
    warehouse.write_report(report_id, end, details, list(reading.criteria), runs)
    return report_id
