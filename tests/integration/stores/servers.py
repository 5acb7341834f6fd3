"""Phoenix, MLflow and Jaeger, each started on loopback from an environment or a binary of its own, and stopped."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

_START_SECONDS = 300


@dataclass(frozen=True)
class Store:
    """A running store: what our source is opened with, and where spans of a story go (its URL and its headers)."""

    name: str
    source_url: str
    traces_url: str

    def headers(self, story: str) -> Mapping[str, str]:
        """What an export of ``story`` has to say; MLflow wants the experiment, which is made if there is none yet."""
        if self.name != "mlflow":
            return {}
        base = self.source_url.removeprefix("mlflow+")
        found = httpx.post(f"{base}/api/2.0/mlflow/experiments/create", json={"name": story})
        if found.status_code == 400:
            found = httpx.get(f"{base}/api/2.0/mlflow/experiments/get-by-name", params={"experiment_name": story})
            return {"x-mlflow-experiment-id": found.json()["experiment"]["experiment_id"]}
        return {"x-mlflow-experiment-id": found.json()["experiment_id"]}


@contextmanager
def phoenix(environment: Path, folder: Path) -> Iterator[Store]:
    """Phoenix of the virtual environment ``environment``, with its data in ``folder``."""
    port, grpc_port = _free_ports(2)
    settings = {
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(grpc_port),
        "PHOENIX_WORKING_DIR": str(folder),
        "PHOENIX_TELEMETRY_ENABLED": "false",
    }
    base = f"http://127.0.0.1:{port}"
    with _process([str(environment / "bin" / "phoenix"), "serve"], folder, settings, f"{base}/healthz"):
        yield Store("phoenix", f"phoenix+{base}", f"{base}/v1/traces")


@contextmanager
def mlflow(environment: Path, folder: Path) -> Iterator[Store]:
    """MLflow's server of the virtual environment ``environment``, on SQLite in ``folder``."""
    (port,) = _free_ports(1)
    command = [str(environment / "bin" / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--workers", "1"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    base = f"http://127.0.0.1:{port}"
    with _process(command, folder, {"MLFLOW_DISABLE_TELEMETRY": "true"}, f"{base}/health"):
        yield Store("mlflow", f"mlflow+{base}", f"{base}/v1/traces")


@contextmanager
def jaeger(binary: Path, folder: Path) -> Iterator[Store]:
    """Jaeger 1.x all in one, in memory."""
    ports = {
        "query.http-server.host-port": 0,
        "query.grpc-server.host-port": 0,
        "collector.otlp.http.host-port": 0,
        "collector.otlp.grpc.host-port": 0,
        "collector.http-server.host-port": 0,
        "collector.grpc-server.host-port": 0,
        "admin.http.host-port": 0,
        "http-server.host-port": 0,
        "processor.jaeger-binary.server-host-port": 0,
        "processor.jaeger-compact.server-host-port": 0,
        "processor.zipkin-compact.server-host-port": 0,
    }
    ports = dict(zip(ports, _free_ports(len(ports)), strict=True))
    command = [str(binary), "--collector.otlp.enabled=true"]
    command += [f"--{option}=127.0.0.1:{port}" for option, port in ports.items()]
    query = f"http://127.0.0.1:{ports['query.http-server.host-port']}"
    otlp = f"http://127.0.0.1:{ports['collector.otlp.http.host-port']}/v1/traces"
    with _process(command, folder, {}, f"{query}/api/services"):
        yield Store("jaeger", f"jaeger+{query}", otlp)


@contextmanager
def _process(command: Sequence[str], folder: Path, settings: Mapping[str, str], ready_url: str) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "server.log"
    environment = os.environ | settings
    with (
        log.open("wb") as file,
        subprocess.Popen(command, stdout=file, stderr=file, cwd=folder, env=environment) as server,
    ):
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not _answers(ready_url):
                if server.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{command[0]} did not start:\n{log.read_text()[-5000:]}")
                time.sleep(0.3)
            yield
        finally:
            server.terminate()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def _free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
