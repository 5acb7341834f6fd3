"""The examples in the README are sent, as they stand there, to a receiver."""

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
def readme() -> str:
    return (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")


def _block(readme: str, language: str) -> str:
    (block,) = re.findall(rf"```{language}\n(.*?)```", readme, re.DOTALL)
    return str(block)


def test_curl_and_openssl(readme: str, receiver: Any, deployed: Any) -> None:
    environment = {"PATH": os.environ["PATH"], "SECRET": SECRET, "URL": receiver.url, "NO_PROXY": "*"}
    script = "set -euo pipefail\n" + _block(readme, "bash")
    ended = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, encoding="utf-8")
    assert ended.returncode == 0, ended.stderr
    run = deployed.client.read_flow_run(json.loads(ended.stdout)["flow_run_id"])
    assert run.parameters == {"environment": "production", "options": {"since": "7d"}}


def test_python(readme: str, receiver: Any, deployed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    names: dict[str, Any] = {"SECRET": SECRET, "URL": receiver.url}
    exec(_block(readme, "py"), names)
    assert deployed.client.read_flow_run(names["run"]["flow_run_id"]).parameters["name"] == "after the deploy"
    assert names["shown"]["report"] is None


def test_every_path_and_status_is_explained(readme: str) -> None:
    section = readme.partition("\n## Webhooks\n")[2].partition("\n## ")[0]
    document = build_document()
    for path in document["paths"]:
        assert f"{path}`" in section
    statuses = {
        status
        for operations in document["paths"].values()
        for operation in operations.values()
        for status in operation["responses"]
    }
    explained = set(re.findall(r"^\| (\d{3}) \|", section, re.MULTILINE))
    assert explained == {status for status in statuses if status >= "4"}
