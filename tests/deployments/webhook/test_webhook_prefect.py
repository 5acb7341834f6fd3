"""What stands between a delivery and its flow run: a Prefect that is unreachable, slow or of another mind."""

from __future__ import annotations

import asyncio
import json
import socket
import uuid
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from prefect.client.orchestration import PrefectClient
from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL, temporary_settings

from deployments.webhook.problems import ProblemError
from deployments.webhook.runs import FlowRuns, run_urls


class FakePrefect:
    """The API of Prefect as far as it is asked; ``answer`` sees each request first."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response | None] = lambda request: None) -> None:
        self.answer = answer
        self.deployment_id = uuid.uuid4()
        self.asked: list[str] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if given := self.answer(request):
            return given
        if request.url.path.startswith("/api/deployments/name/"):
            return httpx.Response(200, json={"id": str(self.deployment_id), "name": "d", "flow_id": str(uuid.uuid4())})
        if request.url.path == f"/api/deployments/{self.deployment_id}/create_flow_run":
            sent = json.loads(request.content)
            run = {"id": str(uuid.uuid4()), "name": "r", "flow_id": str(uuid.uuid4()), "parameters": sent["parameters"]}
            return httpx.Response(201, json={**run, **{name: sent[name] for name in ("idempotency_key", "labels")}})
        return httpx.Response(404, json={"detail": "not found"})

    def use(self, act: Callable[[FlowRuns], Coroutine[Any, Any, Any]], seconds: float = 5) -> Any:
        """What ``act`` gives, or the problem that it raises."""

        async def used() -> Any:
            transport = {"transport": httpx.MockTransport(self)}
            async with PrefectClient("http://prefect.test/api", httpx_settings=transport) as client:
                return await act(FlowRuns(client, "generate_report/on-webhook", seconds=seconds))

        try:
            return asyncio.run(used())
        except ProblemError as problem:
            return problem


def _create(runs: FlowRuns) -> Coroutine[Any, Any, Any]:
    return runs.create("standard:1", {"environment": "production"})


def _creating(status: int, body: Any = None) -> FakePrefect:
    def answer(request: httpx.Request) -> httpx.Response | None:
        return httpx.Response(status, json=body) if request.url.path.endswith("/create_flow_run") else None

    return FakePrefect(answer)


@pytest.mark.parametrize("status", [409, 422, 400])
def test_parameters_that_the_deployment_refuses_are_422(status: int) -> None:
    problem = _creating(status, {"detail": "Validation failed"}).use(_create)
    assert problem.status == 422
    assert "generate_report/on-webhook" in problem.detail


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_prefect_that_refuses_or_fails_is_503(status: int) -> None:
    problem = _creating(status, {"detail": "hunter2"}).use(_create)
    assert problem.status == 503
    assert problem.retry_after
    assert "hunter2" not in problem.detail


@pytest.mark.parametrize("body", [[], {"id": "x"}, "<html>"])
def test_what_does_not_speak_as_prefect_does_is_503(body: Any) -> None:
    assert _creating(200, body).use(_create).status == 503


def test_a_prefect_that_hangs_is_503_in_time() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        # The client takes a 503 for passing, and tries again for a minute.
        return httpx.Response(503, json={})

    problem = FakePrefect(answer).use(_create, seconds=0.3)
    assert problem.status == 503


def test_the_deployment_is_looked_up_once_and_again_when_it_is_gone() -> None:
    prefect = FakePrefect()

    async def act(runs: FlowRuns) -> None:
        await _create(runs)
        await _create(runs)
        assert len([path for path in prefect.asked if "/name/" in path]) == 1
        prefect.deployment_id = uuid.uuid4()
        await _create(runs)
        assert len([path for path in prefect.asked if "/name/" in path]) == 2

    assert prefect.use(act) is None


def test_a_deployment_that_goes_for_good_is_503() -> None:
    assert _creating(404).use(_create).status == 503
    assert FakePrefect(lambda request: httpx.Response(404, json={})).use(_create).status == 503


def test_readiness_is_asked_for_once_in_a_while() -> None:
    prefect = FakePrefect()

    async def act(runs: FlowRuns) -> None:
        await asyncio.gather(*(runs.check_ready() for _ in range(50)))

    assert prefect.use(act) is None
    assert len(prefect.asked) == 1
    absent = FakePrefect(lambda request: httpx.Response(404, json={}))
    assert absent.use(act).status == 503
    assert len(absent.asked) == 1


def test_urls_hold_no_credentials() -> None:
    run_id = uuid.uuid4()
    api = {PREFECT_API_URL: "https://me:hunter2@prefect.test/api", PREFECT_UI_URL: "https://me:hunter2@prefect.test"}
    with temporary_settings(api):
        urls = run_urls(run_id)
    assert urls == (
        f"https://prefect.test/api/flow_runs/{run_id}",
        f"https://prefect.test/runs/flow-run/{run_id}",
    )


def test_a_prefect_that_is_not_there_is_reported_and_waited_for(start_receiver: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gone = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
    with start_receiver(gone) as running:
        ready = running.http.get(running.url + "/readyz")
        for answer in (ready, running.order({"environment": "production"}), running.show(str(uuid.uuid4()))):
            assert answer.status_code == 503
            assert answer.headers["content-type"] == "application/problem+json"
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.json()["detail"]
        assert running.http.get(running.url + "/healthz").status_code == 200


def test_a_deployment_that_is_missing_is_reported_until_it_is_there(deployed: Any, start_receiver: Any) -> None:
    name = f"late-{uuid.uuid4().hex[:6]}"
    with start_receiver(deployed.api_url, AGENT_REPORT_WEBHOOK_DEPLOYMENT=f"generate_report/{name}") as running:
        delivery = "msg_late"
        answer = running.order({"environment": "production"}, delivery=delivery)
        assert answer.status_code == running.http.get(running.url + "/readyz").status_code == 503
        assert name in answer.json()["detail"]
        flow_id = deployed.client.read_deployment_by_name(deployed.name).flow_id
        deployed.client.create_deployment(flow_id=flow_id, name=name, enforce_parameter_schema=False)
        answer = running.order({"environment": "production"}, delivery=delivery)
        assert answer.status_code == 202
        run = deployed.client.read_flow_run(answer.json()["flow_run_id"])
        assert run.created > datetime.now(UTC).replace(year=2020)
