"""Requests that schemathesis makes up, signed and unsigned, to the receiver whose URL is in ``RECEIVER``.

``test_webhook_schemathesis.py`` runs this file with pytest in a process of its own: schemathesis 4.32 makes requests
while pytest collects, which takes seconds of each worker of pytest-xdist.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import time
import uuid
from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from deployments.webhook.openapi import build_document

KEY = base64.b64decode("bmV3" * 8)
URL = os.environ["RECEIVER"]

# Not from a fixture: schemathesis 4.32 does not do that with pytest 9.
schema = schemathesis.openapi.from_dict(build_document())
# The same requests every time: what another seed finds would fail in a change that has nothing to do with it. These
# come after some hundred that schemathesis derives from the document, at the bounds of what it allows.
bounds = settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
# What the schema cannot express (two names that differ in case only) is refused although it fits the schema.
inexpressible = [positive_data_acceptance]


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


@schema.parametrize()
@bounds
def test_requests_are_answered_as_documented(case: Any) -> None:
    case.call_and_validate(base_url=URL, auth=_sign, excluded_checks=inexpressible)
    response = case.call_and_validate(base_url=URL, excluded_checks=inexpressible)
    if "/webhooks/" in case.path:
        assert response.status_code in (400, 401, 404, 405, 413, 415)
