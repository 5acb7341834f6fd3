"""A real shared Prefect server, from which everything that setup makes has been taken away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import ObjectNotFound

from deployments.setup.command import Line, set_up

KEY, PASSWORD = "sk-planted-key-0123456789", "hunter2-planted"
SOURCE_URL = f"postgresql://reader:{PASSWORD}@db.example.com:5433/station?sslmode=require"
SetUp = Callable[..., list[Line]]
Post = Callable[..., Any]


@pytest.fixture(scope="package")
def bare_server(shared_server: str, at_server: Callable[[str], AbstractContextManager[None]]) -> Iterator[str]:
    """The API's URL, which is also the one that is configured. To deploy takes seconds: what one module has made, the
    next one finds."""
    with at_server(shared_server):
        with get_client(sync_client=True) as client:
            _strip(client)
        yield shared_server


def _strip(client: SyncPrefectClient) -> None:
    for automation in client.read_automations():
        client.delete_automation(automation.id)
    for deployment in client.read_deployments():
        client.delete_deployment(deployment.id)
    for document in client.read_block_documents():
        if document.name and document.name.startswith("agent-report"):
            client.delete_block_document(document.id)
    with suppress(ObjectNotFound):
        client.delete_work_pool("agent-report")
    for name in ("agent_report_env", "agent_report_deployed"):
        with suppress(ObjectNotFound):
            client.delete_variable_by_name(name)
    with suppress(ObjectNotFound):
        client.delete_global_concurrency_limit_by_name("tag:llm")


@pytest.fixture(scope="module")
def client(bare_server: str) -> Iterator[SyncPrefectClient]:
    """Prefect's own client of that server."""
    with get_client(sync_client=True) as opened:
        yield opened


@pytest.fixture(scope="module")
def post(bare_server: str, api_headers: dict[str, str]) -> Post:
    """``post("/flow_runs/filter", …)``: what the API answers, as it is."""

    def ask(path: str, **body: Any) -> Any:
        answer = httpx.post(f"{bare_server}{path}", json=body, headers=api_headers, trust_env=False)
        answer.raise_for_status()
        return answer.json()

    return ask


@pytest.fixture(scope="module")
def eventually() -> Callable[..., Any]:
    """``eventually(ask)``: what ``ask`` gives, as soon as it is something; fails after four minutes.

    It asks ``every`` half second: each time costs the server as much as a small page.
    """

    def wait(ask: Callable[[], Any], seconds: float = 240, every: float = 0.5) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := ask()):
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(every)
        return found

    return wait


@pytest.fixture(scope="module")
def settings_in() -> Callable[..., pytest.MonkeyPatch]:
    """``settings_in(patch, folder)``: the settings of a team, in the environment."""

    def give(patch: pytest.MonkeyPatch, folder: Path) -> pytest.MonkeyPatch:
        patch.chdir(folder)
        patch.setenv("AGENT_REPORT_SOURCE_URL", SOURCE_URL)
        patch.setenv("AGENT_REPORT_WAREHOUSE_URL", "sqlite:///warehouse.db")
        patch.setenv("OPENAI_API_KEY", KEY)
        patch.setenv("AGENT_REPORT_ENVIRONMENT", "demo")
        return patch

    return give


@pytest.fixture(scope="module")
def run_setup() -> SetUp:
    """``run_setup(check=…, notify=…)``: all its lines."""
    return lambda check=False, notify="": list(set_up(check=check, notify=notify))
