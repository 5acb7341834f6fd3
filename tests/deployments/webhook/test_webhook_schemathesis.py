"""The OpenAPI document against the receiver, by schemathesis: with signatures that hold, and without any."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deployments.webhook.openapi import build_document

_MADE_UP = Path(__file__).with_name("made_up_requests.py")


@pytest.fixture(scope="module")
def open_to_all(deploy: Any, tmp_path_factory: pytest.TempPathFactory, serve_in: Any) -> Iterator[Any]:
    """A receiver that takes orders on every environment, so that what schemathesis makes up gets through to Prefect."""
    # Whether Prefect takes an order as well is not asserted here, and takes it 50 ms.
    deployed = deploy(checks_parameters=False)
    folder = tmp_path_factory.mktemp("schemathesis")
    settings = {"AGENT_REPORT_WEBHOOK_DEPLOYMENT": deployed.name, "AGENT_REPORT_WEBHOOK_ENVIRONMENTS": "[]"}
    with serve_in(folder, deployed.api_url, **settings) as running:
        running.deployed = deployed
        yield running


def test_made_up_requests_are_answered_as_documented(open_to_all: Any) -> None:
    """Signed and unsigned, of all operations of the document; some of the signed orders are real ones."""
    ended = subprocess.run(
        # Without the suite's settings, which leave the plugin of schemathesis out.
        [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--noconftest", "-p", "no:cacheprovider", _MADE_UP],
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        | {"RECEIVER": open_to_all.url},
        capture_output=True,
        encoding="utf-8",
        timeout=280,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    operations = sum(len(methods) for methods in build_document()["paths"].values())
    assert re.search(rf"\b{operations} passed\b", ended.stdout), ended.stdout
    assert not re.search(r"\b(skipped|xfailed|xpassed|deselected)\b", ended.stdout), ended.stdout
    assert open_to_all.deployed.runs()


def test_the_document_that_is_served_is_this_one(open_to_all: Any) -> None:
    assert open_to_all.http.get(open_to_all.url + "/openapi.json").json() == build_document()
