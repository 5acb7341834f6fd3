"""One call to the judge: the openai SDK for the protocol, our own retries, limits and reading of the reply.

The SDK's retries are off: there is one owner of retries, it honours Retry-After, and it never repeats a call that was
refused for quota or authentication.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import httpx2
import openai
from openai import APIConnectionError, APIError, APIStatusError, APITimeoutError

from tasks.errors import ContextLengthError, DeadlineError, EndpointError, JudgeError, scrub
from tasks.judge.endpoint.access.address import Address
from tasks.judge.endpoint.access.extra import EXTRA, named_extra
from tasks.judge.endpoint.access.secret_values import Secrets
from tasks.judge.endpoint.access.tier import ServiceTier
from tasks.judge.endpoint.capabilities import LIMIT, Capabilities, Form
from tasks.judge.endpoint.limiter import Permit, RateLimiter, StopSignal
from tasks.judge.endpoint.refusal import (
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


def open_endpoint(
    base_url: str,
    key: str | Callable[[], str],
    headers: Mapping[str, str | None] | None = None,
    query: Mapping[str, str] | None = None,
) -> openai.OpenAI:
    """The SDK's client for a judge's endpoint: without retries of its own, with every reply bounded.

    It follows no redirect: the prompt is for this endpoint, and not for another that it names. ``key`` may be a
    function that gives the one of now, ``headers`` (without those that are None) and ``query`` go with every call.
    """
    sent = {name: value for name, value in (headers or {}).items() if value is not None}

    def leave_out(request: httpx2.Request) -> None:
        # The SDK insists on an Authorization header of its own.
        for name in (headers or {}).keys() - sent:
            request.headers.pop(name, None)

    http = _BoundedHttp(base_url=base_url, follow_redirects=False, headers={"Accept-Encoding": "identity"})
    http.event_hooks = {"request": [leave_out]}
    bound_time(http)
    client = openai.OpenAI(
        # An endpoint may want no key; the SDK wants one all the same.
        api_key=key or "none",
        base_url=base_url,
        max_retries=0,
        http_client=http,
        default_headers=sent,
        default_query=query,
    )
    # The SDK imports half a second of modules when this is first used: here, rather than in the first call's time.
    _ = client.chat.completions.with_streaming_response
    return client


@dataclass(frozen=True, slots=True)
class JudgeClient:
    """The judge's endpoint and how it is asked; shared by all threads of the process.

    ``openai`` comes from ``open_endpoint``. ``call_timeout_seconds`` bounds one call, ``max_attempts`` those that fail
    with 5xx or a broken connection; 429 is retried until the deadline. ``first_backoff_seconds`` doubles with every
    attempt. ``temperature`` is sent only when it is set. ``capabilities`` is shared by the clients of one base URL and
    model, and so is ``tier``. ``route`` names what of the environment connections go through, such as a proxy, for when
    they fail. ``extra`` is merged into every request. ``address`` (None: not known) is what answers are known by, and
    ``secrets`` are hidden in what the endpoint echoes.
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
    route: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    tier: ServiceTier = field(default_factory=ServiceTier)
    address: Address | None = None
    secrets: Secrets = field(default_factory=Secrets)
    clock: Callable[[], float] = time.monotonic

    def parameters(self) -> dict[str, Any]:
        """What is asked for beside the messages and the schema, and so goes into the fingerprint.

        It is what is configured: which of it the endpoint takes, and under which name, does not make another question.
        """
        return self._parameters() | ({"extra": dict(self.extra)} if self.extra else {})

    def _parameters(self) -> dict[str, Any]:
        chosen = {} if self.temperature is None else {"temperature": self.temperature}
        return {LIMIT: self.max_output_tokens, **chosen}

    def complete(
        self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any], *, deadline: float, stop: StopSignal
    ) -> Reply:
        """Ask until there is a reply, the deadline (of ``clock``) is near, or asking is hopeless.

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
                    form, tier = self.capabilities.form, self.tier.current
                    held = untaken = False
                    try:
                        reply = self._send(form, tier, messages, schema, deadline, attempts)
                    except APIStatusError as error:
                        failure: APIError = error
                        untaken = self.tier.is_refused(tier, error, message_of(error))
                        # Before the slot is given back, so that no call slips through in between.
                        held = not untaken and self._slow_down(permit, error, attempts)
                    except APIConnectionError as error:
                        failure = error
                        unanswered += _may_be_charged(error)
                    else:
                        if reply.paid:
                            permit.answered()
                            self.capabilities.answered(form)
                        return replace(reply, unanswered=unanswered)
                said = self._describe(failure)
                if untaken:
                    self.tier.give_up(said)
                    continue
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
        if not isinstance(failure, APIStatusError) or is_too_long(failure) or self._named_extra(failure):
            return False
        sent = form.body(self._parameters(), {})
        return self.capabilities.refused(form, failure.status_code, failure.param, message_of(failure), sent)

    def _named_extra(self, failure: APIStatusError) -> str:
        """Which field of the user's own is refused; "" when none is."""
        return named_extra(self.extra, failure.param, message_of(failure)) if failure.status_code in (400, 422) else ""

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
                raise ContextLengthError(f"the judge's endpoint refused the call: {said}")
            if status not in (408, 409, 429) and status < 500:
                raise EndpointError(f"the judge's endpoint refused the call: {said}")
        if failures >= self.max_attempts:
            raise EndpointError(f"the judge's endpoint failed {counted(failures, 'time')}: {said}")

    def _send(
        self,
        form: Form,
        tier: str,
        messages: Sequence[Mapping[str, str]],
        schema: Mapping[str, Any],
        deadline: float,
        attempts: int,
    ) -> Reply:
        started = self.clock()
        timeout = min(self.call_timeout_seconds, deadline - started)
        if timeout <= 0:
            raise DeadlineError("the time for this agent is up")
        try:
            with exchange_within(timeout, self.clock):
                beside = form.body(self._parameters(), schema) | self.tier.body(self.extra, tier)
                body = self._receive(form.messages(messages, schema), beside, timeout)
        except httpx2.TimeoutException as error:
            # The SDK translates what happens up to the reply's headers, and not what happens within its body.
            raise APITimeoutError(request=error.request) from error
        except httpx2.RequestError as error:
            if isinstance(error.__cause__, EncodingError | LargeBodyError):
                return unread_reply(str(error), self.model, attempts)
            raise APIConnectionError(request=error.request) from error
        secrets = self._secrets()
        # What an endpoint echoes goes into messages, the ledger and the report; what is no JSON stays as it came.
        reply = read_reply(secrets.hide_in_body(body), self.model, self.clock() - started, attempts)
        texts = {
            name: secrets.hide_in_text(getattr(reply, name))
            for name in ("text", "refusal", "model", "problem", "service_tier")
        }
        return replace(reply, **cast(Any, texts | {"service_tier": texts["service_tier"] or tier}))

    def _secrets(self) -> Secrets:
        self.secrets.add(self.openai.api_key, "key")
        return self.secrets

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
            if name := self._named_extra(failure):
                text += f" ({EXTRA} sends {name})"
            if failure.status_code == 404 and self.address is not None:
                text += self.address.path_hint
        elif not isinstance(failure, APIConnectionError) or _may_be_charged(failure):
            text = f"the connection failed ({failure.__cause__ or failure})"
        else:
            hint = "" if self.address is None else self.address.port_hint
            where = f"{self.openai.base_url} (OPENAI_BASE_URL){self.route}"
            text = f"no connection to {where}: {describe_cause(failure)}{hint}"
        return scrub(self._secrets().hide_in_error(text))


def _may_be_charged(error: APIConnectionError) -> bool:
    """Whether the request went out: then the endpoint may have answered it, and charge for that, unheard."""
    return not isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.UnsupportedProtocol)
