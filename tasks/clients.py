"""The connections of a flow run or command: source, warehouse, Jaeger, judge. Settings become clients here.

``tasks.connecting.open_clients`` opens them, ``current_clients`` finds them: in a context variable, which Prefect hands
to the threads of its task runners.
"""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from tasks.errors import ConfigurationError, scrub
from tasks.settings import ReportOptions, Settings
from tasks.wire.route import describe_route

# Each client's module is imported by the method that opens it: a command that only reads the warehouse would wait two
# seconds for the judge's SDK.
if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

    from tasks.evidence.prices import RunPrices
    from tasks.judge.endpoint.access.address import Address
    from tasks.judge.endpoint.access.authentication import Authentication
    from tasks.judge.endpoint.access.secret_values import Secrets
    from tasks.judge.endpoint.client import JudgeClient
    from tasks.judge.prompt.tokens import TokenScale
    from tasks.redaction.redactor import Hook, Redactor
    from tasks.sources.jaeger.client import JaegerClient
    from tasks.sources.source import Source
    from tasks.warehouse.ledger.sql_ledger import SqlLedger
    from tasks.warehouse.patience import Patience
    from tasks.warehouse.sql import Warehouse

T = TypeVar("T")


class Blocks(Protocol):
    """Where connections are kept outside the settings: Prefect's blocks, loaded by name."""

    def load_engine(self, name: str) -> Engine:
        """The engine of a SqlAlchemyConnector block."""
        ...

    def load_secret(self, name: str, setting: str) -> Any:
        """The value of a Secret block, which ``setting`` names: a text, or what JSON can hold."""
        ...


class Clients:
    """Clients for one set of settings, each opened when first asked for and shared by all threads.

    Reports that share a ``Clients`` share the judge's rate limiter, per model.
    """

    def __init__(self, settings: Settings, blocks: Blocks) -> None:
        self.settings = settings
        self._blocks = blocks
        self._lock = threading.Lock()
        self._locks: dict[Hashable, threading.RLock] = {}
        self._opened: dict[Hashable, Any] = {}
        self._closing = ExitStack()

    def close(self) -> None:
        """Close every client that was opened."""
        self._closing.close()

    def source(self) -> Source:
        """The source of agents and runs, read-only.

        Raises:
            ConfigurationError: neither ``AGENT_REPORT_SOURCE_URL`` nor ``_SOURCE_BLOCK`` is set, or it cannot be used;
                or as ``redactor``.
        """
        return self._once("source", self._open_source)

    def _open_source(self) -> Source:
        from tasks.sources.opening import SourceSettings, open_engine, open_source

        settings, own = self.settings, self.redactor()
        beside = SourceSettings(
            mapping=settings.source_mapping,
            preset=settings.source_preset,
            headers={name: value.get_secret_value() for name, value in settings.source_headers.items()},
            variables=os.environ,
            redact=own.redact if own is not None else None,
        )
        if settings.source_block:
            source = open_engine(self._blocks.load_engine(settings.source_block), beside)
        elif settings.source_url is not None:
            source = open_source(settings.source_url.get_secret_value(), beside)
        else:
            raise ConfigurationError(
                "no source: set AGENT_REPORT_SOURCE_URL (such as sqlite:///station.db), or AGENT_REPORT_SOURCE_BLOCK"
            )
        self._close_with(source.close)
        return source

    def redactor(self) -> Redactor | None:
        """What replaces secrets and personal data in agents' texts; None when ``AGENT_REPORT_REDACT`` is off.

        Raises:
            ConfigurationError: a wrong expression in ``AGENT_REPORT_REDACT_PATTERNS``, or ``_REDACT_HOOK`` is not an
                importable function.
        """
        return self._once("redactor", self._open_redactor) if self.settings.redact else None

    def _open_redactor(self) -> Redactor:
        from tasks.redaction.redactor import Redactor

        hook = self.settings.redact_hook
        own = _load_hook(hook) if hook else None
        return Redactor(self.settings.redact_patterns, own, self.settings.redact_also)

    def warehouse(self) -> Warehouse:
        """The warehouse, its tables up to date.

        Raises:
            ConfigurationError: as ``warehouse_place``.
            WarehouseError: it cannot be reached.
        """
        return self._once("warehouse", self._open_warehouse)

    def _open_warehouse(self) -> Warehouse:
        from tasks.warehouse.sql import open_warehouse

        warehouse = open_warehouse(self.warehouse_place())
        self._close_with(warehouse.close)
        return warehouse

    def warehouse_place(self) -> str | URL:
        """The warehouse's URL, with its password.

        Raises:
            ConfigurationError: it is the source's, or there is no such block.
        """
        if self.settings.warehouse_block:
            engine = self._blocks.load_engine(self.settings.warehouse_block)
            engine.dispose()
            return engine.url
        url = self.settings.warehouse_url.get_secret_value()
        if self.settings.source_url is not None and not self.settings.source_block:
            _refuse_one_database(self.settings.source_url.get_secret_value(), url)
        return url

    def ledger(self) -> SqlLedger:
        """The ledger, in the warehouse."""
        from tasks.warehouse.ledger.sql_ledger import SqlLedger

        return SqlLedger(self.warehouse().database)

    def patience(self) -> Patience:
        """How long an outage of the warehouse may last before a report fails."""
        from tasks.warehouse.patience import Patience

        return Patience(self.settings.warehouse_outage_seconds)

    def prices(self) -> RunPrices:
        """Prices of models, looked up once each; those of the settings come first.

        Raises:
            ConfigurationError: a price in the settings that is none.
        """
        from tasks.evidence.prices import RunPrices

        return self._once("prices", lambda: RunPrices(self.settings.prices))

    def jaeger(self, max_concurrent: int) -> JaegerClient | None:
        """Jaeger, with at most ``max_concurrent`` requests at a time; None when none is configured."""
        url = self.settings.jaeger_url
        if url is None:
            return None
        place = url.get_secret_value()
        return self._once(("jaeger", max_concurrent), lambda: self._open_jaeger(place, max_concurrent))

    def _open_jaeger(self, url: str, max_concurrent: int) -> JaegerClient:
        from tasks.sources.jaeger.client import open_jaeger

        client = open_jaeger(
            url,
            headers={name: value.get_secret_value() for name, value in self.settings.jaeger_headers.items()},
            service=self.settings.jaeger_service,
            tag=self.settings.jaeger_tag,
            max_concurrent=max_concurrent,
            timeout_seconds=self.settings.jaeger_timeout_seconds,
            route=describe_route(url, os.environ),
        )
        self._close_with(client.close)
        return client

    def judge_client(self, options: ReportOptions) -> JudgeClient:
        """The judge's client for these options, behind the rate limiter of their model.

        Raises:
            ConfigurationError: no key for OpenAI's own endpoint, an invalid key, or an invalid endpoint URL.
        """
        from tasks.judge.endpoint.access.tier import ServiceTier
        from tasks.judge.endpoint.capabilities import Capabilities
        from tasks.judge.endpoint.client import JudgeClient
        from tasks.judge.endpoint.limiter import RateLimiter
        from tasks.judge.endpoint.model_limits import ModelLimits

        settings, model = self.settings, options.judge_model
        openai, address, secrets, route = self._once("endpoint", self._open_endpoint)
        width, per_minute = options.max_concurrent_evals, settings.judge_requests_per_minute
        limiter = self._once(("limiter", model), lambda: RateLimiter(width, per_minute))
        limiter.set_limits(width, per_minute)
        return JudgeClient(
            openai=openai,
            limiter=limiter,
            model=model,
            call_timeout_seconds=settings.call_timeout_seconds,
            max_attempts=settings.judge_max_attempts,
            max_output_tokens=settings.judge_max_output_tokens,
            temperature=settings.judge_temperature,
            capabilities=self._once(("capabilities", model), Capabilities),
            limits=self._once(("limits", model), ModelLimits),
            route=route,
            extra=settings.judge_extra,
            tier=self._once(("tier", model), lambda: ServiceTier(settings.service_tier)),
            address=address,
            secrets=secrets,
            key_name=self._key_name,
        )

    def _open_endpoint(self) -> tuple[Any, Address, Secrets, str]:
        """The SDK's client, and the route it takes: NO_PROXY may grow later, by the address of our Prefect server."""
        from tasks.judge.endpoint.access.extra import check_extra
        from tasks.judge.endpoint.client import open_endpoint

        address = self._address()
        check_extra(self.settings.judge_extra)
        let_in = self._authentication(address)
        client = open_endpoint(address.base_url, let_in.key, let_in.headers, address.query)
        self._close_with(client.close)
        return client, address, let_in.secrets, describe_route(address.base_url, os.environ)

    def _address(self) -> Address:
        from tasks.judge.endpoint.access.address import read_address

        return read_address(self.settings.openai_base_url)

    def _authentication(self, address: Address) -> Authentication:
        from tasks.judge.endpoint.access.authentication import authenticate, open_entra
        from tasks.judge.endpoint.access.secret_values import Secrets

        secrets, scope = Secrets({"query": address.hidden_query}), self.settings.judge_entra_scope
        key, headers = "" if scope else self._judge_key(), self._judge_headers()
        if not (key.isascii() and key.isprintable()) or " " in key:
            # As a header it would raise an error that holds the key.
            raise ConfigurationError(
                f"wrong setting: {self._key_name}: holds a space, a line break or a letter that no key has"
            )
        if key and key[0] in "\"'`" and key[-1] == key[0]:
            raise ConfigurationError(
                f"wrong setting: {self._key_name}: it is in quotation marks, which are a part of it here: write it "
                "without them"
            )
        return authenticate(address, key, headers, open_entra(scope, secrets) if scope else None, secrets)

    @property
    def _key_name(self) -> str:
        if self.settings.judge_entra_scope:
            return "AGENT_REPORT_JUDGE_ENTRA_SCOPE"
        return "AGENT_REPORT_JUDGE_KEY_BLOCK" if self.settings.judge_key_block else "OPENAI_API_KEY"

    def _judge_key(self) -> str:
        if self.settings.judge_key_block:
            return str(self._blocks.load_secret(self.settings.judge_key_block, "AGENT_REPORT_JUDGE_KEY_BLOCK"))
        return self.settings.openai_api_key.get_secret_value() if self.settings.openai_api_key else ""

    def _judge_headers(self) -> dict[str, str]:
        if not self.settings.judge_headers_block:
            return {name: value.get_secret_value() for name, value in self.settings.judge_headers.items()}
        from tasks.judge.endpoint.access.authentication import parse_headers

        name = "AGENT_REPORT_JUDGE_HEADERS_BLOCK"
        return parse_headers(self._blocks.load_secret(self.settings.judge_headers_block, name), name)

    def token_scale(self, options: ReportOptions) -> TokenScale:
        """What is known of how the judge's model counts tokens."""
        from tasks.judge.prompt.tokens import TokenScale

        return self._once(("token scale", options.judge_model), TokenScale)

    def judge_warning(self, options: ReportOptions) -> str | None:
        """What a reader should know of the judge's model (to be shut down soon, unknown), or None."""
        from tasks.judge.endpoint.models import model_warning

        return model_warning(options.judge_model, base_url=self._address().base_url, prices=self.prices())

    def warm_up(self, options: ReportOptions) -> None:
        """Open every client before a report's time starts.

        Raises:
            ConfigurationError, WarehouseError, SourceError: one cannot be used.
        """
        from tasks.evidence.prices import Tokens
        from tasks.judge.runs.guidance import find_guidance
        from tasks.warehouse.parquet import check_place

        self.source()
        self.warehouse()
        self.judge_client(options)
        find_guidance(self.settings.judge_guidance)
        self.jaeger(options.max_concurrent_runs)
        self.prices().cost_usd(options.judge_model, Tokens(1, 1), datetime.now(UTC))
        check_place(self.settings.parquet_url)

    def _once(self, name: Hashable, make: Callable[[], T]) -> T:
        # A lock each: migrations of the warehouse must not delay the judge.
        with self._lock:
            lock = self._locks.setdefault(name, threading.RLock())
        with lock:
            if name not in self._opened:
                self._opened[name] = make()
            return cast(T, self._opened[name])

    def _close_with(self, close: Callable[[], object]) -> None:
        with self._lock:
            self._closing.callback(close)


_current: ContextVar[Clients] = ContextVar("clients")


def find_clients() -> Clients | None:
    """The clients that are open in this context, or None."""
    return _current.get(None)


def current_clients() -> Clients:
    """The clients that are open in this context.

    Raises:
        RuntimeError: there are none; open them with ``tasks.connecting.open_clients``.
    """
    clients = _current.get(None)
    if clients is None:
        raise RuntimeError("no clients are open here: call this within tasks.connecting.open_clients()")
    return clients


@contextmanager
def use_clients(clients: Clients) -> Iterator[Clients]:
    """Make ``clients`` current for the block, then close them."""
    token = _current.set(clients)
    try:
        yield clients
    finally:
        _current.reset(token)
        clients.close()


def _load_hook(place: str) -> Hook:
    wrong = f"redact_hook={place!r} (AGENT_REPORT_REDACT_HOOK)"
    module, colon, name = place.partition(":")
    if not (module and colon and name):
        raise ConfigurationError(f"{wrong} is not of the form module:function")
    try:
        hook = getattr(importlib.import_module(module), name)
    except Exception as error:  # noqa: BLE001 - importing runs the user's code
        raise ConfigurationError(f"{wrong} cannot be imported: {scrub(f'{type(error).__name__}: {error}')}") from None
    if not callable(hook):
        raise ConfigurationError(f"{wrong} is not a function")
    return cast("Hook", hook)


def _refuse_one_database(source_url: str, warehouse_url: str) -> None:
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        both = [make_url(url) for url in (source_url, warehouse_url)]
    except (ArgumentError, ValueError):
        return  # Reported when it is opened.
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
