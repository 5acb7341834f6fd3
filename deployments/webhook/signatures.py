"""Signatures of requests, as in Standard Webhooks and as GitHub makes them. Several secrets are valid at once."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import SecretStr
from standardwebhooks import Webhook, WebhookVerificationError
from starlette.datastructures import Headers

from deployments.webhook.problems import ProblemError
from tasks.errors import ConfigurationError

STANDARD_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
GITHUB_HEADERS = ("x-hub-signature-256", "x-github-delivery", "x-github-event")
Scheme = Literal["standard", "github"]
_SECRET_BYTES = range(24, 65)
_GITHUB_SECRET_CHARS = 16
# Without the full stop, which separates the parts of what is signed.
_ID = re.compile(r"[!-\-/-~]{1,200}")
_TIMESTAMP = re.compile(r"[0-9]{1,11}")
_GITHUB_SIGNATURE = re.compile(r"sha256=[0-9a-f]{64}")
_LONGEST_SIGNATURES = 2_000
# The library's, for the message that explains a refusal; it is the library that decides.
_TOLERANCE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Delivery:
    """A request with a valid signature: its scheme and its id. GitHub does not sign the id."""

    scheme: Scheme
    id: str
    event: str = ""


@dataclass(frozen=True, slots=True)
class Signatures:
    """The secrets of all senders. All have the same rights."""

    standard: tuple[Webhook, ...] = field(repr=False)
    github: tuple[bytes, ...] = field(repr=False)

    def verify(self, headers: Headers, body: bytes, *, only: Scheme | None = None) -> Delivery:
        """The delivery that ``headers`` and ``body`` prove.

        Raises:
            ProblemError: 401 when they prove nothing, 400 when they contradict themselves.
        """
        for name in (*STANDARD_HEADERS, *GITHUB_HEADERS):
            if len(headers.getlist(name)) > 1:
                raise ProblemError(400, f"The header {name} is there twice. Send it once.")
        if STANDARD_HEADERS[2] in headers and GITHUB_HEADERS[0] in headers:
            raise ProblemError(400, f"Sign with {STANDARD_HEADERS[2]} or with {GITHUB_HEADERS[0]}, not with both.")
        if GITHUB_HEADERS[0] in headers and only != "standard":
            return self._verify_github(headers, body)
        return self._verify_standard(headers, body)

    def _verify_standard(self, headers: Headers, body: bytes) -> Delivery:
        given = {name: headers.get(name, "") for name in STANDARD_HEADERS}
        if not all(given.values()):
            raise ProblemError(401, f"Sign the request: the headers {', '.join(STANDARD_HEADERS)} (Standard Webhooks).")
        if not _ID.fullmatch(given["webhook-id"]):
            raise ProblemError(401, "The header webhook-id must be 1 to 200 ASCII letters, digits or signs but no dot.")
        if (
            not _TIMESTAMP.fullmatch(given["webhook-timestamp"])
            or len(given["webhook-signature"]) > _LONGEST_SIGNATURES
        ):
            raise ProblemError(401, "The header webhook-timestamp must be in seconds, webhook-signature v1,<base64>.")
        try:
            text = body.decode()
        except UnicodeDecodeError:
            raise ProblemError(400, "The body is not UTF-8.") from None
        # All secrets are checked, also after a match, so that the time does not reveal which one matched.
        held = [_holds(webhook, text, given) for webhook in self.standard]
        if not any(held):
            raise ProblemError(401, _why_not(given))
        return Delivery("standard", given["webhook-id"])

    def _verify_github(self, headers: Headers, body: bytes) -> Delivery:
        signature, delivery_id, event = (headers.get(name, "") for name in GITHUB_HEADERS)
        if not _GITHUB_SIGNATURE.fullmatch(signature):
            raise ProblemError(401, "The header X-Hub-Signature-256 must be sha256=<64 hexadecimal digits>.")
        if not _ID.fullmatch(delivery_id):
            raise ProblemError(401, "The header X-GitHub-Delivery must hold the delivery's id.")
        expected = [hmac.new(secret, body, hashlib.sha256).hexdigest() for secret in self.github]
        held = [hmac.compare_digest(f"sha256={digest}", signature) for digest in expected]
        if not any(held):
            raise ProblemError(401, "No secret of this receiver made the signature in X-Hub-Signature-256.")
        return Delivery("github", delivery_id, event)


def _holds(webhook: Webhook, text: str, headers: dict[str, str]) -> bool:
    try:
        webhook.verify(text, headers, json_parse=False)
    except (WebhookVerificationError, ValueError):
        # ValueError: what stands in the header is no base64, or has no comma.
        return False
    return True


def _why_not(headers: dict[str, str]) -> str:
    if abs(time.time() - int(headers["webhook-timestamp"])) > _TOLERANCE_SECONDS:
        return "The header webhook-timestamp is more than 5 minutes from this receiver's clock. Sign it again, now."
    return "No secret of this receiver made the signature in webhook-signature (over id.timestamp.body)."


def open_signatures(standard: Sequence[SecretStr], github: Sequence[SecretStr]) -> Signatures:
    """The secrets of the settings.

    Raises:
        RefusedError: there is none, one is too weak or none at all, or one is used for both schemes.
    """
    if not standard and not github:
        raise ConfigurationError(
            "no secret for webhooks: set AGENT_REPORT_WEBHOOK_SECRETS, a JSON array such as "
            '["whsec_…"] (whsec_ and the output of `openssl rand -base64 32`), or AGENT_REPORT_WEBHOOK_GITHUB_SECRETS'
        )
    webhooks = []
    keys = []
    for position, secret in enumerate(standard):
        key = _standard_key(secret.get_secret_value())
        if key is None:
            raise ConfigurationError(
                f"wrong setting: AGENT_REPORT_WEBHOOK_SECRETS.{position}: must be whsec_ and the base64 of 24 to 64 "
                "random bytes (`openssl rand -base64 32`)"
            )
        keys.append(key)
        webhooks.append(Webhook(key))
    for position, secret in enumerate(github):
        name = f"AGENT_REPORT_WEBHOOK_GITHUB_SECRETS.{position}"
        if len(secret.get_secret_value()) < _GITHUB_SECRET_CHARS:
            raise ConfigurationError(f"wrong setting: {name}: must be at least {_GITHUB_SECRET_CHARS} characters")
        if _standard_key(secret.get_secret_value()) in keys:
            raise ConfigurationError(
                f"wrong setting: {name}: is in AGENT_REPORT_WEBHOOK_SECRETS too; each scheme needs its own"
            )
    return Signatures(tuple(webhooks), tuple(secret.get_secret_value().encode() for secret in github))


def _standard_key(secret: str) -> bytes | None:
    # The library drops whatever is no base64 and signs with what is left: a pass phrase would be a weaker one.
    text = secret.removeprefix("whsec_").rstrip("=")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) in _SECRET_BYTES else None
