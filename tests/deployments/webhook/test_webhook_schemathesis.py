"""The OpenAPI document against the receiver, by schemathesis: with signatures that hold, and without any."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from deployments.webhook.openapi import build_document

KEY = base64.b64decode("bmV3" * 8)


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


# Not from a fixture: schemathesis 4.32 does not do that with pytest 9.
schema = schemathesis.openapi.from_dict(build_document())
# The same requests every time: what another seed finds would fail in a change that has nothing to do with it. These
# come after some hundred that schemathesis derives from the document, at the bounds of what it allows.
bounds = settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _sign(request: Any) -> Any:
    """Sign a request of the library requests, whatever else it holds; a read with its run's id."""
    body = request.body or b""
    body = body.encode() if isinstance(body, str) else body
    # What is made up as an id, or as a timestamp that is none, is signed as it is.
    delivery = _text(request.headers.get("webhook-id", f"msg_{uuid.uuid4().hex}"))
    if request.method == "GET":
        delivery = request.path_url.rpartition("/")[2]
    at = _text(request.headers.get("webhook-timestamp", "0"))
    if re.fullmatch("[0-9]{1,11}", at):
        at = str(int(time.time()))
    signed = hmac.new(KEY, f"{delivery}.{at}.".encode() + body, hashlib.sha256).digest()
    for name in ("X-Hub-Signature-256", "X-GitHub-Event", "X-GitHub-Delivery"):
        request.headers.pop(name, None)
    request.headers["webhook-id"] = delivery
    request.headers["webhook-timestamp"] = at
    request.headers["webhook-signature"] = f"v1,{base64.b64encode(signed).decode()}"
    return request


# What the schema cannot say (two names that differ in case only) is refused although it fits the schema.
unsaid = [positive_data_acceptance]


@schema.parametrize()
@bounds
def test_signed_requests_are_answered_as_the_document_says(case: Any, open_to_all: Any) -> None:
    case.call_and_validate(base_url=open_to_all.url, auth=_sign, excluded_checks=unsaid)


@schema.parametrize()
@bounds
def test_unsigned_requests_are_answered_as_the_document_says(case: Any, open_to_all: Any) -> None:
    response = case.call_and_validate(base_url=open_to_all.url, excluded_checks=unsaid)
    if "/webhooks/" in case.path:
        assert response.status_code in (400, 401, 404, 405, 413, 415)


def test_the_document_that_is_served_is_this_one_and_orders_got_through(open_to_all: Any) -> None:
    """Some of the signed orders that schemathesis made up were real ones."""
    assert open_to_all.http.get(open_to_all.url + "/openapi.json").json() == build_document()
    assert open_to_all.deployed.runs()
