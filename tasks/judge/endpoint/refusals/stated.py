"""An error that comes with HTTP 200: in place of a completion, in its choice, or as events.

Gateways commit to a 200 before the model has answered (OpenRouter, Bifrost), and some providers send all their errors
with one (MiniMax).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.judge.endpoint.faults.fault import recognise
from tasks.judge.endpoint.faults.table import FAULTS
from tasks.judge.endpoint.refusals.error_body import ErrorBody, load_json, read_events
from tasks.judge.endpoint.refusals.refusal import Refusal, as_refusal

# By the codes and types that come without a status: Google's, Anthropic's, OpenAI's, MiniMax's.
_STATUSES = {
    "resource_exhausted": 429,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "too_many_requests": 429,
    "1002": 429,
    "1039": 413,
    "1041": 429,
    "unavailable": 503,
    "overloaded_error": 529,
    "unauthenticated": 401,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "1004": 401,
    "2049": 401,
    "permission_denied": 403,
    "permission_error": 403,
    "insufficient_quota": 429,
    "1008": 402,
    "invalid_argument": 400,
    "invalid_request_error": 400,
    "badrequesterror": 400,
    "bad_request": 400,
    "1026": 400,
    "1027": 400,
    "2013": 400,
    "not_found": 404,
    "not_found_error": 404,
    "model_not_found": 404,
    "deadline_exceeded": 504,
    "timeout": 504,
}
_FAILED = 502
# What words mean that come without any of these.
_OF_WORDS = (
    (429, re.compile(r"rate.?limit|request limit|too many requests|requests per|tokens per|throttl", re.IGNORECASE)),
    (503, re.compile(r"overloaded|unavailable|try again|\bbusy\b|loading|not ready", re.IGNORECASE)),
)
_SUCCESS = frozenset({"0", "200", "success", "ok", "true", ""})
# What ends a choice that failed, beside "content_filter: …".
_FAILED_REASONS = frozenset({"error", "network_error", "insufficient_system_resource", "abort", "aborted", "failed"})
_MARKS = ("error", "errors", "error_code", "error_msg", "detail", "base_resp", "fault", "status_code")


@dataclass(frozen=True, slots=True)
class StatedRefusal:
    """``refusal``; and ``charged``: tokens were used before it, so it may cost something."""

    refusal: Refusal
    charged: bool


def read_stated_refusal(body: bytes, headers: Mapping[str, str]) -> StatedRefusal | None:
    """The error in the body of a 200; None when it holds a completion, or nothing that is an error.

    A body that is blank or breaks off is the failure of a server on the way, which may have cost something.
    """
    if not body.strip():
        # DeepSeek sends blank lines while a call waits, and then closes the connection.
        return _broken("the reply is empty", headers)
    text = body.decode(json.detect_encoding(body), "replace").strip()
    if text.startswith(("data:", "event:", ":")):
        # The last chunk of a stream has the usage and no choice.
        parts = [event for event in read_events(text) if not isinstance(event, Mapping) or event.get("choices") != []]
    else:
        data = load_json(text)
        if data is None and _is_cut_off(text):
            return _broken("the reply breaks off", headers)
        parts = data if isinstance(data, list) else [data]
    for part in parts[:20]:
        if isinstance(part, Mapping) and (found := _read_error(part)) is not None:
            refusal = as_refusal(_status_of(found), found, headers, within_200=True)
            return StatedRefusal(refusal, charged=_has_used_tokens(part.get("usage")) or '"delta"' in text)
    return None


def _broken(what: str, headers: Mapping[str, str]) -> StatedRefusal:
    return StatedRefusal(as_refusal(_FAILED, ErrorBody(words=what), headers, within_200=True), charged=True)


def _read_error(data: Mapping[str, Any]) -> ErrorBody | None:
    choices = data.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    found = ErrorBody()
    if isinstance(choice, Mapping):
        return _read_choice(choice) or _read_status(choice, data.get("base_resp"))
    if data.get("error") or _is_error(data):
        found.read({key: value for key, value in data.items() if key != "choices"})
    elif "choices" in data and choices in (None, []):
        found.read("the completion has no choices")
    return found if found.words or found.names or found.statuses else None


def _read_choice(choice: Mapping[str, Any]) -> ErrorBody | None:
    found = ErrorBody()
    reason = choice.get("finish_reason")
    ended = reason.lower() if isinstance(reason, str) else ""
    if choice.get("error"):
        found.read({"error": choice["error"]})
    elif ended in _FAILED_REASONS:
        found.read(f"the answer ended with finish_reason {ended!r}")
    elif _is_blocked(choice, ended):
        found.read(str(reason)[:200])
        found.names.add("content_filter")
        found.statuses.append(400)
    else:
        return None
    if not found.words and not found.names:
        found.read("the choice is an error")
    return found


def _read_status(choice: Mapping[str, Any], status: object) -> ErrorBody | None:
    """MiniMax's status beside a choice without an answer."""
    message = choice.get("message")
    answered = not isinstance(message, Mapping) or message.get("content") or message.get("tool_calls")
    if answered or not isinstance(status, Mapping) or str(status.get("status_code")) in _SUCCESS:
        return None
    found = ErrorBody()
    found.read(status)
    return found


def _is_cut_off(text: str) -> bool:
    """Whether an object ends before it is closed: a connection that broke where nothing stated a length."""
    try:
        json.JSONDecoder().raw_decode(text)
    except json.JSONDecodeError as error:
        return text.startswith("{") and (error.pos >= len(text) or error.msg.startswith("Unterminated string"))
    except (ValueError, RecursionError):
        pass
    return False


def _is_blocked(choice: Mapping[str, Any], ended: str) -> bool:
    """Whether a filter let nothing through; a part of an answer, or a message without a reason, is an answer's."""
    message = choice.get("message")
    if "delta" in choice or not ended.startswith(("content_filter", "safety", "prohibited_content")):
        return False
    if not isinstance(message, Mapping):
        return True
    return ended.startswith("content_filter:") and not message.get("content") and not message.get("refusal")


def _has_used_tokens(usage: object) -> bool:
    return isinstance(usage, Mapping) and any(isinstance(count, int) and count > 0 for count in usage.values())


def _is_error(data: Mapping[str, Any]) -> bool:
    """Whether an object without choices is an error, and not the greeting of some other server."""
    kind = str(data.get("object") or data.get("type") or data.get("status") or "").lower()
    if data.get("success") is False or kind in ("error", "fail", "failed", "failure"):
        return True
    base = data.get("base_resp")
    if isinstance(base, Mapping) and str(base.get("status_code")) in _SUCCESS:
        return False
    if any(str(data.get(name) or "").lower() not in _SUCCESS for name in _MARKS):
        return True
    codes = [str(data[name]).lower() for name in ("code", "status") if name in data]
    return ("message" in data or "msg" in data) and not _SUCCESS.issuperset(codes)


def _status_of(found: ErrorBody) -> int:
    if found.statuses:
        return found.statuses[0]
    known = [_STATUSES[name] for name in sorted(found.names) if name in _STATUSES]
    known += [status for status, words in _OF_WORDS if words.search(found.words)]
    if known:
        return known[0]
    # What any other row of the table recognises is the caller's fault; else a server behind this one has failed.
    asked = next(recognise(as_refusal(400, found, {}), FAULTS)).cause
    return _FAILED if asked in ("unnamed", "generation", "call") else 400
