"""What an endpoint and a model take: how an answer's form can be asked for, and which parameters they know.

Found out by being refused, once, and remembered: servers that call themselves compatible differ in just this.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Rung = Literal["json_schema", "json_object", "prompt"]

_RUNGS: tuple[Rung, ...] = ("json_schema", "json_object", "prompt")
_REFUSALS = frozenset({400, 404, 415, 422, 501})
_ABOUT_FORM = re.compile(
    r"response[_ ]?format|json[_ ]?schema|json[_ ]?object|json mode|structured[_ ]?output|guided|grammar", re.IGNORECASE
)
_ABOUT_PARAMETERS = re.compile(
    r"unsupported|not supported|unrecognized|unknown|unexpected|not permitted|not allowed|extra|invalid|deprecated"
    r"|does not support|only the default|instead",
    re.IGNORECASE,
)
_TOO_LONG = re.compile(
    r"context[_ ]length|context window|context size|maximum context|prompt is too long|input is too long"
    r"|too many (?:input )?tokens|reduce the length|exceeds? the (?:available )?context",
    re.IGNORECASE,
)
# One meaning under two names: reasoning models take the first only, older servers the second.
_OTHER_NAME = {"max_completion_tokens": "max_tokens", "max_tokens": "max_completion_tokens"}


@dataclass(frozen=True, slots=True)
class Form:
    """One way of asking, as it was when a request was made of it."""

    rung: Rung
    renamed: Mapping[str, str]
    dropped: frozenset[str]

    def parameters(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """``wanted`` under the names that are known, without what is not."""
        return {self.renamed.get(name, name): value for name, value in wanted.items() if name not in self.dropped}

    def response_format(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """What of the request asks for the form of the answer; nothing on the last rung."""
        if self.rung == "json_schema":
            given = {"name": "judgement", "strict": True, "schema": schema}
            return {"response_format": {"type": "json_schema", "json_schema": given}}
        return {"response_format": {"type": "json_object"}} if self.rung == "json_object" else {}

    def messages(self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> list[dict[str, str]]:
        """The messages; where the request cannot hold the schema they do, after the instructions."""
        copied = [dict(message) for message in messages]
        if self.rung != "json_schema":
            copied[0]["content"] += (
                "\n\nAnswer with one JSON object that follows this JSON schema, and with nothing else:\n"
                + json.dumps(schema, ensure_ascii=False)
            )
        return copied


class Capabilities:
    """What has been found out about one endpoint and model; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._form = Form("json_schema", {}, frozenset())

    @property
    def form(self) -> Form:
        """How to ask, as far as is known now."""
        return self._form

    def learn(self, form: Form, sent: Mapping[str, Any], status: int, message: str, parameter: str) -> bool:
        """Whether a refusal of a request in ``form`` leaves something else to try; it is remembered.

        Args:
            sent: The parameters that were wanted, under their own names.
            message, parameter: What the endpoint said, and which parameter it named ("" when it named none).
        """
        if status not in _REFUSALS or is_too_long(message, ""):
            return False
        with self._lock:
            if self._form != form:
                # Another call has found it out meanwhile, or something else.
                return True
            changed = self._without_form(message, parameter) or self._without_parameter(sent, message, parameter)
            if changed is None:
                return False
            self._form = changed
            return True

    def _without_form(self, message: str, parameter: str) -> Form | None:
        form = self._form
        if form.rung == "prompt" or not _ABOUT_FORM.search(f"{message} {parameter}"):
            return None
        return Form(_RUNGS[_RUNGS.index(form.rung) + 1], form.renamed, form.dropped)

    def _without_parameter(self, sent: Mapping[str, Any], message: str, parameter: str) -> Form | None:
        form = self._form
        for name in sent:
            if name in form.dropped:
                continue
            said = form.renamed.get(name, name)
            named = parameter == said or (
                re.search(rf"\b{re.escape(said)}\b", message) is not None and _ABOUT_PARAMETERS.search(message)
            )
            if not named:
                continue
            if said == name and name in _OTHER_NAME:
                return Form(form.rung, {**form.renamed, name: _OTHER_NAME[name]}, form.dropped)
            return Form(form.rung, form.renamed, form.dropped | {name})
        return None


def is_too_long(message: str, code: str) -> bool:
    """Whether an error says that the messages are longer than the model's context."""
    return code == "context_length_exceeded" or _TOO_LONG.search(message) is not None
