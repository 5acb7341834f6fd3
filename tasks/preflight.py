"""Whether everything that a report needs can be used, looked at without changing anything or asking the judge."""

from __future__ import annotations

from datetime import UTC, datetime

from tasks.clients import current_clients
from tasks.evidence.prices import Tokens
from tasks.judge.budget import describe_unknown_price
from tasks.settings import ReportOptions
from tasks.warehouse.parquet import check_writable
from tasks.warehouse.sql import check_warehouse


def check_everything(options: ReportOptions) -> list[str]:
    """Warnings on what a report can do without: Jaeger, and the judge's price. Empty when there is nothing to say.

    Raises:
        RefusedError, WarehouseError, SourceError: what would end the report before anything is paid for.
    """
    clients = current_clients()
    clients.source()
    check_warehouse(clients.warehouse_place())
    check_writable(clients.settings.parquet_url)
    clients.judge_client(options)
    price = clients.prices().cost_usd(options.judge_model, Tokens(1, 1), datetime.now(UTC))
    warnings = []
    if options.max_report_cost_usd and price is None:
        warnings.append(describe_unknown_price(options.max_report_cost_usd, options.judge_model))
    jaeger = clients.jaeger(options.max_concurrent_runs)
    problem = None if jaeger is None else jaeger.check()
    if problem:
        warnings.append(f"The report would be without traces: {problem}")
    return warnings
