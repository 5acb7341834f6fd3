"""Connections to ClickHouse, which only read."""

from __future__ import annotations

import importlib.util

from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError

from tasks.errors import ConfigurationError
from tasks.wire.urls import refuse_ambiguous

_SCHEMES = ("clickhouse", "clickhousedb")


def is_clickhouse(url: str) -> bool:
    """Whether ``url`` names a ClickHouse."""
    return url.partition("://")[0].partition("+")[0].lower() in _SCHEMES and "://" in url


def open_clickhouse(url: str) -> Engine:
    """An engine on ``url`` (``clickhouse://user:password@host:8123/database?secure=true``) whose queries cannot write.

    Raises:
        ConfigurationError: its package is not installed, or the URL is none; the message holds no password.
    """
    refuse_ambiguous(url, "The source's URL")
    if importlib.util.find_spec("clickhouse_connect") is None:
        raise ConfigurationError("ClickHouse is read with a package of its own: pip install 'agent-report[clickhouse]'")
    # Its dialect is registered when it is imported.
    importlib.import_module("clickhouse_connect.cc_sqlalchemy")
    try:
        parsed = make_url(url).set(drivername="clickhousedb")
        # 2: nothing is written, but what the client sets for a query may be.
        return create_engine(parsed, hide_parameters=True).execution_options(settings={"readonly": 2})
    except (ArgumentError, ValueError):
        raise ConfigurationError(
            "The source's URL is none of ClickHouse: write clickhouse://user:password@host:8123/database, with special "
            "characters percent-encoded"
        ) from None
