"""The receiver, in a thread or as a process, before a real Prefect server with a deployment of the real flow."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.settings import PREFECT_API_URL, temporary_settings
from standardwebhooks import Webhook

from deployments.webhook.command import open_server
from tasks.settings import read_settings

OLD, NEW = ("whsec_" + "b2xk" * 8, "whsec_" + "bmV3" * 8)
GITHUB = "a-secret-of-github-1"
# More than any test sends: those about the bounds set their own.
WIDE = {
    "AGENT_REPORT_WEBHOOK_DELIVERIES_PER_MINUTE": "100000",
    "AGENT_REPORT_WEBHOOK_READS_PER_MINUTE": "100000",
    "AGENT_REPORT_WEBHOOK_FAILURES_PER_MINUTE": "100000",
}


@dataclass
class Running:
    """A receiver, what it has logged, and requests to it that are signed as the arguments ask."""

    url: str
    http: httpx.Client = field(repr=False)
    warehouse_url: str
    log: deque[str] = field(default_factory=deque, repr=False)
    process_id: int = 0
    deployed: Any = None

    def order(self, body: Any, *, delivery: str | None = None, secret: str = NEW, **more: Any) -> httpx.Response:
        """``POST /webhooks/reports``; ``at`` is the timestamp, ``headers`` come last."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"content-type": "application/json", **self.signed(content, delivery or new_id(), secret, more)}
        return self.http.post(self.url + "/webhooks/reports", content=content, headers=headers)

    def order_github(self, body: Any, event: str = "", *, delivery: str | None = None) -> httpx.Response:
        """The same, signed as GitHub does."""
        content = json.dumps(body).encode()
        digest = hmac.new(GITHUB.encode(), content, hashlib.sha256).hexdigest()
        headers = {
            "content-type": "application/json",
            "x-hub-signature-256": f"sha256={digest}",
            "x-github-delivery": delivery or new_id(),
            **({"x-github-event": event} if event else {}),
        }
        return self.http.post(self.url + "/webhooks/reports", content=content, headers=headers)

    def show(self, flow_run_id: str, *, delivery: str | None = None, **more: Any) -> httpx.Response:
        """``GET /webhooks/reports/{flow_run_id}``."""
        headers = self.signed(b"", delivery or flow_run_id, NEW, more)
        return self.http.get(f"{self.url}/webhooks/reports/{flow_run_id}", headers=headers)

    @staticmethod
    def signed(content: bytes, delivery: str, secret: str, more: dict[str, Any]) -> dict[str, str]:
        """The three headers of Standard Webhooks."""
        at = more.get("at", datetime.now(UTC))
        return {
            "webhook-id": delivery,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(secret).sign(delivery, at, content.decode("utf-8", "replace")),
            **more.get("headers", {}),
        }

    @property
    def memory(self) -> int:
        """What it holds in memory, in bytes."""
        text = Path(f"/proc/{self.process_id}/statm").read_text(encoding="ascii")
        return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE")


def new_id() -> str:
    return f"msg_{uuid.uuid4().hex}"


def _variables(folder: Path, variables: dict[str, str]) -> dict[str, str]:
    return {
        "AGENT_REPORT_WAREHOUSE_URL": f"sqlite:///{folder}/warehouse.db",
        "AGENT_REPORT_WEBHOOK_SECRETS": json.dumps([OLD, NEW]),
        "AGENT_REPORT_WEBHOOK_GITHUB_SECRETS": json.dumps(["another-of-github", GITHUB]),
        "AGENT_REPORT_WEBHOOK_ENVIRONMENTS": '["production", "staging", "demo"]',
        **WIDE,
        **variables,
    }


def _http() -> httpx.Client:
    return httpx.Client(trust_env=False, timeout=60, limits=httpx.Limits(max_connections=100))


@contextmanager
def serve(folder: Path, api_url: str, **variables: str) -> Iterator[Running]:
    """The receiver's server in a thread: a process of its own would import Prefect for seconds."""
    given = _variables(folder, variables)
    with pytest.MonkeyPatch.context() as patch, socket.create_server(("127.0.0.1", 0)) as listener:
        for name, value in given.items():
            patch.setenv(name, value)
        server = open_server(read_settings())

        def run() -> None:
            with temporary_settings({PREFECT_API_URL: api_url}):
                server.run(sockets=[listener])

        log: deque[str] = deque()
        handler = logging.Handler()
        handler.emit = lambda record: log.append(record.getMessage())  # type: ignore[method-assign]
        logging.getLogger("agent_report.webhook").addHandler(handler)
        thread = threading.Thread(target=run)
        thread.start()
        try:
            with _http() as http:
                url = f"http://127.0.0.1:{listener.getsockname()[1]}"
                assert http.get(url + "/healthz").status_code == 200
                yield Running(url, http, given["AGENT_REPORT_WAREHOUSE_URL"], log)
        finally:
            server.should_exit = True
            thread.join(20)
            logging.getLogger("agent_report.webhook").removeHandler(handler)


def _auth() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name == "PREFECT_API_AUTH_STRING"}


@contextmanager
def start(folder: Path, api_url: str, **variables: str) -> Iterator[Running]:
    """``agent-report webhook`` as a process, on a free port."""
    given = _variables(folder, variables)
    home = {"HOME": str(folder), "PREFECT_HOME": str(folder / "prefect"), "DO_NOT_TRACK": "1"}
    process = subprocess.Popen(
        [Path(sys.executable).with_name("agent-report"), "webhook", "--port", "0"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PREFECT_API_URL": api_url, **_auth(), **home, **given},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stderr is not None
    log: deque[str] = deque(maxlen=50_000)
    line = process.stderr.readline()
    found = re.search(r"http://\S+:\d+", line)
    assert found, line + process.stderr.read()
    reader = threading.Thread(target=lambda: log.extend(process.stderr or ()), daemon=True)
    reader.start()
    try:
        with _http() as http:
            # The socket is there from the start: this waits until it answers.
            assert http.get(found[0] + "/healthz").status_code == 200
            yield Running(found[0], http, given["AGENT_REPORT_WAREHOUSE_URL"], log, process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(20) == 0
        finally:
            process.kill()
            reader.join(5)


@dataclass(frozen=True)
class Deployed:
    """A bare deployment of the flow on a real Prefect server."""

    api_url: str
    name: str
    client: SyncPrefectClient

    def runs(self) -> list[Any]:
        """All its flow runs."""
        from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
        from prefect.client.schemas.sorting import FlowRunSort

        deployed = DeploymentFilter(name=DeploymentFilterName(any_=[self.name.partition("/")[2]]))
        found: list[Any] = []
        while page := self.client.read_flow_runs(
            deployment_filter=deployed, sort=FlowRunSort.ID_DESC, limit=200, offset=len(found)
        ):
            found += page
        return found


@pytest.fixture(scope="session")
def deploy(shared_server: str, api_password: str) -> Iterator[Callable[..., Deployed]]:
    """Makes a deployment with a name of its own; by default Prefect checks the parameters of an order as well."""
    from prefect.utilities.callables import parameter_schema

    from flows.generate_report import generate_report

    with SyncPrefectClient(shared_server, auth_string=api_password) as client:

        def made(*, checks_parameters: bool = True) -> Deployed:
            name = f"webhook-{uuid.uuid4().hex[:8]}"
            client.create_deployment(
                flow_id=client.create_flow(generate_report),
                name=name,
                parameter_openapi_schema=parameter_schema(generate_report).model_dump(),
                enforce_parameter_schema=checks_parameters,
            )
            return Deployed(shared_server, f"generate_report/{name}", client)

        yield made


@pytest.fixture(scope="module")
def deployed(deploy: Callable[[], Deployed]) -> Deployed:
    """The deployment of one module's tests."""
    return deploy()


@pytest.fixture(scope="module")
def receiver(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The receiver of one module's tests."""
    folder = tmp_path_factory.mktemp("receiver")
    with serve(folder, deployed.api_url, AGENT_REPORT_WEBHOOK_DEPLOYMENT=deployed.name) as running:
        yield running


@pytest.fixture(scope="session")
def process(deploy: Callable[[], Deployed], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A receiver as people start it, and its deployment."""
    deployed = deploy()
    folder = tmp_path_factory.mktemp("process")
    with start(folder, deployed.api_url, AGENT_REPORT_WEBHOOK_DEPLOYMENT=deployed.name) as running:
        running.deployed = deployed
        yield running


@pytest.fixture
def start_receiver(tmp_path: Path) -> Callable[..., Any]:
    """Serves a receiver with settings of its own: ``with start_receiver(api_url, VARIABLE=value) as running``."""
    return lambda api_url, **variables: serve(tmp_path, api_url, **variables)


@pytest.fixture(scope="session")
def serve_in() -> Callable[..., Any]:
    """The same, with its files in a folder of one's own, for fixtures of a longer life."""
    return serve
