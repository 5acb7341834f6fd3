"""Flow runs that webhooks ordered: created once for each delivery, and found again."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound
from prefect.utilities.urls import url_for

from deployments.webhook.problems import ProblemError

T = TypeVar("T")
# GitHub gives up after ten.
_SECONDS = 8.0
_CALLS_AT_ONCE = 10
_DEPLOYMENT_SECONDS = 30.0
_READY_SECONDS = 3.0
_RETRY_SECONDS = 5.0
_ORDER_LABEL = "agent-report.order"


class FlowRuns:
    """The flow runs of one deployment, through one client. For one event loop."""

    def __init__(self, client: PrefectClient, deployment: str, *, seconds: float = _SECONDS) -> None:
        self.deployment = deployment
        self._client = client
        self._seconds = seconds
        self._calls = asyncio.Semaphore(_CALLS_AT_ONCE)
        self.key_prefix = f"webhook:{_digest(deployment)[:16]}:"
        self._deployment_id: UUID | None = None
        self._found_at = 0.0
        self._ready: tuple[float, ProblemError | None] | None = None
        self._asking = asyncio.Lock()

    async def create(self, delivery: str, parameters: dict[str, Any]) -> FlowRun:
        """The flow run of this delivery: a new one, or the one that it got the first time.

        Raises:
            ProblemError: 409 when the delivery ordered something else the first time, 422 when Prefect does not take
                the parameters, 503 when it cannot be reached or lacks the deployment.
        """
        return await self._in_time(self._create_or_find(delivery, parameters))

    async def _create_or_find(self, delivery: str, parameters: dict[str, Any]) -> FlowRun:
        deployment_id = await self._find_deployment()
        try:
            run = await self._create(deployment_id, delivery, parameters)
        except ObjectNotFound:
            # Deployed again in the meantime.
            self._deployment_id = None
            try:
                run = await self._create(await self._find_deployment(), delivery, parameters)
            except ObjectNotFound:
                raise _unavailable(f"The deployment {self.deployment} is being replaced.") from None
        if run.labels.get(_ORDER_LABEL) != _order(parameters):
            raise ProblemError(
                409, f"This delivery's id was used before, for other parameters (flow run {run.id}). Send a new id."
            )
        return run

    async def _create(self, deployment_id: UUID, delivery: str, parameters: dict[str, Any]) -> FlowRun:
        return await self._call(
            self._client.create_flow_run_from_deployment(
                deployment_id,
                parameters=parameters,
                idempotency_key=self.key_prefix + _digest(delivery),
                labels={_ORDER_LABEL: _order(parameters)},
            )
        )

    async def find(self, flow_run_id: UUID) -> FlowRun | None:
        """The flow run, if a webhook ordered it from this deployment; else None.

        Raises:
            ProblemError: 503.
        """
        try:
            run = await self._in_time(self._call(self._client.read_flow_run(flow_run_id)))
        except ObjectNotFound:
            return None
        return run if (run.idempotency_key or "").startswith(self.key_prefix) else None

    async def check_ready(self) -> None:
        """Return if Prefect answers and has the deployment; checked at most once in some seconds.

        Raises:
            ProblemError: 503.
        """
        async with self._asking:
            if self._ready is None or time.monotonic() - self._ready[0] > _READY_SECONDS:
                self._deployment_id = None
                try:
                    await self._in_time(self._find_deployment())
                except ProblemError as error:
                    self._ready = time.monotonic(), error
                else:
                    self._ready = time.monotonic(), None
            if problem := self._ready[1]:
                raise problem

    async def _find_deployment(self) -> UUID:
        known = self._deployment_id
        if known is not None and time.monotonic() - self._found_at < _DEPLOYMENT_SECONDS:
            return known
        try:
            found = await self._call(self._client.read_deployment_by_name(self.deployment))
        except ObjectNotFound:
            raise _unavailable(
                f"Prefect has no deployment {self.deployment}; the operator of this receiver has to deploy it."
            ) from None
        self._deployment_id, self._found_at = found.id, time.monotonic()
        return found.id

    async def _in_time(self, work: Awaitable[T]) -> T:
        """``work`` within the time limit; the client alone would retry for minutes."""
        try:
            async with asyncio.timeout(self._seconds):
                return await work
        except TimeoutError:
            raise _unavailable("Prefect does not answer in time.") from None

    async def _call(self, call: Awaitable[T]) -> T:
        try:
            async with self._calls:
                return await call
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            if status == httpx.codes.NOT_FOUND:
                raise ObjectNotFound(http_exc=error) from None
            if status in (httpx.codes.CONFLICT, httpx.codes.UNPROCESSABLE_ENTITY, httpx.codes.BAD_REQUEST):
                raise ProblemError(
                    422,
                    f"The deployment {self.deployment} does not take these parameters; it may be of another version.",
                ) from None
            raise _unavailable(f"Prefect answers with status {status}.") from None
        except (httpx.HTTPError, OSError, RuntimeError, ValueError) as error:
            # ValueError: what stands in for Prefect does not answer as it does.
            raise _unavailable(f"Prefect cannot be reached ({type(error).__name__}).") from None


def _unavailable(why: str) -> ProblemError:
    return ProblemError(503, f"{why} Send it again with the same id.", retry_after=_RETRY_SECONDS)


def _order(parameters: dict[str, Any]) -> str:
    """What was ordered, to compare it with another order. The run's parameters also hold what the deployment adds."""
    return _digest(json.dumps(parameters, sort_keys=True))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def run_urls(flow_run_id: UUID) -> tuple[str, str]:
    """The flow run in Prefect's API and in its UI, without any credentials; empty where Prefect knows none."""
    urls = (url_for("flow-run", flow_run_id, url_type="api"), url_for("flow-run", flow_run_id, url_type="ui"))
    api, ui = (str(httpx.URL(url).copy_with(userinfo=b"")) if url else "" for url in urls)
    return api, ui


@asynccontextmanager
async def open_flow_runs(deployment: str) -> AsyncIterator[FlowRuns]:
    """The flow runs of ``deployment`` on the Prefect API that is configured; it may still be starting."""
    async with get_client() as client:
        yield FlowRuns(client, deployment)
