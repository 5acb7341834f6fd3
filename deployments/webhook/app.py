"""The receiver as an application: its paths, and what each does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from uuid import UUID

import anyio.to_thread
from fastapi import FastAPI, Request, Response
from prefect.client.schemas.objects import FlowRun
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from deployments.terminal.console import json_text
from deployments.webhook.body import BodyReader, check_content_type, parse_object
from deployments.webhook.github import read_event
from deployments.webhook.openapi import build_document
from deployments.webhook.orders import AllowList, parse_order
from deployments.webhook.problems import ProblemError, answer_failure, answer_http_error, answer_problem
from deployments.webhook.rate import Rate
from deployments.webhook.runs import FlowRuns, run_urls
from deployments.webhook.signatures import Delivery, Scheme, Signatures
from tasks.errors import AgentReportError, scrub

LOG = logging.getLogger("agent_report.webhook")
Row = dict[str, Any]
LoadReport = Callable[[str], Row | None]
"""The newest report of a flow run as ``{"report": …, "agents": […], "issues": […]}``, or None; it may block."""


@dataclass(frozen=True, slots=True)
class Rates:
    """How many per minute: signed deliveries, signed reads, and requests without a valid signature."""

    deliveries: Rate
    reads: Rate
    failures: Rate


@dataclass(frozen=True, slots=True)
class Receiver:
    """What checks requests, and what serves them."""

    signatures: Signatures
    allowed: AllowList
    rates: Rates
    runs: FlowRuns
    load_report: LoadReport
    bodies: BodyReader = field(default_factory=BodyReader)
    load_seconds: float = 8.0

    async def order(self, request: Request) -> Response:
        """A delivery: the cheapest check comes first, and nothing is parsed before the signature is verified."""
        delivery, body = await self._authenticate(request)
        data = parse_object(body)
        delivery_id = delivery.id
        if delivery.scheme == "github":
            asked = read_event(delivery.event, data, self.allowed)
            if isinstance(asked, str):
                LOG.info("delivery %s: ignored (%s)", delivery.id, asked)
                return JSONResponse({"status": "ignored", "detail": asked})
            data, delivery_id = asked.parameters, asked.signed_id or delivery.id
        # Not before: GitHub sends every event of a busy repository, and the one that counts only once.
        _spend(self.rates.deliveries)
        order = parse_order(data)
        self.allowed.check(order)
        run = await self.runs.create(f"{delivery.scheme}:{delivery_id}", order.parameters())
        LOG.info("delivery %s: flow run %s", delivery.id, run.id)
        status_path = f"/webhooks/reports/{run.id}"
        return JSONResponse(
            {**_describe(run), "status_path": status_path},
            HTTPStatus.ACCEPTED,
            headers={"Location": status_path, "Cache-Control": "no-store"},
        )

    async def show(self, request: Request, flow_run_id: str) -> Response:
        """The status of a run that was ordered here, and its report as far as there is one."""
        delivery, body = await self._authenticate(request, only="standard")
        _spend(self.rates.reads)
        if delivery.id != flow_run_id:
            # Otherwise one intercepted signed request could read every report for five minutes.
            raise ProblemError(401, "Sign this request with the flow run's id as its webhook-id.")
        if body:
            raise ProblemError(400, "This request has no body. Sign the empty one.")
        run = await self.runs.find(_parse_id(flow_run_id))
        if run is None or not self._may_see(run):
            raise _not_ours()
        try:
            async with asyncio.timeout(self.load_seconds):
                report = await anyio.to_thread.run_sync(self.load_report, str(run.id), abandon_on_cancel=True)
        except (AgentReportError, TimeoutError) as error:
            LOG.warning("the warehouse cannot be read: %s", scrub(str(error)) or "no answer in time")
            raise ProblemError(503, "The warehouse cannot be read. Ask again later.", retry_after=30) from None
        shown = {**_describe(run), **(report or {"report": None, "agents": [], "issues": []})}
        return Response(json_text(shown), media_type="application/json", headers={"Cache-Control": "no-store"})

    def _may_see(self, run: FlowRun) -> bool:
        allowed = self.allowed.environments
        return not allowed or run.parameters.get("environment") in allowed

    async def _authenticate(self, request: Request, *, only: Scheme | None = None) -> tuple[Delivery, bytes]:
        """The delivery and its body.

        Requests that are refused before a signature is verified share one rate. Above it the answer is 429 and nothing
        is logged; a valid signature is served all the same, so that a flood of bad ones shuts no one out.
        """
        try:
            body = await self.bodies.read(request)
            if request.method == "POST":
                check_content_type(request)
            delivery = self.signatures.verify(request.headers, body, only=only)
        except ProblemError as error:
            if wait := self.rates.failures.take():
                raise ProblemError(
                    429, "Too many requests without a valid signature. Send it signed, or later.", retry_after=wait
                ) from None
            LOG.warning("refused with %d, unsigned: %s", error.status, error.detail)
            raise
        return delivery, body


def _spend(rate: Rate) -> None:
    if wait := rate.take():
        raise ProblemError(429, "Too many requests. Send it again with the same id.", retry_after=wait)


def _describe(run: FlowRun) -> Row:
    api_url, ui_url = run_urls(run.id)
    state = run.state
    return {
        "flow_run_id": str(run.id),
        "flow_run_name": run.name,
        "status": state.type.value.lower() if state else "pending",
        "message": scrub(state.message or "") if state else "",
        "api_url": api_url,
        "ui_url": ui_url,
    }


def _parse_id(text: str) -> UUID:
    try:
        found = UUID(text)
    except ValueError:
        raise _not_ours() from None
    if str(found) != text:
        raise _not_ours()
    return found


def _not_ours() -> ProblemError:
    return ProblemError(404, "No flow run of this id was ordered from this receiver. Take the id from its answer 202.")


def build_app(open_receiver: Callable[[], AbstractAsyncContextManager[Receiver]]) -> FastAPI:
    """The application; ``open_receiver`` is entered in the event loop that serves it."""
    held: list[Receiver] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with open_receiver() as receiver:
            held.append(receiver)
            yield
            held.clear()

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan, redirect_slashes=False)
    app.add_exception_handler(ProblemError, answer_problem)
    app.add_exception_handler(HTTPException, answer_http_error)
    app.add_exception_handler(Exception, answer_failure)
    document = build_document()

    @app.post("/webhooks/reports")
    async def order_report(request: Request) -> Response:
        return await held[0].order(request)

    @app.get("/webhooks/reports/{flow_run_id}")
    async def show_report(request: Request, flow_run_id: str) -> Response:
        return await held[0].show(request, flow_run_id)

    @app.get("/healthz")
    async def healthz() -> Response:
        return JSONResponse({"status": "ok"})

    @app.get("/readyz")
    async def readyz() -> Response:
        await held[0].runs.check_ready()
        return JSONResponse({"status": "ready"})

    @app.get("/openapi.json")
    async def openapi() -> Response:
        return JSONResponse(document)

    return app
