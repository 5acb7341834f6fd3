"""One call to the judge: the openai SDK for the protocol, our own retries, limits and reading of the reply.

The SDK's retries are off: there is one owner of retries, it honours Retry-After, and it never repeats a call that was
refused for quota or authentication.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import httpx2
import openai

# The SDK would import these modules at the first call, in a report's time.
import openai.resources.chat.completions.completions
from openai import APIConnectionError, APIStatusError, APITimeoutError

from tasks.errors import ContextLengthError, DeadlineError, EndpointError, JudgeError, scrub
from tasks.judge.endpoint.access.address import Address
from tasks.judge.endpoint.access.bounded_http import BoundedHttp
from tasks.judge.endpoint.access.extra import EXTRA, named_extra
from tasks.judge.endpoint.access.secret_values import Secrets
from tasks.judge.endpoint.access.tier import ServiceTier
from tasks.judge.endpoint.capabilities import Capabilities
from tasks.judge.endpoint.faults.fault import Cause, recognise
from tasks.judge.endpoint.faults.table import ENDINGS, FAULTS, REMEDIES, why_judging_ends
from tasks.judge.endpoint.form import LIMIT, Form
from tasks.judge.endpoint.limiter import Permit, RateLimiter
from tasks.judge.endpoint.model_limits import Bounds, ModelLimits
from tasks.judge.endpoint.refusals.refusal import Refusal, read_refusal, without_echo
from tasks.judge.endpoint.refusals.stated import read_stated_refusal
from tasks.judge.endpoint.reply import Reply, read_reply, unread_reply
from tasks.judge.endpoint.stated_limits import read_stated_limits
from tasks.judge.endpoint.stop_signal import StopSignal
from tasks.wire.body import EncodingError, LargeBodyError
from tasks.wire.deadline import bound_time, exchange_within
from tasks.wire.route import describe_cause
from tasks.wording.counts import counted

_CONNECT_SECONDS = 10.0
_LONGEST_BACKOFF_SECONDS = 20.0
# A lower limit holds no answer; then it is better that the server chooses.
_SMALLEST_LIMIT = 256
_REFUSED = "the judge's endpoint refused the call"


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

    http = BoundedHttp(base_url=base_url, follow_redirects=False, headers={"Accept-Encoding": "identity"})
    http.event_hooks = {"request": [leave_out]}
    bound_time(http)
    return openai.OpenAI(
        # An endpoint may want no key; the SDK wants one all the same.
        api_key=key or "none",
        base_url=base_url,
        max_retries=0,
        http_client=http,
        default_headers=sent,
        default_query=query,
    )


@dataclass(slots=True)
class _Call:
    """One call through all its attempts. ``form`` is its own, where it is asked otherwise than all others."""

    messages: Sequence[Mapping[str, str]]
    schema: Mapping[str, Any]
    deadline: float
    stop: StopSignal
    parameters: Mapping[str, Any]
    attempts: int = 0
    failures: int = 0
    unanswered: int = 0
    doubted: bool = False
    regenerated: bool = False
    form: Form | None = None
    tier: str = ""
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class JudgeClient:
    """The judge's endpoint and how it is asked; shared by all threads of the process.

    ``openai`` comes from ``open_endpoint``. ``call_timeout_seconds`` bounds one call, ``max_attempts`` those that fail
    with 5xx or a broken connection; 429 and 503 are retried until the deadline. ``first_backoff_seconds`` doubles with
    every attempt. ``temperature`` is sent only when it is set. ``capabilities``, ``limits`` and ``tier`` are shared by
    the clients of one base URL and model. ``route`` names what of the environment connections go through, such as a
    proxy, for when they fail. ``extra`` is merged into every request. ``address`` (None: not known) is what answers are
    known by, and ``secrets`` are hidden in what the endpoint echoes; ``key_name`` is the setting that holds the key.
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
    extra: Mapping[str, Any] = field(default_factory=dict)
    tier: ServiceTier = field(default_factory=ServiceTier)
    address: Address | None = None
    secrets: Secrets = field(default_factory=Secrets)
    key_name: str = "OPENAI_API_KEY"
    clock: Callable[[], float] = time.monotonic

    def parameters(self) -> dict[str, Any]:
        """What is configured beside the messages and the schema, and so goes into the fingerprint.

        Which of it the endpoint takes, and under which name, does not make another question, nor does a lower limit.
        """
        return self._parameters(self.max_output_tokens) | ({"extra": dict(self.extra)} if self.extra else {})

    def _parameters(self, output_tokens: int) -> dict[str, Any]:
        chosen = {} if self.temperature is None else {"temperature": self.temperature}
        return {LIMIT: output_tokens, **chosen}

    @property
    def most_output_tokens(self) -> int:
        """The highest limit of an answer: what is configured, or less where the endpoint takes less."""
        return min(self.max_output_tokens, self.limits.bounds.most_output_tokens or self.max_output_tokens)

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

        ``output_tokens`` is the limit of this answer where it is lower than ``max_output_tokens``. What is done about a
        refusal is in ``faults.table``.

        Raises:
            DeadlineError: no reply in time.
            JudgingEndedError: judging ended before this call could start.
            ContextLengthError: the request is too long.
            EndpointError: the call was refused (for quota, authentication or an unknown model: then ``stop`` is ended
                too, as no other call can succeed), or failed ``max_attempts`` times.
        """
        most = self.most_output_tokens
        call = _Call(messages, schema, deadline, stop, self._parameters(min(output_tokens or most, most)))
        try:
            while True:
                call.attempts += 1
                with self.capabilities.turn(), self.limiter.slot(deadline, stop) as permit:
                    form, call.tier = call.form or self.capabilities.form, self.tier.current
                    held = False
                    try:
                        reply = self._send(form, call)
                    except APIConnectionError as error:
                        failure: Refusal | APIConnectionError = error
                        call.unanswered += _may_be_charged(error)
                    else:
                        if isinstance(reply, Reply):
                            if reply.paid:
                                permit.answered()
                                self.capabilities.answered(form)
                                if reply.finish_reason == "length":
                                    self.capabilities.ended_early(form, call.parameters, reply.completion_tokens)
                            return replace(reply, unanswered=call.unanswered)
                        failure = reply
                        held = self._slow_down(permit, failure, call)
                    # Before the slot is given back, so that no call slips through in between that does not know it yet.
                    call.last_error = self._describe(failure)
                    following = self._handle(form, failure, call)
                if following == "pause" and not held:
                    stop.wait(self._pause(failure, call), deadline)
        except JudgeError as error:
            late = call.last_error and isinstance(error, DeadlineError)
            raised = DeadlineError(f"{error} (last: {call.last_error})") if late else error
            raised.unanswered = call.unanswered
            raise raised from None

    def _slow_down(self, permit: Permit, refusal: Refusal, call: _Call) -> bool:
        """Report a limit to the limiter; whether it now holds all calls back, this one included."""
        cause = next(recognise(refusal, FAULTS)).cause
        if cause not in ("wait", "loading") or self.tier.is_refused(call.tier, refusal):
            return False
        pause = refusal.retry_after_seconds
        if pause is not None:
            pause = max(pause, self._shortest_pause(call.attempts))
        if cause == "wait":
            permit.refused(pause)
        elif pause is not None:
            self.limiter.hold(pause)
        return pause is not None

    def _handle(self, form: Form, failure: Refusal | APIConnectionError, call: _Call) -> Literal["again", "pause"]:
        """What is done next: ask again at once, or after a pause.

        Raises:
            EndpointError: another attempt is of no use.
        """
        if isinstance(failure, APIConnectionError):
            return self._count_failure(call)
        if self.tier.is_refused(call.tier, failure):
            self.tier.give_up(call.last_error)
            return "again"
        if self._named_extra(failure):
            raise EndpointError(f"{_REFUSED}: {call.last_error}")
        for fault in recognise(failure, FAULTS):
            if fault.cause in REMEDIES:
                if self._remedied(form, fault.cause, failure, call):
                    return "again"
            elif fault.cause in ENDINGS:
                if self._end(fault.cause, failure, call):
                    return "pause"
            elif fault.cause == "length":
                raise ContextLengthError(f"{_REFUSED}: {call.last_error}", failure.words, failure.figures)
            elif fault.cause in ("wait", "loading"):
                return "pause"
            elif fault.cause == "server":
                return self._count_failure(call)
            else:
                break
        raise EndpointError(f"{_REFUSED}: {call.last_error}")

    def _remedied(self, form: Form, cause: Cause, refusal: Refusal, call: _Call) -> bool:
        """Whether the endpoint only refused how it was asked, and can be asked otherwise."""
        if cause == "generation":
            # The model has answered, and that may be charged.
            call.unanswered += 1
            if not call.regenerated:
                call.regenerated = True
                return True
        if cause == "limit" and self._lower_limit(form, refusal, call):
            return True
        # An answer that the endpoint itself found invalid proves little where others were good: only this call differs.
        if call.form is not None or (cause == "generation" and self.capabilities.is_proven(form)):
            following = form.after(cause, refusal, call.parameters)
            call.form = following or call.form
            return following is not None
        return self.capabilities.refused(form, cause, refusal, call.parameters, call.last_error) is not None

    def _lower_limit(self, form: Form, refusal: Refusal, call: _Call) -> bool:
        """Whether a lower limit of answers is stated that holds one; every call keeps to it from now on."""
        sent = form.output_limit(call.parameters) or 0
        stated = read_stated_limits(refusal.words, refusal.figures)
        most = (stated.most_output_tokens if stated else None) or 0
        if not _SMALLEST_LIMIT <= most < sent:
            return False
        self.limits.learn(Bounds(most_output_tokens=most))
        call.parameters = self._parameters(most)
        return True

    def _end(self, cause: Cause, refusal: Refusal, call: _Call) -> bool:
        """End judging, unless what is refused was good before and may be a stumble: then whether to try once more."""
        answered = self.limiter.has_answered and cause in ("key", "model")
        if answered and refusal.status >= 500:
            return self._count_failure(call) == "pause"
        if answered and refusal.status not in (401, 404):
            # Moderation and firewalls refuse what stands in one agent's texts with a 403 too: that agent must not end
            # everybody's judging.
            raise EndpointError(f"{_REFUSED}: {call.last_error}")
        if answered and not call.doubted:
            call.doubted = True
            return True
        reason = f"{why_judging_ends(cause, refusal, self.key_name)}: {call.last_error}"
        call.stop.end("endpoint", reason)
        raise EndpointError(reason)

    def _count_failure(self, call: _Call) -> Literal["pause"]:
        call.failures += 1
        if call.failures >= self.max_attempts:
            raise EndpointError(f"the judge's endpoint failed {counted(call.failures, 'time')}: {call.last_error}")
        return "pause"

    def _pause(self, failure: Refusal | APIConnectionError, call: _Call) -> float:
        """How long this call alone waits: as long as a failed server asks, within reason, or longer each time."""
        asked = failure.retry_after_seconds if isinstance(failure, Refusal) else None
        if asked is None:
            return self._backoff(call.attempts)
        return max(min(asked, _LONGEST_BACKOFF_SECONDS), self._shortest_pause(call.attempts))

    def _backoff(self, attempts: int) -> float:
        pause = min(_LONGEST_BACKOFF_SECONDS, self.first_backoff_seconds * 2.0 ** min(attempts - 1, 10))
        return pause * random.uniform(0.75, 1.25)  # noqa: S311 - jitter, not a secret

    def _shortest_pause(self, attempts: int) -> float:
        # An endpoint that sends "Retry-After: 0" and stays limited would be asked hundreds of times a second.
        return self.first_backoff_seconds * min(1.0, 0.1 * attempts)

    def _send(self, form: Form, call: _Call) -> Reply | Refusal:
        started = self.clock()
        timeout = min(self.call_timeout_seconds, call.deadline - started)
        if timeout <= 0:
            raise DeadlineError("the time for this agent is up")
        messages = form.messages(call.messages, call.schema)
        beside = form.body(call.parameters, call.schema) | self.tier.body(self.extra, call.tier)
        try:
            with exchange_within(timeout, self.clock):
                body, headers = self._receive(messages, beside, timeout)
        except APIStatusError as error:
            refusal = read_refusal(error.status_code, error.response.content, error.response.headers)
            return self._without_echo(refusal, messages)
        except httpx2.TimeoutException as error:
            # The SDK translates what happens up to the reply's headers, and not what happens within its body.
            raise APITimeoutError(request=error.request) from error
        except httpx2.RequestError as error:
            if isinstance(error.__cause__, EncodingError | LargeBodyError):
                return unread_reply(str(error), self.model, call.attempts)
            raise APIConnectionError(request=error.request) from error
        if (stated := read_stated_refusal(body, headers)) is not None:
            call.unanswered += stated.charged
            return self._without_echo(stated.refusal, messages)
        # What an endpoint echoes goes into messages, the ledger and the report; what is no JSON stays as it came.
        secrets, seconds = self._secrets(), self.clock() - started
        reply = read_reply(secrets.hide_in_body(body), self.model, seconds, call.attempts)
        texts = {
            name: secrets.hide_in_text(getattr(reply, name))
            for name in ("text", "refusal", "model", "problem", "service_tier")
        }
        return replace(reply, **cast(Any, texts | {"service_tier": texts["service_tier"] or call.tier}))

    def _without_echo(self, refusal: Refusal, messages: Sequence[Mapping[str, str]]) -> Refusal:
        known = replace(refusal, words=self._secrets().hide_in_text(refusal.words))
        return without_echo(known, [message["content"] for message in messages])

    def _secrets(self) -> Secrets:
        self.secrets.add(self.openai.api_key, "key")
        return self.secrets

    def _named_extra(self, refusal: Refusal) -> str:
        """Which field of the user's own is refused; "" when none is."""
        return named_extra(self.extra, refusal.param, refusal.words) if refusal.status in (400, 422) else ""

    def _receive(
        self, messages: list[dict[str, str]], beside: Mapping[str, Any], timeout: float
    ) -> tuple[bytes, Mapping[str, str]]:
        with self.openai.chat.completions.with_streaming_response.create(
            model=self.model,
            messages=cast(Any, messages),
            # Not as the SDK's arguments, which are typed for OpenAI: names and parts differ from endpoint to endpoint.
            extra_body=beside,
            timeout=httpx2.Timeout(timeout, connect=min(_CONNECT_SECONDS, timeout)),
        ) as response:
            return b"".join(response.iter_bytes()), response.headers

    def _describe(self, failure: Refusal | APIConnectionError) -> str:
        """One line without the key, whatever the endpoint echoes."""
        if isinstance(failure, Refusal):
            text = failure.describe()
            if name := self._named_extra(failure):
                text += f" ({EXTRA} sends {name})"
            if failure.status in (404, 405) and self.address is not None:
                text += self.address.path_hint
        elif isinstance(failure, APITimeoutError):
            text = "no reply in time"
        elif _may_be_charged(failure):
            text = f"the connection failed ({failure.__cause__ or failure})"
        else:
            hint = "" if self.address is None else self.address.port_hint
            where = f"{self.openai.base_url} (OPENAI_BASE_URL){self.route}"
            text = f"no connection to {where}: {describe_cause(failure)}{hint}"
        return scrub(self._secrets().hide_in_error(text))


def _may_be_charged(error: APIConnectionError) -> bool:
    """Whether the request went out: then the endpoint may have answered it, and charge for that, unheard."""
    return not isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.UnsupportedProtocol)
