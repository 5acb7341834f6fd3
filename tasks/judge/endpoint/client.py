"""One call to the judge: the openai SDK for the protocol, our own retries, limits and reading of the reply.

The SDK's retries are off: there is one owner of retries, it honours Retry-After, and it never repeats a call that was
refused for quota or authentication.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import httpx2
import openai
from openai import APIConnectionError, APIError, APIStatusError, APITimeoutError

from tasks.errors import ContextLengthError, DeadlineError, EndpointError, JudgeError, scrub
from tasks.judge.endpoint.capabilities import LIMIT, Capabilities, Form
from tasks.judge.endpoint.limiter import Permit, RateLimiter, StopSignal
from tasks.judge.endpoint.model_limits import ModelLimits
from tasks.judge.endpoint.refusal import (
    figures_of,
    is_moderation,
    is_rate_limit,
    is_too_long,
    message_of,
    why_judging_ends,
)
from tasks.judge.endpoint.reply import Reply, read_reply, unread_reply
from tasks.wire.body import BodyError, EncodingError, LargeBodyError, decode_body
from tasks.wire.deadline import bound_time, exchange_within
from tasks.wire.retry_after import retry_after_seconds
from tasks.wire.route import describe_cause
from tasks.wording.counts import counted

_MOST_BYTES = 8 * 1024 * 1024
_CONNECT_SECONDS = 10.0
_LONGEST_BACKOFF_SECONDS = 20.0
# Shorter ones ("none", "simulated") are words that an answer may hold.
_LENGTH_OF_KEYS = 16


class _BoundedHttp(openai.DefaultHttpxClient):
    """The SDK's HTTP client, which bounds the size of every reply, decoded: the SDK reads an error's to its end."""

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """As the SDK's client does; reading the reply raises ReadError where it is too long or oddly encoded."""
        response = super().send(request, **options)
        encoding = response.headers.pop("content-encoding", "")
        response.stream = _BoundedStream(cast(httpx2.SyncByteStream, response.stream), request, encoding)
        return response


class _BoundedStream(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream, request: httpx2.Request, encoding: str) -> None:
        self._stream, self._request, self._encoding = stream, request, encoding

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from decode_body(self._stream, self._encoding, _MOST_BYTES)
        except BodyError as error:
            raise httpx2.ReadError(str(error), request=self._request) from error

    def close(self) -> None:
        self._stream.close()


def open_endpoint(base_url: str, key: str) -> openai.OpenAI:
    """The SDK's client for a judge's endpoint: without retries of its own, with every reply bounded.

    It follows no redirect: the prompt is for this endpoint, and not for another that it names.
    """
    http = _BoundedHttp(base_url=base_url, follow_redirects=False, headers={"Accept-Encoding": "identity"})
    bound_time(http)
    client = openai.OpenAI(
        # An endpoint may want no key; the SDK wants one all the same.
        api_key=key or "none",
        base_url=base_url,
        max_retries=0,
        http_client=http,
    )
    # The SDK imports half a second of modules when this is first used: here, rather than in the first call's time.
    _ = client.chat.completions.with_streaming_response
    return client


@dataclass(frozen=True, slots=True)
class JudgeClient:
    """The judge's endpoint and how it is asked; shared by all threads of the process.

    ``openai`` comes from ``open_endpoint``. ``call_timeout_seconds`` bounds one call, ``max_attempts`` those that fail
    with 5xx or a broken connection; 429 is retried until the deadline. ``first_backoff_seconds`` doubles with every
    attempt. ``temperature`` is sent only when it is set. ``capabilities`` and ``limits`` are shared by the clients of
    one base URL and model. ``route`` names what of the environment connections go through, such as a proxy, for when
    they fail.
    """

    openai: openai.OpenAI
    limiter: RateLimiter
    model: str
    call_timeout_seconds: float = 120.0
    max_attempts: int = 5
    max_output_tokens: int = 8000
    temperature: float | None = None
    first_backoff_seconds: float = 1.0
    capabilities: Capabilities = field(default_factory=Capabilities)
    limits: ModelLimits = field(default_factory=ModelLimits)
    route: str = ""
    clock: Callable[[], float] = time.monotonic

    def parameters(self, output_tokens: int | None = None) -> dict[str, Any]:
        """What is asked for beside the messages and the schema, and so goes into the fingerprint.

        It is what is configured: which of it the endpoint takes, and under which name, does not make another question,
        nor does a lower limit of the answer, ``output_tokens``.
        """
        chosen = {} if self.temperature is None else {"temperature": self.temperature}
        return {LIMIT: output_tokens or self.max_output_tokens, **chosen}

    def complete(
        self,
        messages: Sequence[Mapping[str, str]],
        schema: Mapping[str, Any],
        *,
        deadline: float,
        stop: StopSignal,
        output_tokens: int | None = None,
    ) -> Reply:
        """Ask until there is a reply, the deadline (of ``clock``) is near, or asking is hopeless.

        ``output_tokens`` is the limit of this answer where the model takes less than ``max_output_tokens``.

        Raises:
            DeadlineError: no reply in time.
            JudgingEndedError: judging ended before this call could start.
            ContextLengthError: the request is too long.
            EndpointError: the call was refused (for quota, authentication or an unknown model: then ``stop`` is ended
                too, as no other call can succeed), or failed ``max_attempts`` times.
        """
        failures = 0
        attempts = 0
        unanswered = 0
        doubted = False
        said = ""
        try:
            while True:
                attempts += 1
                self.capabilities.wait_turn()
                with self.limiter.slot(deadline, stop) as permit:
                    form = self.capabilities.form
                    held = False
                    try:
                        reply = self._send(form, messages, schema, deadline, attempts, output_tokens)
                    except APIStatusError as error:
                        failure: APIError = error
                        # Before the slot is given back, so that no call slips through in between.
                        held = self._slow_down(permit, error, attempts)
                    except APIConnectionError as error:
                        failure = error
                        unanswered += _may_be_charged(error)
                    else:
                        if reply.paid:
                            permit.answered()
                            self.capabilities.answered(form)
                        return replace(reply, unanswered=unanswered)
                said = self._describe(failure)
                if self._learn(form, failure):
                    continue
                failures += not is_rate_limit(failure)
                if not doubted and self._is_doubtful(failure):
                    doubted = True
                else:
                    self._give_up(failure, said, failures, stop)
                if not held:
                    stop.wait(self._backoff(attempts), deadline)
        except JudgeError as error:
            raised = DeadlineError(f"{error} (last: {said})") if said and isinstance(error, DeadlineError) else error
            raised.unanswered = unanswered
            raise raised from None

    def _slow_down(self, permit: Permit, error: APIStatusError, attempts: int) -> bool:
        """Tell the limiter of a limit; whether the limiter now holds everybody back, this call included."""
        if error.status_code not in (429, 503) or is_too_long(error):
            return False
        pause = retry_after_seconds(error.response.headers)
        if pause is not None:
            pause = max(pause, self._shortest_pause(attempts))
        if is_rate_limit(error):
            permit.refused(pause)
        elif pause is not None:
            self.limiter.hold(pause)
        return pause is not None

    def _learn(self, form: Form, failure: APIError) -> bool:
        """Whether the endpoint only refused how it was asked, and can be asked otherwise."""
        if not isinstance(failure, APIStatusError) or is_too_long(failure):
            return False
        sent = form.body(self.parameters(), {})
        return self.capabilities.refused(form, failure.status_code, failure.param, message_of(failure), sent)

    def _backoff(self, attempts: int) -> float:
        pause = min(_LONGEST_BACKOFF_SECONDS, self.first_backoff_seconds * 2.0 ** min(attempts - 1, 10))
        return pause * random.uniform(0.75, 1.25)  # noqa: S311 - jitter, not a secret

    def _shortest_pause(self, attempts: int) -> float:
        # An endpoint that says "Retry-After: 0" and stays limited would be asked hundreds of times a second.
        return self.first_backoff_seconds * min(1.0, 0.1 * attempts)

    def _is_doubtful(self, failure: APIError) -> bool:
        """Whether the key, the model or the path are refused that were good for other calls: one may be a stumble."""
        return self.limiter.has_answered and isinstance(failure, APIStatusError) and failure.status_code in (401, 404)

    def _give_up(self, failure: APIError, said: str, failures: int, stop: StopSignal) -> None:
        """Raise when another attempt is of no use."""
        if isinstance(failure, APIStatusError):
            status = failure.status_code
            # Moderation and firewalls refuse what stands in one agent's texts with a 403 too: that agent must not end
            # everybody's judging.
            of_this_call = status == 403 and (self.limiter.has_answered or is_moderation(failure))
            if (ended := why_judging_ends(failure)) and not of_this_call:
                reason = f"{ended}: {said}"
                stop.end("endpoint", reason)
                raise EndpointError(reason)
            if is_too_long(failure):
                refused = f"the judge's endpoint refused the call: {said}"
                raise ContextLengthError(refused, message_of(failure), figures_of(failure))
            if status not in (408, 409, 429) and status < 500:
                raise EndpointError(f"the judge's endpoint refused the call: {said}")
        if failures >= self.max_attempts:
            raise EndpointError(f"the judge's endpoint failed {counted(failures, 'time')}: {said}")

    def _send(
        self,
        form: Form,
        messages: Sequence[Mapping[str, str]],
        schema: Mapping[str, Any],
        deadline: float,
        attempts: int,
        output_tokens: int | None,
    ) -> Reply:
        started = self.clock()
        timeout = min(self.call_timeout_seconds, deadline - started)
        if timeout <= 0:
            raise DeadlineError("the time for this agent is up")
        try:
            with exchange_within(timeout, self.clock):
                body = self._receive(
                    form.messages(messages, schema), form.body(self.parameters(output_tokens), schema), timeout
                )
        except httpx2.TimeoutException as error:
            # The SDK translates what happens up to the reply's headers, and not what happens within its body.
            raise APITimeoutError(request=error.request) from error
        except httpx2.RequestError as error:
            if isinstance(error.__cause__, EncodingError | LargeBodyError):
                return unread_reply(str(error), self.model, attempts)
            raise APIConnectionError(request=error.request) from error
        key = self.openai.api_key
        if len(key) < _LENGTH_OF_KEYS:
            return read_reply(body, self.model, self.clock() - started, attempts)
        # What an endpoint echoes goes into messages, the ledger and the report; what is no JSON stays as it came.
        reply = read_reply(body.replace(key.encode(), b"[key]"), self.model, self.clock() - started, attempts)
        # JSON can write a character in other ways (\/, \u002b), and the text is JSON once more.
        written = re.compile("".join(rf"(?:\\?{re.escape(char)}|(?i:\\u{ord(char):04x}))" for char in key))
        texts = {name: written.sub("[key]", getattr(reply, name)) for name in ("text", "refusal", "model", "problem")}
        return replace(reply, **cast(Any, texts))

    def _receive(self, messages: list[dict[str, str]], beside: Mapping[str, Any], timeout: float) -> bytes:
        with self.openai.chat.completions.with_streaming_response.create(
            model=self.model,
            messages=cast(Any, messages),
            # Not as the SDK's arguments, which are typed for OpenAI: names and parts differ from endpoint to endpoint.
            extra_body=beside,
            timeout=httpx2.Timeout(timeout, connect=min(_CONNECT_SECONDS, timeout)),
        ) as response:
            return b"".join(response.iter_bytes())

    def _describe(self, failure: APIError) -> str:
        """One line without the key, whatever the endpoint echoes."""
        if isinstance(failure, APITimeoutError):
            text = "no reply in time"
        elif isinstance(failure, APIStatusError):
            text = f"HTTP {failure.status_code}: {message_of(failure)}"
        elif not isinstance(failure, APIConnectionError) or _may_be_charged(failure):
            text = f"the connection failed ({failure.__cause__ or failure})"
        else:
            text = f"no connection to {self.openai.base_url} (OPENAI_BASE_URL){self.route}: {describe_cause(failure)}"
        key = self.openai.api_key
        return scrub(text.replace(key, "[key]") if len(key) > len("none") else text)


def _may_be_charged(error: APIConnectionError) -> bool:
    """Whether the request went out: then the endpoint may have answered it, and charge for that, unheard."""
    return not isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.UnsupportedProtocol)
