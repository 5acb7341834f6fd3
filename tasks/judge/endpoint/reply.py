"""A judge's reply to one call, read from the body that an endpoint sent, whichever dialect it speaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tasks.errors import UnusableAnswerError
from tasks.judge.endpoint.completion import Completion, read_completion
from tasks.judge.endpoint.usage import read_usage

_LONGEST_TIER = 40
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for one call. Tokens are None when the endpoint gave no count; ``text`` is "" without content.

    ``finish_reason`` is ``length`` or ``content_filter`` whatever the endpoint calls it; "" when it gives none.
    ``unanswered`` attempts before it were sent and may be charged, though nothing came back. ``cost_usd`` is what the
    endpoint states; few do. ``only_reasoned``: there is no text, but there was reasoning; ``reasoning_tokens`` are
    those of ``completion_tokens`` that were. ``read_tokens`` is the prompt with what came from a cache, of endpoints
    that count that beside it too. ``service_tier`` is the one it was answered in; "" when that is not stated.
    """

    text: str
    finish_reason: str
    refusal: str
    model: str
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None
    latency_seconds: float
    attempts: int
    problem: str = ""
    unanswered: int = 0
    cost_usd: float | None = None
    only_reasoned: bool = False
    reasoning_tokens: int | None = None
    read_tokens: int | None = None
    service_tier: str = ""

    @property
    def paid(self) -> bool:
        """Whether this is a completion at all; a page of HTML is not."""
        return not self.problem

    @property
    def unusable_outcome(self) -> str:
        """What the ledger keeps of it where its text cannot be used."""
        if self.refusal:
            return "refused"
        return self.finish_reason if self.finish_reason in ("length", "content_filter") else "unparseable"

    def usable_text(self) -> str:
        """The text.

        Raises:
            UnusableAnswerError: there is none to be read, and why.
        """
        if self.problem:
            raise UnusableAnswerError([self.problem])
        if self.refusal:
            raise UnusableAnswerError([f"the judge refused: {' '.join(self.refusal.split())[:200]}"])
        if self.finish_reason == "content_filter":
            raise UnusableAnswerError(["the endpoint's content filter cut the answer off"])
        if self.only_reasoned and self.finish_reason != "length":
            raise UnusableAnswerError(["the answer is empty: the model sent nothing but reasoning"])
        return self.text


def read_reply(body: bytes, model: str, latency_seconds: float, attempts: int) -> Reply:
    """The completion in ``body``; its ``problem`` is why there is none. ``model`` is what was asked for."""
    try:
        completion = read_completion(body)
    except ValueError:
        start = " ".join(body[:200].decode("utf-8", "replace").split())[:60]
        what = "HTML" if start.lower().startswith(("<!doctype", "<html")) else f"{start!r}"
        problem = f"the endpoint answered with {what}, not with a completion (is OPENAI_BASE_URL right?)"
        return unread_reply(problem, model, attempts)
    usage = read_usage(completion.usage)
    return Reply(
        text=completion.text,
        finish_reason=completion.finish_reason,
        refusal=completion.refusal if isinstance(completion.refusal, str) else "",
        model=_name(completion.model) or model,
        prompt_tokens=usage.prompt,
        # An answer of no tokens was not counted.
        completion_tokens=None if completion.text and usage.completion == 0 else usage.completion,
        cached_tokens=usage.cached,
        latency_seconds=latency_seconds,
        attempts=attempts,
        cost_usd=usage.cost_usd,
        only_reasoned=completion.reasoned and not completion.text.strip(),
        reasoning_tokens=usage.reasoning,
        read_tokens=usage.read,
        service_tier=_service_tier(completion),
    )


def _name(value: object) -> str:
    """A name on one line; "" for anything else."""
    if not isinstance(value, str):
        return ""
    return "".join(char for char in value[:_LONGEST_NAME] if char.isprintable()).strip()


def _service_tier(completion: Completion) -> str:
    """As OpenAI states it, and Groq, or in the usage, as proxies hand on Anthropic's."""
    in_usage = completion.usage.get("service_tier") if isinstance(completion.usage, Mapping) else None
    stated = (completion.service_tier, in_usage)
    return next((tier[:_LONGEST_TIER] for tier in stated if isinstance(tier, str) and tier), "")


def unread_reply(problem: str, model: str, attempts: int) -> Reply:
    """A reply that is not a completion, and the reason."""
    return Reply("", "", "", model, None, None, None, 0.0, attempts, problem=problem)
