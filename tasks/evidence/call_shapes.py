"""Tool calls in the objects that SDKs and frameworks write: which keys hold the name, the arguments, the result.

Keys are compared without case and separators: ``tool_name``, ``toolName``, ``ToolName`` and ``gen_ai.tool.name`` are
the same. A call can be wrapped (``{"function": {…}}``, ``{"toolUse": {…}}``), stand inside a message, and have its
result in an object of its own, which names the call by its id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tasks.evidence.values import read_filled, read_text, write_json

_SEPARATORS = str.maketrans("", "", "_-. ")
# In order of precedence; only texts are names.
_NAMES = ("toolname", "functionname", "name", "tool", "function", "action", "recipientname", "method", "title")
_ARGUMENTS = (
    *("parameters", "input", "arguments", "args", "toolinput", "toolargs", "toolarguments", "toolparameters"),
    *("toolkwargs", "toolcallarguments", "actioninput", "functionargs", "functionarguments", "rawinput", "inputs"),
    *("params", "kwargs"),
)
# Of what is named by its type, such as web_search_call.
_TYPED_ARGUMENTS = ("action", "code", "queries", "command")
_RESULTS = (
    *("output", "result", "observation", "response", "tooloutput", "toolresult", "toolresponse", "toolcallresult"),
    *("functionresponse", "returnvalue", "rawoutput", "outputs", "results", "content"),
)
_ERRORS = ("error", "errortext", "errormessage", "toolerror", "exception")
_ERROR_FLAGS = ("iserror", "toolcallerror")
_SUCCESS_FLAGS = ("success", "ok")
_STATES = ("status", "state")
# Without any of these, only the result and the error show how a call ended.
_ENDING_KEYS = frozenset({*_ERROR_FLAGS, *_SUCCESS_FLAGS, *_STATES, "type", "partkind", "contenttype", "response"})
_FAILED = frozenset({"error", "failed", "failure", "outputerror"})
_IDS = ("toolcallid", "callid", "tooluseid", "toolid", "id")
_TYPES = ("type", "partkind", "contenttype")

_CALL_WRAPPERS = ("function", "functioncall", "tooluse", "toolcall", "toolinvocation", "servertooluse")
# Where the object has no name itself.
_LOOSE_WRAPPERS = ("rawitem", "call", "origin", "action", "tool")
_RESULT_WRAPPERS = ("functionresponse", "toolresult")
_WRAPPERS = frozenset({*_CALL_WRAPPERS, *_RESULT_WRAPPERS})
_WRAPPING_KEYS = _WRAPPERS | {*_LOOSE_WRAPPERS, "params"}
_CALL_LISTS = ("toolcalls", "tooluses", "toolinvocations", "functioncalls")
_CONTENTS = ("content", "parts", "messages", "message", "data", "kwargs", "additionalkwargs")
# Keys that only calls and results have.
_SURE_KEYS = frozenset({"toolname", "toolinput", "toolcallid", "tooluseid", "callid", "actioninput"})
_RESULT_ROLES = frozenset({"tool", "function", "toolresult"})
_RESULT_TYPES = frozenset(
    {"toolcallresponse", "functionresponse", "toolreturn", "functionresult", "retryprompt"} | {"toolcalloutputitem"}
)
_RESULT_ENDS = ("toolresult", "calloutput", "callresult", "tooloutput", "toolerror")
_FAILED_TYPES = frozenset({"retryprompt", "toolerror"})
# Types of objects that hold words and no call.
_WORDS = frozenset(
    {"text", "outputtext", "inputtext", "thinking", "redactedthinking", "reasoning", "message", "stepstart"}
    | {"ai", "human", "system", "user", "assistant", "developer"}
)
_GENERIC_CALLS = frozenset({"toolcall", "functioncall", "mcpcall", "customtoolcall", "call"})
_MOST_DEPTH = 4
_LONGEST_KEY = 60


@dataclass(slots=True)
class CallPart:
    """A call, its result, or both, as one object has them; what it does not have is None.

    ``keys`` are the object's own, for a message on one without a name.
    """

    name: str | None = None
    arguments: str | None = None
    result: str | None = None
    error: str | None = None
    call_id: str | None = None
    is_result: bool = False
    keys: tuple[str, ...] = ()

    @property
    def has_outcome(self) -> bool:
        """Whether it shows how the call ended."""
        return self.result is not None or self.error is not None


def read_parts(item: Mapping[str, Any], *, known_only: bool = False) -> Iterator[CallPart]:
    """The calls and results in ``item``, an object of a list of tool calls or of messages.

    An object that is neither a message nor text is a call, whether its name is found or not; with ``known_only``, which
    is for a part of a message's content, only what a call alone can be.
    """
    yield from _parts(item, _MOST_DEPTH, known_only=known_only)


def _parts(item: Mapping[str, Any], depth: int, *, known_only: bool) -> Iterator[CallPart]:
    plain = _plain_keys(item)
    role, kind = _folded(plain.get("role")), _kind(plain)
    is_result = role in _RESULT_ROLES or _is_result_kind(kind)
    is_wrapped = any(isinstance(plain[key], dict) for key in _WRAPPERS & plain.keys())
    if role or not (is_result or _own_name(plain)):
        found = list(_nested(plain, depth))
        yield from found
        # Without a call in it, a message is words.
        is_message = role and not is_result and not is_wrapped
        is_words = kind in _WORDS or any(isinstance(plain.get(key), list) for key in ("parts", "messages"))
        if found or is_message or is_words:
            return
    if not known_only or is_wrapped or _is_call_kind(kind) or _SURE_KEYS & plain.keys():
        yield _part(item, plain, is_result=is_result)


def _nested(plain: Mapping[str, Any], depth: int) -> Iterator[CallPart]:
    """The calls in a message: in its list of calls, else in the parts of its content."""
    if not depth:
        return
    for key in _CALL_LISTS:
        calls = plain.get(key)
        if isinstance(calls, list) and calls:
            for call in calls:
                if isinstance(call, dict):
                    yield from _parts(call, depth - 1, known_only=False)
            return
    for key in _CONTENTS:
        content = plain.get(key)
        for part in content if isinstance(content, list) else [content]:
            if isinstance(part, dict):
                yield from _parts(part, depth - 1, known_only=True)


def _part(item: Mapping[str, Any], plain: dict[str, Any], *, is_result: bool) -> CallPart:
    plain, wrapped = _unwrapped(plain)
    is_result = is_result or wrapped in _RESULT_WRAPPERS
    name = _own_name(plain)
    if name is None and (name := _typed_name(plain)) is not None:
        own = plain.get(_kind(plain))
        plain |= _plain_keys(own) if isinstance(own, dict) else {}
        plain.setdefault("arguments", _first(plain, _TYPED_ARGUMENTS))
    arguments = _first(plain, _ARGUMENTS)
    result, failed = _outcome(_first(plain, _RESULTS))
    return CallPart(
        name=_text(name),
        arguments=_text(arguments),
        result=result,
        error=_error(plain, result, failed=failed or _refused(plain, wrapped)),
        call_id=read_filled(_text(_first(plain, _IDS))),
        is_result=is_result,
        keys=tuple(map(str, item)),
    )


def _unwrapped(plain: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The keys of an object with those of the objects that it wraps, and the last wrapper ("": none)."""
    last = ""
    for _ in range(_MOST_DEPTH):
        if _WRAPPING_KEYS.isdisjoint(plain):
            break
        wrappers = (*_CALL_WRAPPERS, *_RESULT_WRAPPERS, *(() if _own_name(plain) else _LOOSE_WRAPPERS))
        found = next((key for key in wrappers if _wraps(plain, key)), "params" if _is_mcp(plain) else None)
        if found is None:
            break
        inner = _plain_keys(plain.pop(found))
        plain = {**plain, **inner}
        if found == "params":
            plain.pop("method", None)
        last = found
    return plain, last


def _wraps(plain: Mapping[str, Any], key: str) -> bool:
    value = plain.get(key)
    if not isinstance(value, dict):
        return False
    inner = _plain_keys(value)
    if key in _RESULT_WRAPPERS:
        return "tooluseid" in inner or (_own_name(plain) is None and _own_name(inner) is not None)
    if key in _LOOSE_WRAPPERS and _SURE_KEYS & inner.keys():
        return True
    return _own_name(inner) is not None or any(isinstance(inner.get(other), dict) for other in _CALL_WRAPPERS)


def _is_mcp(plain: Mapping[str, Any]) -> bool:
    """Whether the name stands in ``params``, as in a JSON-RPC request to an MCP server; a call's parameters can hold a
    name, too."""
    params = plain.get("params")
    if not isinstance(params, dict) or _own_name(_plain_keys(params)) is None:
        return False
    return plain.get("method") == "tools/call" or _own_name(plain) is None


def _own_name(plain: Mapping[str, Any]) -> str | None:
    for key in _NAMES:
        value = plain.get(key)
        if isinstance(value, str) and value.strip():
            return value
    return None


def _typed_name(plain: Mapping[str, Any]) -> str | None:
    """The name that the type is: ``web_search_call``, ``tool-weather`` (AI SDK), or the key of an object in it."""
    kind = _first(plain, _TYPES)
    if not isinstance(kind, str):
        return None
    folded = _folded(kind)
    if folded.endswith("call") and folded not in _GENERIC_CALLS:
        return kind[: -len("call")].rstrip("_-") or None
    if kind.startswith("tool-") and "toolcallid" in plain and not _is_result_kind(folded) and folded != "toolcall":
        return kind.removeprefix("tool-") or None
    return kind if isinstance(plain.get(folded), dict) else None


def _kind(plain: Mapping[str, Any]) -> str:
    for key in _TYPES:
        if isinstance(value := plain.get(key), str):
            return _folded(value)
    return ""


def _is_result_kind(kind: str) -> bool:
    return kind in _RESULT_TYPES or kind.endswith(_RESULT_ENDS)


def _is_call_kind(kind: str) -> bool:
    return "tool" in kind or "function" in kind or kind.endswith("call") or _is_result_kind(kind)


def _outcome(value: Any) -> tuple[str | None, bool]:
    """A result as text, and whether it marks the call as failed itself; the texts of content blocks without them."""
    if isinstance(value, dict):
        plain = _plain_keys(value)
        flag = next((plain[key] for key in _ERROR_FLAGS if isinstance(plain.get(key), bool)), None)
        if flag is not None and "content" in plain:
            # MCP's and LlamaIndex's.
            return _outcome(plain["content"])[0], flag
        kind = _folded(plain.get("type"))
        if "value" in plain and kind in ("text", "json", "content", "errortext", "errorjson"):
            # AI SDK's.
            return _outcome(plain["value"])[0], kind.startswith("error")
        return _text(value), flag is True
    if isinstance(value, list) and value and all(isinstance(block, dict) for block in value):
        texts = [_block(block) for block in value]
        if None not in texts:
            return "\n".join(text for text in texts if text is not None), False
    return _text(value), False


def _block(block: Mapping[str, Any]) -> str | None:
    """The text of a content block, which has a text (or Bedrock's json) and at most a type; None of another object."""
    if not set(block) <= {"type", "text", "json", "annotations", "citations", "cache_control"}:
        return None
    return _text(block["text"] if "text" in block else block.get("json"))


def _refused(plain: Mapping[str, Any], wrapped: str) -> bool:
    """Whether the call failed by a flag, a status, or by what a function's response holds."""
    if _ENDING_KEYS.isdisjoint(plain):
        return False
    if any(plain.get(key) is True for key in _ERROR_FLAGS) or any(plain.get(key) is False for key in _SUCCESS_FLAGS):
        return True
    if any(_folded(plain.get(key)) in _FAILED for key in _STATES) or _kind(plain) in _FAILED_TYPES:
        return True
    response = plain.get("response")
    return wrapped == "functionresponse" and isinstance(response, dict) and bool(response.get("error"))


def _error(plain: Mapping[str, Any], result: str | None, *, failed: bool) -> str | None:
    value = None
    for key in _ERRORS:
        if value := plain.get(key):
            break
    if value is True:
        return result or "error"
    text = read_filled(_text(value)) if value else None
    return text or (result or "error" if failed else None)


def _plain_keys(item: Mapping[str, Any]) -> dict[str, Any]:
    """``item`` by its keys in lower case without separators and without OpenTelemetry's ``gen_ai.``; of equal keys the
    first that has a value."""
    plain: dict[str, Any] = {}
    for key, value in item.items():
        folded = _fold(key) if len(key) <= _LONGEST_KEY else key
        if plain.get(folded) is None:
            plain[folded] = value
    return plain


# The objects of 2,000 runs have the same few keys.
@lru_cache(maxsize=1024)
def _fold(key: str) -> str:
    return key.translate(_SEPARATORS).lower().removeprefix("genai")


def _folded(value: object) -> str:
    return _fold(value) if isinstance(value, str) and len(value) <= _LONGEST_KEY else ""


def _first(plain: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    for name in names:
        if (value := plain.get(name)) is not None:
            return value
    return None


def _text(value: Any) -> str | None:
    return read_text(value if value is None or isinstance(value, str) else write_json(value))
