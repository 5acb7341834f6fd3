"""The environment of a stack's processes: the stack's own settings, and the user's where they apply."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import sqlalchemy as sa
from dotenv import dotenv_values

from deployments.local.prefect_server import without_prefect
from deployments.local.runner import QUIET_SETTINGS
from tasks.connecting import open_clients
from tasks.errors import ConfigurationError
from tasks.settings import NO_ENV_FILE, SIMULATED_JUDGE_MODEL, read_settings
from tasks.sources.opening import absolute_url, is_database

_OURS = ("AGENT_REPORT_", "OPENAI_")
# Runs get them from the worker's environment. Blocks would outlive the values that they copy.
_BLOCKS = ("AGENT_REPORT_SOURCE_URL", "AGENT_REPORT_WAREHOUSE_URL", "AGENT_REPORT_JUDGE_HEADERS", "OPENAI_API_KEY")
_WEBHOOKS = "AGENT_REPORT_WEBHOOK_"


def read_user_settings() -> dict[str, str]:
    """The user's settings of this project: the environment, and ``.env`` where the command is called.

    Raises:
        RefusedError: one of them is wrong, or the source is missing.
    """
    given = {**dotenv_values(".env"), **os.environ}
    values = {name: value for name, value in given.items() if name.startswith(_OURS) and value}
    settings = read_settings()
    if settings.source_url is None and not settings.source_block:
        raise ConfigurationError("no source: set AGENT_REPORT_SOURCE_URL, or try it with --demo")
    return _absolute(values)


def check_source() -> None:
    """Return if the source is readable. A block is resolved by the runs, as its server is not started yet.

    Raises:
        SourceError: it cannot be read.
        RefusedError: as ``Clients.source``.
    """
    with open_clients() as clients:
        if not clients.settings.source_block:
            clients.source().check()


def demo_settings(folder: Path, jaeger_url: str, judge_url: str) -> dict[str, str]:
    """The settings that lead to the demo's services, with their source in ``folder``."""
    return {
        "AGENT_REPORT_ENVIRONMENT": "demo",
        "AGENT_REPORT_SOURCE_URL": f"sqlite:///{folder / 'source.db'}",
        "AGENT_REPORT_JAEGER_URL": jaeger_url,
        "AGENT_REPORT_JUDGE_MODEL": SIMULATED_JUDGE_MODEL,
        "OPENAI_BASE_URL": f"{judge_url}/v1",
        "OPENAI_API_KEY": "simulated",
    }


def base_environment() -> dict[str, str]:
    """This process's environment without what leads to another Prefect, and without settings of this project."""
    return {name: value for name, value in without_prefect().items() if not name.startswith(_OURS)}


def client_environment(home: Path, server: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """What the worker, the receiver and setup need to use the stack's server and to know the ``settings``.

    ``server`` is what ``client_settings`` gives.
    """
    return {
        **base_environment(),
        "PREFECT_HOME": str(home),
        # Not the user's profiles, which may name another server.
        "PREFECT_PROFILES_PATH": str(home / "profiles.toml"),
        **server,
        **QUIET_SETTINGS,
        # Runs are made in the clone, and a file there does not have what this stack was started with.
        NO_ENV_FILE: "1",
        **settings,
    }


def worker_environment(home: Path, server: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """``client_environment`` for a worker that polls often, without the receiver's settings."""
    wanted = {name: value for name, value in settings.items() if not name.startswith(_WEBHOOKS)}
    return {
        **client_environment(home, server, wanted),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_WORKER_HEARTBEAT_SECONDS": "10",
    }


def setup_environment(home: Path, server: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """``client_environment`` without the receiver's settings, and without values that setup would make blocks of."""
    wanted = {name: value for name, value in settings.items() if name not in _BLOCKS and not name.startswith(_WEBHOOKS)}
    # It begins while the server still starts: the first answer may take long.
    return {**client_environment(home, server, wanted), "PREFECT_API_REQUEST_TIMEOUT": "180"}


def _absolute(values: Mapping[str, str]) -> dict[str, str]:
    """``values`` with paths that also hold in another folder, as runs are made in theirs."""
    changed = dict(values)
    for name in ("AGENT_REPORT_SOURCE_URL", "AGENT_REPORT_WAREHOUSE_URL"):
        if name in changed:
            changed[name] = _absolute_url(changed[name])
    source = changed.get("AGENT_REPORT_SOURCE_URL", "")
    if source and not is_database(source):
        changed["AGENT_REPORT_SOURCE_URL"] = absolute_url(source)
    if mapping := changed.get("AGENT_REPORT_SOURCE_MAPPING"):
        changed["AGENT_REPORT_SOURCE_MAPPING"] = str(Path(mapping).expanduser().resolve())
    parquet = changed.get("AGENT_REPORT_PARQUET_URL", "")
    if parquet and "://" not in parquet:
        changed["AGENT_REPORT_PARQUET_URL"] = str(Path(parquet).resolve())
    return changed


def _absolute_url(text: str) -> str:
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        # The process that reads it reports what is wrong with it.
        return text
    database = url.database
    if url.get_backend_name() != "sqlite" or not database or database == ":memory:" or database.startswith("file:"):
        return text
    return url.set(database=str(Path(database).resolve())).render_as_string(hide_password=False)
