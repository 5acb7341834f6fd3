"""What a call to the judge's endpoint carries to be let in: a key, a token of Microsoft Entra, headers of one's own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tasks.errors import ConfigurationError, EndpointError, scrub
from tasks.judge.endpoint.access.address import Address
from tasks.judge.endpoint.access.secret_values import Secrets

HEADERS = "AGENT_REPORT_JUDGE_HEADERS"
ENTRA = "AGENT_REPORT_JUDGE_ENTRA_SCOPE"
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")
# Those that frame the message, or describe its content and the accepted forms of the reply.
_OWNED = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_KEY_HEADERS = ("authorization", "api-key")


@dataclass(frozen=True, slots=True)
class Authentication:
    """How calls are let in: ``key`` as the SDK takes it, and ``headers``, of which None leaves out the SDK's own.

    ``secrets`` are hidden in all that the endpoint echoes.
    """

    key: str | Callable[[], str]
    headers: Mapping[str, str | None]
    secrets: Secrets


def authenticate(
    address: Address, key: str, headers: Mapping[str, str], token: Callable[[], str] | None, secrets: Secrets
) -> Authentication:
    """How calls to ``address`` are let in; ``token`` takes the key's place. ``secrets`` gets the key and the headers.

    Raises:
        ConfigurationError: a header that cannot be sent, that is ours, or that would take the place of the key; or
            there is neither key, token nor header for OpenAI's own endpoint. No value is shown.
    """
    given = _check_headers(headers)
    secrets.add(key, "key")
    for value in given.values():
        secrets.add(value, "header")
    sent: dict[str, str | None] = {**given}
    own_key = [name for name in given if name.lower() in _KEY_HEADERS]
    if own_key and (key or token):
        held = ENTRA if token else "OPENAI_API_KEY"
        raise ConfigurationError(
            f"wrong setting: {HEADERS}: {own_key[0]} is what {held} is sent in: set one of the two"
        )
    if not (key or token or own_key) and address.is_openai:
        raise ConfigurationError("no key for the judge: set OPENAI_API_KEY, or OPENAI_BASE_URL for another endpoint")
    if own_key and "authorization" not in [name.lower() for name in own_key]:
        sent["Authorization"] = None
    if key and not token and address.wants_api_key_header:
        # A bearer token here would have to be one of Entra.
        sent |= {"api-key": key, "Authorization": None}
    return Authentication(token or key, sent, secrets)


def parse_headers(value: Any, setting: str) -> dict[str, str]:
    """Headers as a block holds them: an object of texts, or its JSON; ``setting`` names the block.

    Raises:
        ConfigurationError: it is neither. No value is shown.
    """
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise ConfigurationError(f'wrong setting: {setting}: the block must hold a JSON object, {{"x-tenant": "a"}}')
    return found


def _check_headers(headers: Mapping[str, str]) -> dict[str, str]:
    known: set[str] = set()
    for name, value in headers.items():
        wrong = f"wrong setting: {HEADERS}: "
        if not _NAME.fullmatch(name):
            # The name may be a whole line, with the secret in it.
            raise ConfigurationError(f'{wrong}a name that no header has; write {{"x-tenant": "a"}}')
        if name.lower() in _OWNED:
            raise ConfigurationError(f"{wrong}{name} is set by this program and cannot be given")
        if name.lower() in known:
            raise ConfigurationError(f"{wrong}{name} is given twice")
        if not value or value != value.strip() or not (value.isascii() and value.isprintable()):
            raise ConfigurationError(
                f"{wrong}the value of {name} is empty, or has a character that no header holds (a line break, a letter "
                "beyond ASCII, a blank at its ends)"
            )
        known.add(name.lower())
    return dict(headers)


def open_entra(scope: str, secrets: Secrets) -> Callable[[], str]:
    """A function that gives a token of Microsoft Entra for ``scope``, kept and renewed by azure-identity.

    It raises EndpointError where there is none. Every token is added to ``secrets``.

    Raises:
        ConfigurationError: azure-identity is not installed, or no token can be obtained now.
    """
    try:
        from azure.identity import DefaultAzureCredential, get_bearer_token_provider
    except ImportError:
        raise ConfigurationError(f"{ENTRA} needs azure-identity: pip install 'agent-report[azure]'") from None
    token = EntraToken(get_bearer_token_provider(DefaultAzureCredential(), scope), scope, secrets)
    try:
        token()
    except EndpointError as error:
        raise ConfigurationError(str(error)) from None
    return token


class EntraToken:
    """A token of Microsoft Entra for each call; ``provide`` keeps and renews it."""

    def __init__(self, provide: Callable[[], str], scope: str, secrets: Secrets) -> None:
        self._provide = provide
        self._scope = scope
        self._secrets = secrets
        self._last = ""

    def __call__(self) -> str:
        """The token that is valid now.

        Raises:
            EndpointError: none can be obtained.
        """
        try:
            token = self._provide()
        except Exception as error:  # noqa: BLE001 - credentials raise what their libraries raise
            detail = scrub(str(error).partition("\n")[0])[:200]
            raise EndpointError(
                f"no token of Microsoft Entra for {scrub(self._scope)} ({ENTRA}): {type(error).__name__}: {detail}"
            ) from None
        if token != self._last:
            self._secrets.add(token, "token")
            self._last = token
        return token
