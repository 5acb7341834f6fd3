"""Blocks that hold what runs connect with: source, warehouse, and key and headers of the judge's endpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from prefect.blocks.core import Block
from prefect.blocks.system import Secret
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound
from prefect_sqlalchemy import ConnectionComponents, SqlAlchemyConnector
from pydantic import SecretStr
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from deployments.setup.piece import Found
from tasks.errors import ConfigurationError
from tasks.settings import Settings
from tasks.sources.files.places import describe
from tasks.sources.opening import absolute_url, is_database
from tasks.wire.urls import refuse_ambiguous

CONNECTOR, SECRET = "sqlalchemy-connector", "secret"
_VARIABLES = {
    "source": "AGENT_REPORT_SOURCE_URL",
    "warehouse": "AGENT_REPORT_WAREHOUSE_URL",
    "judge_key": "OPENAI_API_KEY",
    "judge_headers": "AGENT_REPORT_JUDGE_HEADERS",
}


@dataclass(frozen=True, slots=True)
class Held:
    """What one block holds: its name, its type's slug, and its values (None: any).

    ``setting`` names it to the runs; one that a person named there is never written over.
    """

    setting: str
    name: str
    slug: str
    values: Mapping[str, Any] | None
    is_ours: bool


class Blocks:
    """The blocks for which values are given, and those that settings name."""

    def __init__(self, settings: Settings) -> None:
        self.held: list[Held] = []
        self._skipped: list[Found] = []
        self._plain: dict[str, str] = {}
        self._add_source(settings)
        given = "warehouse_url" in settings.model_fields_set
        self._add(settings, "warehouse", CONNECTOR, settings.warehouse_url if given else None)
        self._add(settings, "judge_key", SECRET, settings.openai_api_key)
        if settings.judge_headers or settings.judge_headers_block:
            headers = {name: value.get_secret_value() for name, value in settings.judge_headers.items()}
            text = SecretStr(json.dumps(headers, sort_keys=True)) if headers else None
            self._add(settings, "judge_headers", SECRET, text)

    @property
    def environment(self) -> dict[str, str]:
        """The settings that make runs use these blocks, and what of the source is in none."""
        return {held.setting: held.name for held in self.held} | self._plain

    def inspect(self, client: SyncPrefectClient) -> Sequence[Found]:
        return [*(self._state(client, held) for held in self.held), *self._skipped]

    def make(self, client: SyncPrefectClient) -> None:
        for held in self.held:
            if not self._state(client, held).is_due:
                continue
            if held.values is None:
                raise ConfigurationError(
                    f"{held.setting}={held.name!r}: there is no such {held.slug} block on this Prefect server"
                )
            _block(held).save(held.name, overwrite=held.is_ours)

    def _add_source(self, settings: Settings) -> None:
        """A database has a block; files and stores of traces have none, and what is secret stays with the worker."""
        if settings.source_mapping:
            # Runs are made in another folder.
            self._plain["AGENT_REPORT_SOURCE_MAPPING"] = str(Path(settings.source_mapping).expanduser().resolve())
        variable = _VARIABLES["source"]
        url = settings.source_url.get_secret_value() if settings.source_url is not None else ""
        if settings.source_block or not url or (is_database(url) and not settings.source_preset):
            self._add(settings, "source", CONNECTOR, settings.source_url)
            return
        # What is not shown to people, user, password and query, is secret.
        if settings.source_headers or describe(url) != url:
            detail = f"{variable} and its headers hold secrets: runs use what their worker has"
            self._skipped.append(Found("source", "skipped", detail))
            return
        self._plain[variable] = absolute_url(url)
        if settings.source_preset:
            self._plain["AGENT_REPORT_SOURCE_PRESET"] = settings.source_preset

    def _add(self, settings: Settings, thing: str, slug: str, value: SecretStr | None) -> None:
        setting = f"AGENT_REPORT_{thing.upper()}_BLOCK"
        variable = _VARIABLES[thing]
        named: str = getattr(settings, f"{thing}_block")
        default = f"agent-report-{thing.replace('_', '-')}"
        if not named and value is None:
            detail = f"{variable} is not given: runs use what their worker has"
            self._skipped.append(Found(f"block {default}", "skipped", detail))
            return
        values = None
        if value is not None:
            text = value.get_secret_value()
            values = {"value": text} if slug == SECRET else _components(text, variable)
        self.held.append(Held(setting, named or default, slug, values, is_ours=not named))

    def _state(self, client: SyncPrefectClient, held: Held) -> Found:
        what = f"block {held.name}"
        try:
            document = client.read_block_document_by_name(held.name, held.slug, include_secrets=True)
        except ObjectNotFound:
            return Found(what, "missing", f"{held.setting} names it" if held.values is None else "")
        if held.values is None or not held.is_ours:
            return Found(what, "there", f"{held.setting} names it")
        known = document.data["connection_info"] if held.slug == CONNECTOR else document.data
        wrong = (
            [key for key, value in held.values.items() if known.get(key) != value] if isinstance(known, dict) else []
        )
        if wrong or not isinstance(known, dict):
            return Found(what, "different", f"it holds another {', '.join(wrong) or 'value'}")
        return Found(what, "there")


def _components(url: str, variable: str) -> dict[str, Any]:
    refuse_ambiguous(url, f"wrong setting: {variable}")
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # Its message holds the URL.
        raise ConfigurationError(f"wrong setting: {variable}: is no SQLAlchemy URL") from None
    database = parsed.database
    if parsed.get_backend_name() == "sqlite" and database and database != ":memory:":
        # Runs are made in another folder.
        database = str(Path(database).resolve())
    return {
        # The block takes a driver with its name only.
        "driver": parsed.drivername if "+" in parsed.drivername else _DRIVERS.get(parsed.drivername, parsed.drivername),
        "database": database,
        "username": parsed.username,
        "password": parsed.password,
        "host": parsed.host,
        "port": parsed.port,
        "query": dict(parsed.query) or None,
    }


_DRIVERS = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


def _block(held: Held) -> Block:
    assert held.values is not None
    if held.slug == SECRET:
        return Secret(value=held.values["value"])
    return cast(Block, SqlAlchemyConnector(connection_info=ConnectionComponents(**held.values)))
