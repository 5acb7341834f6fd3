"""``agent-report webhook``: the receiver as a process."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from rich.text import Text

from deployments.terminal.console import open_console
from tasks.errors import AddressError, ConfigurationError
from tasks.settings import Settings
from tasks.wire.urls import refuse_ambiguous

if TYPE_CHECKING:
    import uvicorn

_HEADER_BYTES = 16_384
_IDLE_SECONDS = 10
_STOP_SECONDS = 10


def run_webhook(host: str, port: int) -> None:
    """Serve the receiver until the process is stopped.

    Raises:
        RefusedError: a wrong or missing setting, or no configured Prefect API.
        AgentReportError: it cannot listen on the address.
    """
    # Wrong settings are reported at once: Prefect takes seconds to import.
    from deployments.webhook.signatures import open_signatures
    from tasks.settings import read_settings

    settings = read_settings()
    open_signatures(settings.webhook_secrets, settings.webhook_github_secrets)

    from deployments.stack.beside import at_stack

    with at_stack():
        _serve(settings, host, port)


def _serve(settings: Settings, host: str, port: int) -> None:
    from prefect.settings import PREFECT_API_URL

    if not PREFECT_API_URL.value():
        raise ConfigurationError(
            "no Prefect server: set PREFECT_API_URL (such as http://127.0.0.1:4200/api, or Prefect Cloud's), the one "
            "on which the flow is deployed"
        )
    refuse_ambiguous(PREFECT_API_URL.value() or "", "PREFECT_API_URL")
    server = open_server(settings)
    with _listen(host, port) as listener:
        bound = listener.getsockname()
        name = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
        open_console(stderr=True).print(
            Text(f"Webhooks at http://{name}:{bound[1]}/webhooks/reports, described at /openapi.json"), soft_wrap=True
        )
        logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        logging.getLogger("agent_report.webhook").setLevel(logging.INFO)
        # It has stopped by the time it raises this, in good order.
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listener])


def open_server(settings: Settings) -> uvicorn.Server:
    """The server of a receiver with these settings, for a listening socket.

    Raises:
        RefusedError: a setting that is wrong.
    """
    import uvicorn

    from deployments.webhook.app import Rates, Receiver, build_app
    from deployments.webhook.connections import PromptProtocol
    from deployments.webhook.orders import open_allow_list
    from deployments.webhook.rate import Rate
    from deployments.webhook.reports import load_report
    from deployments.webhook.runs import open_flow_runs
    from deployments.webhook.signatures import open_signatures

    signatures = open_signatures(settings.webhook_secrets, settings.webhook_github_secrets)
    allowed = open_allow_list(settings.webhook_environments, settings.webhook_parameters)
    rates = Rates(
        Rate(settings.webhook_deliveries_per_minute),
        Rate(settings.webhook_reads_per_minute),
        Rate(settings.webhook_failures_per_minute),
    )

    @contextlib.asynccontextmanager
    async def opened() -> AsyncIterator[Receiver]:
        async with open_flow_runs(settings.webhook_deployment) as runs:
            yield Receiver(signatures, allowed, rates, runs, load_report)

    config = uvicorn.Config(
        build_app(opened),
        log_config=None,
        access_log=False,
        server_header=False,
        # The client's address plays no part in the answer.
        proxy_headers=False,
        http=PromptProtocol,
        h11_max_incomplete_event_size=_HEADER_BYTES,
        ws="none",
        # So many are taken before the first of them can be turned away.
        backlog=128,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    return uvicorn.Server(config)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise AddressError(f"--host {host} --port {port} cannot be listened on: {error}") from None
