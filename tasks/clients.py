"""The connections of this process, each made once: source, warehouse, Jaeger, judge. Here settings become clients."""

from __future__ import annotations

import difflib
import importlib
import json
import os
import re
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

from tasks.errors import ConfigurationError, scrub
from tasks.settings import ReportOptions, Settings
from tasks.wire.route import describe_route
from tasks.wire.urls import refuse_ambiguous

# What makes a connection is imported by the function that makes it: a command that only reads the warehouse would wait
# two seconds for Prefect and the judge's SDK.
if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

    from tasks.evidence.prices import RunPrices
    from tasks.judge.endpoint.client import JudgeClient
    from tasks.judge.prompt.tokens import TokenScale
    from tasks.redaction.redactor import Hook, Redactor
    from tasks.sources.jaeger.client import JaegerClient
    from tasks.sources.sql.runs import Source
    from tasks.warehouse.ledger.sql_ledger import SqlLedger
    from tasks.warehouse.patience import Patience
    from tasks.warehouse.sql import Warehouse

NO_ENV_FILE = "AGENT_REPORT_NO_ENV_FILE"
"""When this variable is there, the environment alone holds the settings, and no ``.env`` is read."""

_PREFIX = "AGENT_REPORT_"
# No settings: the mark of what `up` started, and what CI tells the tests.
_OTHER_VARIABLES = {NO_ENV_FILE, "AGENT_REPORT_STACK", "AGENT_REPORT_NO_SKIPS"}
# What Kubernetes puts into every container beside a service that is called agent-report.
_OF_KUBERNETES = re.compile(
    r"AGENT_REPORT_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)
_HARMLESS = (int, float, bool, float | None)
_OPENAI_URL = "https://api.openai.com/v1"
T = TypeVar("T")
_made: dict[tuple[Any, ...], Any] = {}
_lock = threading.Lock()


def read_settings() -> Settings:
    """The settings as the environment and ``.env`` are now; read anew only when one of them has changed.

    Raises:
        RefusedError: a wrong setting, or one that there is none of, in one line that names it. Values are shown only of
            numbers, switches and models: others can hold secrets.
    """
    names = ("AGENT_REPORT_", "OPENAI_")
    given = tuple(sorted(item for item in os.environ.items() if item[0].upper().startswith(names)))
    file = Path(".env")
    stamp = (file.resolve(), file.stat().st_mtime_ns) if file.exists() and NO_ENV_FILE not in os.environ else None
    return _settings(given, stamp)


@lru_cache(maxsize=4)
def _settings(_given: tuple[tuple[str, str], ...], stamp: object) -> Settings:
    _refuse_unknown([name for name, _ in _given] + ([*dotenv_values(".env")] if stamp else []))
    try:
        return Settings(_env_file=".env" if stamp else None)
    except ValidationError as error:
        wrong = "; ".join(f"{_variable(item['loc'])}: {item['msg']}{_shown(item)}" for item in error.errors())
        raise ConfigurationError(f"wrong setting: {wrong}") from None
    except SettingsError as error:
        # It says which field holds no JSON, and not what it holds.
        field = str(error).partition('field "')[2].partition('"')[0]
        described = Settings.model_fields[field].description if field in Settings.model_fields else None
        example = f" ({described})" if described else ""
        raise ConfigurationError(f"wrong setting: {_variable((field,))}: must be JSON{example}") from None


def _refuse_unknown(names: Sequence[str]) -> None:
    """A mistyped setting would leave the default in force, without a word: a limit to the cost, say."""
    known = {f"{_PREFIX}{name.upper()}" for name in Settings.model_fields} | _OTHER_VARIABLES
    for name in names:
        variable = name.upper()
        if variable.startswith(_PREFIX) and variable not in known and not _OF_KUBERNETES.fullmatch(variable):
            own = variable.removeprefix(_PREFIX)
            near = difflib.get_close_matches(own, [other.removeprefix(_PREFIX) for other in sorted(known)], n=1)
            hint = f"did you mean {_PREFIX}{near[0]}?" if near else "the README lists those there are"
            raise ConfigurationError(f"wrong setting: there is no {variable}: {hint}")


def _shown(item: ErrorDetails) -> str:
    """The value that is wrong, of a setting that can hold no secret."""
    field = Settings.model_fields.get(str(item["loc"][0]).lower()) if item["loc"] else None
    if field is None or field.annotation not in _HARMLESS:
        return ""
    return f" (value: {str(item['input'])[:100]!r})"


def _variable(location: tuple[int | str, ...]) -> str:
    name = str(location[0]) if location else "setting"
    if name.upper().startswith("OPENAI_"):
        return name.upper()
    return ".".join(["AGENT_REPORT_" + name.upper(), *(str(part) for part in location[1:])])


def source() -> Source:
    """The source of agents and runs, read-only.

    Raises:
        RefusedError: neither ``AGENT_REPORT_SOURCE_URL`` nor ``_SOURCE_BLOCK`` is set, or it cannot be used; or as
            ``redactor``.
    """
    from tasks.sources.sql.connection import make_read_only, open_source
    from tasks.sources.sql.runs import Source

    settings = read_settings()
    own = redactor()
    hide = own.redact if own is not None else None
    if settings.source_block:
        block = settings.source_block
        return _once(
            ("source block", block, *_redaction(settings)), lambda: Source(make_read_only(_block_engine(block)), hide)
        )
    if settings.source_url is None:
        raise ConfigurationError(
            "no source: set AGENT_REPORT_SOURCE_URL (such as sqlite:///station.db), or AGENT_REPORT_SOURCE_BLOCK"
        )
    url = settings.source_url.get_secret_value()
    return _once(("source", url, *_redaction(settings)), lambda: Source(open_source(url), hide))


def redactor() -> Redactor | None:
    """What replaces secrets and personal data in agents' texts; None when ``AGENT_REPORT_REDACT`` is off.

    Raises:
        RefusedError: a wrong expression in ``AGENT_REPORT_REDACT_PATTERNS``, or ``_REDACT_HOOK`` is no function that
            can be imported.
    """
    from tasks.redaction.redactor import Redactor

    settings = read_settings()
    if not settings.redact:
        return None
    return _once(
        ("redactor", *_redaction(settings)),
        lambda: Redactor(settings.redact_patterns, _load_hook(settings.redact_hook) if settings.redact_hook else None),
    )


def _redaction(settings: Settings) -> tuple[Any, ...]:
    return settings.redact, tuple(settings.redact_patterns.items()), settings.redact_hook


def _load_hook(place: str) -> Hook:
    wrong = f"redact_hook={place!r} (AGENT_REPORT_REDACT_HOOK)"
    module, colon, name = place.partition(":")
    if not (module and colon and name):
        raise ConfigurationError(f"{wrong} is not of the form module:function")
    try:
        hook = getattr(importlib.import_module(module), name)
    except Exception as error:  # noqa: BLE001
        # Whatever the module does when it is imported.
        raise ConfigurationError(f"{wrong} cannot be imported: {scrub(f'{type(error).__name__}: {error}')}") from None
    if not callable(hook):
        raise ConfigurationError(f"{wrong} is no function")
    return cast("Hook", hook)


def warehouse() -> Warehouse:
    """The warehouse, its tables up to date."""
    from tasks.warehouse.sql import open_warehouse

    block = read_settings().warehouse_block
    if block:
        return _once(("warehouse block", block), lambda: open_warehouse(warehouse_place()))
    url = warehouse_place()
    return _once(("warehouse", url), lambda: open_warehouse(url))


def warehouse_place() -> str | URL:
    """The warehouse's URL, with its password.

    Raises:
        RefusedError: it is the source's, or there is no such block.
    """
    settings = read_settings()
    if settings.warehouse_block:
        return _block_engine(settings.warehouse_block).url
    url = settings.warehouse_url.get_secret_value()
    if settings.source_url is not None and not settings.source_block:
        _refuse_one_database(settings.source_url.get_secret_value(), url)
    return url


def _refuse_one_database(source_url: str, warehouse_url: str) -> None:
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        both = [make_url(url) for url in (source_url, warehouse_url)]
    except (ArgumentError, ValueError):
        return  # Whoever opens it says so.
    places = [
        (Path(url.database or "").resolve(),)
        if url.get_backend_name() == "sqlite"
        else (url.get_backend_name().removesuffix("ql"), url.host, url.port or 5432, url.database)
        for url in both
    ]
    if places[0] == places[1]:
        raise ConfigurationError(
            "AGENT_REPORT_SOURCE_URL and AGENT_REPORT_WAREHOUSE_URL name the same database: the source is only ever "
            "read, so the warehouse has to be another one"
        )


def ledger() -> SqlLedger:
    """The ledger, in the warehouse."""
    from tasks.warehouse.ledger.sql_ledger import SqlLedger

    return SqlLedger(warehouse().database)


def patience() -> Patience:
    """How long an outage of the warehouse may last before a report fails."""
    from tasks.warehouse.patience import Patience

    return Patience(read_settings().warehouse_outage_seconds)


def prices() -> RunPrices:
    """Prices of models, looked up once each; those of the settings come first.

    Raises:
        RefusedError: a price in the settings that is none.
    """
    from tasks.evidence.prices import RunPrices

    own = read_settings().prices
    return _once(("prices", json.dumps(own, sort_keys=True)), lambda: RunPrices(own))


def jaeger(max_concurrent: int) -> JaegerClient | None:
    """Jaeger, at most ``max_concurrent`` requests at once; None when none is configured."""
    from tasks.sources.jaeger.client import open_jaeger

    settings = read_settings()
    if settings.jaeger_url is None:
        return None
    url = settings.jaeger_url.get_secret_value()
    headers = {name: value.get_secret_value() for name, value in settings.jaeger_headers.items()}
    key = ("jaeger", url, tuple(headers.items()), settings.jaeger_service, settings.jaeger_tag, max_concurrent)
    return _once(
        (*key, settings.jaeger_timeout_seconds),
        lambda: open_jaeger(
            url,
            headers=headers,
            service=settings.jaeger_service,
            tag=settings.jaeger_tag,
            max_concurrent=max_concurrent,
            timeout_seconds=settings.jaeger_timeout_seconds,
            route=describe_route(url, os.environ),
        ),
    )


def judge_client(options: ReportOptions) -> JudgeClient:
    """The judge's client for these options, behind the limiter of its endpoint and key.

    Raises:
        RefusedError: no key for OpenAI's own endpoint, a key that is none, or an endpoint's URL that is none.
    """
    from tasks.judge.endpoint.capabilities import Capabilities
    from tasks.judge.endpoint.client import JudgeClient, open_endpoint
    from tasks.judge.endpoint.limiter import RateLimiter

    settings = read_settings()
    base_url = settings.openai_base_url.rstrip("/") or _OPENAI_URL
    refuse_ambiguous(base_url, "wrong setting: OPENAI_BASE_URL")
    if urlsplit(base_url).scheme not in ("http", "https") or not urlsplit(base_url).hostname:
        raise ConfigurationError("wrong setting: OPENAI_BASE_URL: must be a URL such as http://localhost:8000/v1")
    key = _judge_key(settings)
    if not (key.isascii() and key.isprintable()) or " " in key:
        # In a header it would raise, and the error would hold the key.
        name = "AGENT_REPORT_JUDGE_KEY_BLOCK" if settings.judge_key_block else "OPENAI_API_KEY"
        raise ConfigurationError(f"wrong setting: {name}: holds a space, a line break or a letter that no key has")
    if not key and base_url == _OPENAI_URL:
        raise ConfigurationError("no key for the judge: set OPENAI_API_KEY, or OPENAI_BASE_URL for another endpoint")
    # Together: the client goes the way that the environment named when it was opened, and NO_PROXY grows later, by the
    # address of our own Prefect server.
    client, route = _once(
        ("openai", base_url, key),
        lambda: (open_endpoint(base_url, key), describe_route(base_url, os.environ)),
    )
    width, per_minute = options.max_concurrent_evals, settings.judge_requests_per_minute
    limiter = _once(("limiter", base_url, key, options.judge_model), lambda: RateLimiter(width, per_minute))
    limiter.set_limits(width, per_minute)
    return JudgeClient(
        openai=client,
        limiter=limiter,
        model=options.judge_model,
        call_timeout_seconds=settings.judge_call_timeout_seconds,
        max_attempts=settings.judge_max_attempts,
        max_output_tokens=settings.judge_max_output_tokens,
        temperature=settings.judge_temperature,
        capabilities=_once(("capabilities", base_url, options.judge_model), Capabilities),
        route=route,
    )


def _judge_key(settings: Settings) -> str:
    if not settings.judge_key_block:
        return settings.openai_api_key.get_secret_value() if settings.openai_api_key else ""
    return _once(("judge key block", settings.judge_key_block), lambda: _secret(settings.judge_key_block))


def _secret(name: str) -> str:
    from prefect.blocks.system import Secret

    try:
        block = Secret.load(name)
    except ValueError:
        raise ConfigurationError(
            f"there is no Secret block named {name!r} on this Prefect server (AGENT_REPORT_JUDGE_KEY_BLOCK)"
        ) from None
    return str(cast(Any, block).get())


def token_scale(options: ReportOptions) -> TokenScale:
    """What is known of how the judge's model counts tokens, for as long as the process lives."""
    from tasks.judge.prompt.tokens import TokenScale

    base_url = read_settings().openai_base_url.rstrip("/") or _OPENAI_URL
    return _once(("token scale", base_url, options.judge_model), TokenScale)


def judge_warning(options: ReportOptions) -> str | None:
    """What a reader should know of the judge's model (about to be shut down, unknown), or None."""
    from tasks.judge.endpoint.models import model_warning

    base_url = read_settings().openai_base_url.rstrip("/") or _OPENAI_URL
    return model_warning(options.judge_model, base_url=base_url, prices=prices())


def warm_up(options: ReportOptions) -> None:
    """Connect to everything and do what happens once only, so that no report's time is spent on it.

    Raises:
        RefusedError, WarehouseError, SourceError: what cannot be used.
    """
    from tasks.evidence.prices import Tokens
    from tasks.warehouse.parquet import check_place

    source()
    warehouse()
    judge_client(options)
    jaeger(options.max_concurrent_runs)
    prices().cost_usd(options.judge_model, Tokens(1, 1), datetime.now(UTC))
    check_place(read_settings().parquet_url)


def _block_engine(name: str) -> Engine:
    from prefect_sqlalchemy import SqlAlchemyConnector

    try:
        block = SqlAlchemyConnector.load(name)
    except ValueError:
        raise ConfigurationError(
            f"there is no SqlAlchemyConnector block named {name!r} on this Prefect server"
        ) from None
    return cast("Engine", cast(SqlAlchemyConnector, block).get_engine())


def _once(key: tuple[Any, ...], make: Callable[[], T]) -> T:
    with _lock:
        if key not in _made:
            _made[key] = make()
        return cast(T, _made[key])
