"""The source that a URL names: a database, files, or the traces of a store."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.errors import ConfigurationError
from tasks.evidence.values import Redact
from tasks.sources.contract.mapping import SETTING as MAPPING
from tasks.sources.contract.mapping import load_mapping
from tasks.sources.source import Source
from tasks.sources.spans.listing import LOOK_BACK
from tasks.wire.route import describe_route

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tasks.sources.spans.api import StoreApi
    from tasks.sources.spans.notes import NoteStore
    from tasks.sources.spans.store import SpanStore

_CLICKHOUSE = frozenset({"clickhouse", "clickhousedb"})
DATABASES = frozenset({"sqlite", "postgresql", "postgres", "mysql", "mariadb"}) | _CLICKHOUSE
"""The kinds of URLs that name a database of SQLAlchemy."""
_OTLP = "otlp:"
_WEB = ("http", "https")
_CONNECTIONS = 8
_REQUEST_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """What goes with the URL of a source: the mapping's path, the preset's name, the headers of a store's API (with
    credentials). ``variables`` are the process's, for the proxies that messages name. ``redact`` is applied to the
    values that messages quote."""

    mapping: str = ""
    preset: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    redact: Redact | None = None


def open_source(url: str, settings: SourceSettings) -> Source:
    """The source at ``url``, which is one of

    - ``sqlite:///path``, ``postgresql://…``, ``mysql://…``: tables of Station, of the contract, or a mapping's queries;
    - ``jaeger+http://…``, and the other stores of ``STORES``, also by https: traces;
    - ``otlp:folder/*.json``: traces in files of OpenTelemetry;
    - a path, a folder, a glob or a URL of fsspec: files; with a preset, traces in them or in ClickHouse.

    Raises:
        ConfigurationError: the URL or a setting beside it cannot be used; the message holds no password.
        SourceError: there is no such file.
    """
    url = url.strip()
    _refuse_half_urls(url)
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    kind, _, transport = scheme.partition("+")
    if settings.preset:
        from tasks.sources.span_tables.presets import open_preset

        # Files are read as a whole anyway.
        look_back = LOOK_BACK if kind in _CLICKHOUSE else None
        return _of_traces(open_preset(settings.preset, url), settings, look_back)
    if url[: len(_OTLP)].lower() == _OTLP:
        from tasks.sources.otlp.store import OtlpStore

        return _of_traces(OtlpStore(url[len(_OTLP) :]), settings, None)
    if transport in _WEB:
        return _of_store(kind, url[len(kind) + 1 :], settings)
    if kind in DATABASES:
        from tasks.sources.sql.connection import open_database

        return _of_tables(open_database(url), settings)
    from tasks.sources.files.opening import open_files

    return _of_tables(open_files(url), settings)


def _refuse_half_urls(url: str) -> None:
    """``postgresql:user:secret@host`` would be read as the path of a file, and a path is shown."""
    begin = url.partition(":")[0]
    kind, _, transport = begin.lower().partition("+")
    if "://" not in url and ":" in url and (kind in DATABASES or kind in STORES or transport in _WEB):
        raise ConfigurationError(
            f"AGENT_REPORT_SOURCE_URL begins with {begin}: and is no URL: write {begin}://user:password@host/database, "
            "or ./ in front of a file's name"
        )


def is_database(url: str) -> bool:
    """Whether ``url`` names a database of SQLAlchemy."""
    scheme, mark, _ = url.strip().partition("://")
    return bool(mark) and scheme.lower().partition("+")[0] in DATABASES


def absolute_url(url: str) -> str:
    """``url`` as it is from any folder: the path of files is absolute. What is no path is as it was.

    Raises:
        ConfigurationError: it begins like the URL of a database and is none.
    """
    url = url.strip()
    _refuse_half_urls(url)
    begin = url[: len(_OTLP)] if url[: len(_OTLP)].lower() == _OTLP else ""
    path = url[len(begin) :]
    return url if not path or "://" in path else begin + str(Path(path).expanduser().absolute())


def open_engine(engine: Engine, settings: SourceSettings) -> Source:
    """The source in a database whose engine comes from elsewhere, such as a block of Prefect.

    Raises:
        ConfigurationError: it is none that can be read, or the mapping cannot.
    """
    from tasks.sources.sql.connection import make_read_only

    return _of_tables(make_read_only(engine), settings)


def _of_tables(engine: Engine, settings: SourceSettings) -> Source:
    from tasks.sources.sql.source import SqlSource

    return SqlSource(engine, load_mapping(settings.mapping), settings.redact)


def _of_traces(
    store: SpanStore, settings: SourceSettings, look_back: timedelta | None, notes: NoteStore | None = None
) -> Source:
    from tasks.sources.spans.source import TraceSource

    if settings.mapping:
        store.close()
        raise ConfigurationError(
            f"{MAPPING}={settings.mapping}: a mapping is for databases and files; agents and runs are read from the "
            "spans of traces without one: unset it"
        )
    return TraceSource(store, settings.redact, look_back=look_back, notes=notes)


def _of_store(kind: str, url: str, settings: SourceSettings) -> Source:
    if kind not in STORES:
        near = difflib.get_close_matches(kind, STORES, n=1)
        known = f"did you mean {near[0]}+http?" if near else "there is " + ", ".join(f"{name}+http" for name in STORES)
        raise ConfigurationError(
            f"AGENT_REPORT_SOURCE_URL begins with {kind}+http, which is no store of traces: {known}"
        )
    api = _open_api(kind, url, settings)
    notes = NOTE_STORES[kind](api) if kind in NOTE_STORES else None
    return _of_traces(STORES[kind](api), settings, LOOK_BACK, notes)


def _open_api(kind: str, url: str, settings: SourceSettings) -> StoreApi:
    from tasks.sources.jaeger.http import open_http
    from tasks.sources.spans.api import StoreApi

    http = open_http(
        url,
        settings.headers,
        max_concurrent=_CONNECTIONS,
        timeout_seconds=_REQUEST_SECONDS,
        setting="source",
        example=f"{kind}+http://localhost:1234",
    )
    return StoreApi(
        http,
        max_concurrent=_CONNECTIONS,
        timeout_seconds=_REQUEST_SECONDS,
        route=describe_route(url, settings.variables),
    )


def _jaeger(api: StoreApi) -> SpanStore:
    from tasks.sources.jaeger.store import JaegerStore

    return JaegerStore(api)


def _phoenix(api: StoreApi) -> SpanStore:
    from tasks.sources.phoenix.store import PhoenixStore

    return PhoenixStore(api)


def _mlflow(api: StoreApi) -> SpanStore:
    from tasks.sources.mlflow.store import MlflowStore

    return MlflowStore(api)


def _tempo(api: StoreApi) -> SpanStore:
    from tasks.sources.tempo.store import TempoStore

    return TempoStore(api)


def _langfuse(api: StoreApi) -> SpanStore:
    from tasks.sources.langfuse.store import LangfuseStore

    return LangfuseStore(api)


STORES: Mapping[str, Callable[[StoreApi], SpanStore]] = {
    "jaeger": _jaeger,
    "langfuse": _langfuse,
    "mlflow": _mlflow,
    "phoenix": _phoenix,
    "tempo": _tempo,
}
"""The stores of traces that are read by their API, by the kind in ``kind+http://``."""


def _phoenix_notes(api: StoreApi) -> NoteStore:
    from tasks.sources.phoenix.annotations import PhoenixAnnotations

    return PhoenixAnnotations(api)


def _langfuse_notes(api: StoreApi) -> NoteStore:
    from tasks.sources.langfuse.notes import LangfuseNotes

    return LangfuseNotes(api)


def _mlflow_notes(api: StoreApi) -> NoteStore:
    from tasks.sources.mlflow.assessments import MlflowAssessments

    return MlflowAssessments(api)


NOTE_STORES: Mapping[str, Callable[[StoreApi], NoteStore]] = {
    "phoenix": _phoenix_notes,
    "langfuse": _langfuse_notes,
    "mlflow": _mlflow_notes,
}
"""The stores of traces to which verdicts can be written back, by the same kind."""
