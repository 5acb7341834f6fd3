"""The examples in the documentation are sent to a receiver, unchanged but for its address."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deployments.webhook.openapi import build_document

SECRET = "whsec_" + "bmV3" * 8


@pytest.fixture(scope="module")
def page() -> str:
    return (Path(__file__).parents[3] / "docs" / "guide" / "webhooks.md").read_text(encoding="utf-8")


def _block(page: str, language: str, url: str, folder: Path) -> str:
    """The example as it stands there, to be called in ``folder``, for the receiver of this test."""
    (block,) = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    secret = folder / "agent-report-data" / "stack" / "webhook-secret"
    secret.parent.mkdir(parents=True)
    secret.write_text(f"{SECRET}\n")
    assert block.count("http://127.0.0.1:8765") == 1
    return str(block).replace("http://127.0.0.1:8765", url)


def test_curl_and_openssl(page: str, receiver: Any, deployed: Any, tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "NO_PROXY": "*"}
    script = "set -euo pipefail\n" + _block(page, "bash", receiver.url, tmp_path)
    ended = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8")
    assert ended.returncode == 0, ended.stderr
    run = deployed.client.read_flow_run(json.loads(ended.stdout)["flow_run_id"])
    assert run.parameters == {"environment": "demo", "options": {"since": "7d"}}


def test_python(page: str, receiver: Any, deployed: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(_block(page, "py", receiver.url, tmp_path), names)
    assert deployed.client.read_flow_run(names["run"]["flow_run_id"]).parameters["name"] == "after the deploy"
    assert names["shown"]["report"] is None


def test_every_path_and_status_is_explained(page: str) -> None:
    document = build_document()
    for path in document["paths"]:
        assert f"{path}`" in page
    statuses = {
        status
        for operations in document["paths"].values()
        for operation in operations.values()
        for status in operation["responses"]
    }
    explained = set(re.findall(r"^\| (\d{3}) \|", page, re.MULTILINE))
    assert explained == {status for status in statuses if status >= "4"}
