"""Whose signature holds: both schemes, several secrets, and nothing that is only nearly one."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook
from starlette.datastructures import Headers

from deployments.webhook.problems import ProblemError
from deployments.webhook.signatures import open_signatures
from tasks.errors import RefusedError

OLD, NEW = "whsec_" + "b2xk" * 8, "whsec_" + "bmV3" * 8
GITHUB = ["a-secret-of-github-1", "a-secret-of-github-2"]
BODY = b'{"environment": "production"}'


def _signatures(*, standard: Any = (OLD, NEW), github: Any = GITHUB) -> Any:
    return open_signatures([SecretStr(text) for text in standard], [SecretStr(text) for text in github])


def _headers(secret: str = NEW, *, delivery: str = "msg_1", at: datetime | None = None, body: bytes = BODY) -> Any:
    at = at or datetime.now(UTC)
    signature = Webhook(secret).sign(delivery, at, body.decode())
    return {"webhook-id": delivery, "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}


def _github(secret: str = GITHUB[1], body: bytes = BODY) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"x-hub-signature-256": f"sha256={digest}", "x-github-delivery": "72d3162e-cc78"}


def _refused(headers: Any, body: bytes = BODY, signatures: Any = None, **more: Any) -> ProblemError:
    with pytest.raises(ProblemError) as caught:
        (signatures or _signatures()).verify(Headers(headers), body, **more)
    for secret in (OLD, NEW, *GITHUB):
        assert secret not in caught.value.detail
    return caught.value


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_every_secret_of_standard_webhooks_holds(secret: str) -> None:
    delivery = _signatures().verify(Headers(_headers(secret)), BODY)
    assert (delivery.scheme, delivery.id) == ("standard", "msg_1")


@pytest.mark.parametrize("secret", GITHUB)
def test_every_secret_of_github_holds(secret: str) -> None:
    delivery = _signatures().verify(Headers({**_github(secret), "x-github-event": "ping"}), BODY)
    assert (delivery.scheme, delivery.id, delivery.event) == ("github", "72d3162e-cc78", "ping")


def test_the_example_of_githubs_documentation_holds() -> None:
    signatures = open_signatures([], [SecretStr("It's a Secret to Everybody")])
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    headers = Headers({"x-hub-signature-256": signature, "x-github-delivery": "1"})
    assert signatures.verify(headers, b"Hello, World!").scheme == "github"


def test_one_signature_of_several_is_enough() -> None:
    """A sender that rotates signs with the old and with the new secret."""
    headers = _headers()
    headers["webhook-signature"] = (
        f"v1,{base64.b64encode(b'x' * 32).decode()} v1a,whatever {headers['webhook-signature']}"
    )
    assert _signatures(standard=[NEW]).verify(Headers(headers), BODY).id == "msg_1"


def test_a_secret_that_was_taken_out_holds_no_more() -> None:
    assert _refused(_headers(OLD), signatures=_signatures(standard=[NEW])).status == 401
    assert _refused(_github(GITHUB[0]), signatures=_signatures(github=[GITHUB[1]])).status == 401


@pytest.mark.parametrize("minutes", [-5.2, 5.2])
def test_a_timestamp_that_is_too_far_off_is_refused_with_the_reason(minutes: float) -> None:
    problem = _refused(_headers(at=datetime.now(UTC) + timedelta(minutes=minutes)))
    assert problem.status == 401
    assert "clock" in problem.detail


@pytest.mark.parametrize("minutes", [-4.8, 4.8])
def test_a_timestamp_that_is_near_enough_holds(minutes: float) -> None:
    _signatures().verify(Headers(_headers(at=datetime.now(UTC) + timedelta(minutes=minutes))), BODY)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_every_part_is_signed_and_needed(name: str) -> None:
    headers = _headers()
    assert _refused({key: value for key, value in headers.items() if key != name}).status == 401
    other = _headers(delivery="msg_2", at=datetime.now(UTC) - timedelta(seconds=9))
    assert _refused({**headers, name: other[name]}).status == 401
    assert _refused(headers, BODY + b" ").status == 401


@pytest.mark.parametrize(
    "wrong",
    [
        {"webhook-timestamp": "nan"},
        {"webhook-timestamp": "1e9"},
        {"webhook-timestamp": "-1"},
        {"webhook-timestamp": "9" * 11},
        {"webhook-timestamp": "٣٣٣"},
        {"webhook-id": "msg.1"},
        {"webhook-id": "x" * 201},
        {"webhook-id": "a b"},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,é"},
        {"webhook-signature": "v1,a"},
        {"webhook-signature": ",,, ,"},
        {"webhook-signature": "v1,AAAA " * 1000},
    ],
)
def test_what_is_no_header_of_ours_is_401(wrong: dict[str, str]) -> None:
    raw = [(key.encode(), value.encode()) for key, value in {**_headers(), **wrong}.items()]
    with pytest.raises(ProblemError) as caught:
        _signatures().verify(Headers(raw=raw), BODY)
    assert caught.value.status == 401


@pytest.mark.parametrize("signature", ["", "sha256=", "sha1=" + "0" * 64, "sha256=" + "0" * 64, "sha256=" + "é" * 64])
def test_what_is_no_signature_of_github_is_401(signature: str) -> None:
    assert _refused({**_github(), "x-hub-signature-256": signature}).status == 401


def test_githubs_scheme_needs_a_delivery_id_and_cannot_read() -> None:
    headers = _github(body=b"")
    assert _refused(headers, b"", only="standard").status == 401
    assert _refused({**headers, "x-github-delivery": ""}, b"").status == 401


def test_headers_that_contradict_each_other_are_400() -> None:
    assert _refused({**_headers(), **_github()}).status == 400
    raw = [(key.encode(), value.encode()) for key, value in _headers().items()]
    with pytest.raises(ProblemError) as caught:
        _signatures().verify(Headers(raw=[*raw, (b"webhook-id", b"msg_2")]), BODY)
    assert caught.value.status == 400


def test_a_body_that_is_no_utf8_is_400() -> None:
    assert _refused(_headers(), b"\xff").status == 400


@pytest.mark.parametrize(
    ("standard", "github", "message"),
    [
        ([], [], "AGENT_REPORT_WEBHOOK_SECRETS"),
        ([NEW, "whsec_hunter2-hunter2-hunter2-hunter2"], [], "SECRETS.1"),
        ([base64.b64encode(b"short").decode()], [], "SECRETS.0"),
        ([""], [], "SECRETS.0"),
        ([NEW], ["hunter2"], "GITHUB_SECRETS.0"),
        ([NEW], [NEW], "GITHUB_SECRETS.0"),
        ([NEW], ["bmV3" * 8], "GITHUB_SECRETS.0"),
    ],
)
def test_no_secret_or_a_weak_one_is_refused_unshown(standard: list[str], github: list[str], message: str) -> None:
    with pytest.raises(RefusedError) as caught:
        _signatures(standard=standard, github=github)
    assert message in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "bmV3" not in str(caught.value)


def test_secrets_are_not_in_the_repr() -> None:
    assert "github" not in repr(_signatures())
    assert "bmV3" not in repr(_signatures())
