"""The HTTP client under the SDK: every reply is bounded, in bytes and in time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import httpx2
import openai

from tasks.wire.body import BodyError, decode_body

_MOST_BYTES = 8 * 1024 * 1024


class BoundedHttp(openai.DefaultHttpxClient):
    """The SDK's HTTP client, which bounds the size of every reply, decoded: the SDK reads an error's to its end."""

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """As the SDK's client does; reading the reply raises ReadError where it is too long or oddly encoded.

        An error's body that cannot be read to its end is cut there without an exception: its status is enough.
        """
        response = super().send(request, **options)
        encoding = response.headers.pop("content-encoding", "")
        stream = cast(httpx2.SyncByteStream, response.stream)
        response.stream = _BoundedStream(stream, request, encoding, is_error=response.status_code >= 400)
        return response


class _BoundedStream(httpx2.SyncByteStream):
    def __init__(
        self, stream: httpx2.SyncByteStream, request: httpx2.Request, encoding: str, *, is_error: bool
    ) -> None:
        self._stream, self._request, self._encoding, self._is_error = stream, request, encoding, is_error

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from decode_body(self._stream, self._encoding, _MOST_BYTES)
        except BodyError as error:
            if self._is_error:
                return
            raise httpx2.ReadError(str(error), request=self._request) from error

    def close(self) -> None:
        self._stream.close()
