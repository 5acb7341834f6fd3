"""Opening the clients of a flow run or command, from its settings and Prefect's blocks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from tasks.clients import Clients, current_clients, find_clients, use_clients
from tasks.errors import ConfigurationError
from tasks.settings import ReportOptions, Settings, read_settings

if TYPE_CHECKING:
    from sqlalchemy import Engine


@contextmanager
def open_clients(settings: Settings | None = None) -> Iterator[Clients]:
    """Clients for these settings (those of the environment and ``.env`` when not given), closed after the block.

    Within a block with the same settings, its clients: a command and the flow that it runs connect once.

    Raises:
        ConfigurationError: a wrong setting.
    """
    settings = settings or read_settings()
    outer = find_clients()
    if outer is not None and outer.settings == settings:
        yield outer
        return
    with use_clients(Clients(settings, PrefectBlocks())) as clients:
        yield clients


def check_clients(options: ReportOptions, *, provisional: bool = False) -> list[str]:
    """Check that a report could use everything it needs, without changing anything or calling the judge.

    With ``provisional``, settings of the judge may be wrong or missing.

    Returns:
        Warnings about what a report can do without: Jaeger, and the judge's price.

    Raises:
        RefusedError, WarehouseError, SourceError: what would end the report before anything is paid for.
    """
    from tasks.evidence.prices import Tokens
    from tasks.judge.budget import describe_unknown_price
    from tasks.judge.runs.guidance import find_guidance
    from tasks.warehouse.parquet import check_writable
    from tasks.warehouse.sql import check_warehouse

    clients = current_clients()
    clients.source()
    check_warehouse(clients.warehouse_place())
    check_writable(clients.settings.parquet_url)
    warnings = []
    try:
        clients.judge_client(options)
    except ConfigurationError:
        if not provisional:
            raise
    find_guidance(clients.settings.judge_guidance)
    tier = clients.settings.service_tier
    price = clients.prices().cost_usd(options.judge_model, Tokens(1, 1), datetime.now(UTC), tier)
    if options.max_report_cost_usd and price is None:
        warnings.append(describe_unknown_price(options.max_report_cost_usd, options.judge_model))
    jaeger = clients.jaeger(options.max_concurrent_runs)
    problem = None if jaeger is None else jaeger.check()
    if problem:
        warnings.append(f"The report would be without traces: {problem}")
    return warnings


class PrefectBlocks:
    """Prefect's blocks, on the configured server. Importing Prefect takes a second, so it is put off until then."""

    def load_engine(self, name: str) -> Engine:
        """The engine of a SqlAlchemyConnector block.

        Raises:
            ConfigurationError: there is none of this name.
        """
        from prefect_sqlalchemy import SqlAlchemyConnector

        return cast("Engine", _load_block(SqlAlchemyConnector, name).get_engine())

    def load_secret(self, name: str, setting: str) -> Any:
        """The value of a Secret block, which ``setting`` names.

        Raises:
            ConfigurationError: there is none of this name.
        """
        from prefect.blocks.system import Secret

        return _load_block(Secret, name, f" ({setting})").get()


def _load_block(kind: Any, name: str, setting: str = "") -> Any:
    try:
        return kind.load(name)
    except ValueError:
        raise ConfigurationError(
            f"there is no {kind.__name__} block named {name!r} on this Prefect server{setting}"
        ) from None
