"""The body of a request: read within limits, and as unambiguous JSON."""

from __future__ import annotations

import asyncio
import math
import re
from typing import Any

import jiter
from starlette.requests import ClientDisconnect, Request

from deployments.webhook.problems import ProblemError

MAX_BODY_BYTES = 65_536
_READ_SECONDS = 10.0
_MOST_AT_ONCE = 256
_MAX_DEPTH = 16
_JSON_TYPE = re.compile(r'application/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?', re.IGNORECASE)


class BodyReader:
    """Reads bodies, each within its time. Where too many are being received, the one that takes longest makes room.

    No signature can be checked before the whole body is there, so slow senders must not keep out those who sign: what
    they send arrives at once.
    """

    def __init__(self, *, seconds: float = _READ_SECONDS, at_once: int = _MOST_AT_ONCE) -> None:
        self._seconds = seconds
        self._at_once = at_once
        # In the order in which they began.
        self._reading: dict[asyncio.Timeout, None] = {}

    async def read(self, request: Request) -> bytes:
        """The body; at most 64 KiB of it are held, whatever ``Content-Length`` claims.

        Raises:
            ProblemError: 413, 408 when it takes too long or had to make room, 400 when it breaks off.
        """
        announced = request.headers.get("content-length", "0")
        if not announced.isdecimal() or int(announced[:12]) > MAX_BODY_BYTES:
            raise _too_large()
        limit = asyncio.timeout(self._seconds)
        try:
            async with limit:
                self._reading[limit] = None
                if len(self._reading) > self._at_once:
                    longest = next(iter(self._reading))
                    del self._reading[longest]
                    longest.reschedule(asyncio.get_running_loop().time())
                return await _read(request)
        except TimeoutError:
            detail = (
                f"The body did not arrive within {self._seconds:g} seconds, or was slow while other requests waited. "
                "Send it again."
            )
            raise ProblemError(408, detail) from None
        except ClientDisconnect:
            raise ProblemError(400, "The body broke off. Send it again.") from None
        finally:
            self._reading.pop(limit, None)


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        if len(body) + len(chunk) > MAX_BODY_BYTES:
            # The rest is read and dropped, while the answer goes out, by the connection: one that is closed before all
            # is read is reset, and its sender may never see the answer.
            raise _too_large()
        body += chunk
    return bytes(body)


def _too_large() -> ProblemError:
    return ProblemError(413, f"The body is larger than {MAX_BODY_BYTES} bytes. Send only the flow's parameters.")


def check_content_type(request: Request) -> None:
    """Refuse all but ``application/json`` in UTF-8, uncompressed.

    Raises:
        ProblemError: 415.
    """
    if not _JSON_TYPE.fullmatch(request.headers.get("content-type", "").strip()):
        raise ProblemError(415, "Send the header Content-Type: application/json (UTF-8). GitHub: choose it there too.")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise ProblemError(415, "Send the body uncompressed, without the header Content-Encoding.")


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object in ``body``.

    Refused is what two readers could understand differently (a key twice, NaN, numbers beyond a float's range), what
    no database takes (NUL, lone surrogates), and what is nested deeper than any parameter is.

    Raises:
        ProblemError: 400.
    """
    try:
        value = jiter.from_json(body, allow_inf_nan=False, catch_duplicate_keys=True, cache_mode="none")
    except ValueError as error:
        # It names the place and, of what was sent, a doubled key at the most.
        raise ProblemError(400, f"The body is not JSON that can be read: {str(error)[:200]}.") from None
    if not isinstance(value, dict):
        raise ProblemError(400, 'The body is no JSON object. Send one, such as {"environment": "production"}.')
    _check_values(value, 1)
    return value


def _check_values(value: Any, depth: int) -> None:
    # The parser stops at 200 levels, so this cannot overflow the stack.
    if depth > _MAX_DEPTH:
        raise ProblemError(400, f"The body is nested deeper than {_MAX_DEPTH} levels.")
    if isinstance(value, dict):
        for key, inner in value.items():
            _check_text(key)
            _check_values(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _check_values(inner, depth + 1)
    elif isinstance(value, str):
        _check_text(value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ProblemError(400, "The body holds a number that is too large.")


def _check_text(text: str) -> None:
    if "\0" in text:
        raise ProblemError(400, "The body holds the character NUL (\\u0000), which no database takes.")
