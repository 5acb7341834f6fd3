"""How the judge is asked: the format of its answer, the parameters that are sent, and where the instructions stand."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from tasks.judge.endpoint.faults.fault import Cause
from tasks.judge.endpoint.refusals.refusal import Refusal

Rung = Literal["json_schema", "json_object", "prompt"]
Cut = Literal["closed", "bounds", "strict", "types"]

LIMIT = "max_completion_tokens"
OLD_LIMIT = "max_tokens"
_FORMAT = "response_format"
_CUTS: tuple[tuple[Cut, re.Pattern[str]], ...] = (
    ("closed", re.compile(r"additional_?properties", re.IGNORECASE)),
    ("bounds", re.compile(r"\b(?:minimum|maximum)\b", re.IGNORECASE)),
    ("strict", re.compile(r"['\"`.]strict\b", re.IGNORECASE)),
    ("types", re.compile(r"cannot start list|lists? of types|type arrays?|type['\"`] must be a string", re.IGNORECASE)),
)
_EVERY_CUT = frozenset(cut for cut, _ in _CUTS)
_TOO_LARGE = re.compile(
    r"too (?:large|high|big)|at most|maximum|less than|exceed|range|between|must be <|cannot be (?:more|greater)"
    r"|[\d)] > \d",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Form:
    """How the judge is asked, of an endpoint that took everything; a refusal takes something away.

    ``rung`` is the format. ``carries_schema``: ``json_object`` is sent with the schema in it. ``cuts`` are what the
    schema goes without. ``limit`` is the name of the output limit ("" when none is taken), ``refused_limits`` the names
    that were refused. ``dropped`` are parameters that are not sent. ``merged``: the instructions stand in the user
    message. ``explained``: the schema stands in the last message although the endpoint takes it as the answer's format.
    ``streamed``: the answer comes as a stream of events.
    """

    rung: Rung = "json_schema"
    carries_schema: bool = True
    cuts: frozenset[Cut] = frozenset()
    limit: str = LIMIT
    refused_limits: frozenset[str] = frozenset()
    dropped: frozenset[str] = frozenset()
    merged: bool = False
    explained: bool = False
    streamed: bool = False

    def body(self, parameters: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
        """What is sent beside model and messages: ``parameters`` as they are taken, and the form of the answer."""
        body = {name: value for name, value in parameters.items() if name != LIMIT and name not in self.dropped}
        if self.limit and LIMIT in parameters:
            body[self.limit] = self.output_limit(parameters)
        if self.rung == "json_schema":
            strict = {} if "strict" in self.cuts else {"strict": True}
            body[_FORMAT] = {
                "type": "json_schema",
                "json_schema": {"name": "judgement", **strict, "schema": cut_schema(schema, self.cuts)},
            }
        elif self.rung == "json_object":
            carried = {"schema": cut_schema(schema, self.cuts)} if self.carries_schema else {}
            body[_FORMAT] = {"type": "json_object", **carried}
        if self.streamed:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return body

    def output_limit(self, parameters: Mapping[str, Any]) -> int | None:
        """The most tokens of an answer that are asked for; None: no limit is sent."""
        return parameters.get(LIMIT) if self.limit else None

    def messages(self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> list[dict[str, str]]:
        """``messages``, with the schema as text where the endpoint does not enforce it.

        It stands at the end of the instructions, on a line of its own: what is the same for every agent comes first,
        or no prompt would be cached. When the endpoint takes the schema and ignores it, it stands at the end of all.
        """
        sent = [dict(message) for message in messages]
        if self.rung != "json_schema" or self.explained:
            text = (
                "Answer with one JSON object and nothing around it: no words before or after it, no code fence. It "
                f"must be valid by this JSON Schema:\n{json.dumps(schema, ensure_ascii=False, separators=(',', ':'))}"
            )
            if self.rung == "json_schema" and sent:
                sent[-1]["content"] += f"\n\n{text}"
            elif not sent or sent[0]["role"] != "system":
                sent.insert(0, {"role": "system", "content": text})
            else:
                sent[0]["content"] += f"\n\n{text}"
        if self.merged and len(sent) > 1 and sent[0]["role"] == "system":
            instructions, first = sent[0]["content"], sent[1]["content"]
            sent[:2] = [{"role": "user", "content": f"{instructions}\n\n{first}"}]
        return sent

    def after(self, cause: Cause, refusal: Refusal, parameters: Mapping[str, Any]) -> Form | None:
        """The form to try next when this one was refused for ``cause``; None when there is none left for that.

        ``parameters`` are those of ``body``. Every form has less left to give up than the one before it, so there is an
        end to what an endpoint can refuse.
        """
        if cause == "schema":
            return self._without_keywords(refusal.words)
        if cause in ("format", "unnamed", "generation"):
            return self._simpler(refusal.words)
        if cause == "limit":
            return self._with_other_limit(refusal.words, parameters)
        if cause == "temperature" and "temperature" in parameters.keys() - self.dropped:
            return replace(self, dropped=self.dropped | {"temperature"})
        if cause == "stream" and not self.streamed:
            return replace(self, streamed=True)
        if cause == "role" and not self.merged:
            return replace(self, merged=True)
        return None

    def _without_keywords(self, words: str) -> Form | None:
        if self.rung == "prompt" or (self.rung == "json_object" and not self.carries_schema):
            return None
        named = frozenset(cut for cut, pattern in _CUTS if pattern.search(words)) or _EVERY_CUT
        return None if named <= self.cuts else replace(self, cuts=self.cuts | named)

    def _simpler(self, words: str) -> Form | None:
        if self.rung == "json_schema":
            return replace(self, rung="json_object")
        if self.rung == "prompt":
            return None
        # What is refused of {"type": "json_object", "schema": …}: the type, or that there is a schema in it.
        of_the_type = "schema" not in words.replace("json_schema", "") and ("json_object" in words or "type" in words)
        if self.carries_schema and not of_the_type:
            return replace(self, carries_schema=False)
        return replace(self, rung="prompt")

    def _with_other_limit(self, words: str, parameters: Mapping[str, Any]) -> Form | None:
        if self.output_limit(parameters) is None:
            return None
        if _TOO_LARGE.search(words):
            return replace(self, limit="")
        refused = self.refused_limits | {self.limit}
        left = [name for name in (LIMIT, OLD_LIMIT) if name not in refused]
        return replace(self, limit=left[0] if left else "", refused_limits=refused)


def cut_schema(schema: Any, cuts: frozenset[Cut]) -> Any:
    """``schema`` without the keywords of ``cuts``; a list of types becomes a choice of schemas with one type each."""
    if not cuts:
        return schema
    if isinstance(schema, list):
        return [cut_schema(part, cuts) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    left = {key: value for key, value in schema.items() if not _is_cut(key, value, cuts)}
    types = left.get("type")
    if "types" in cuts and isinstance(types, list):
        beside = {key: value for key, value in left.items() if key != "type"}
        choices = [{"type": name, **(beside if name != "null" else {})} for name in types]
        return {"anyOf": choices}
    return {key: cut_schema(value, cuts) for key, value in left.items()}


def _is_cut(key: str, value: object, cuts: frozenset[Cut]) -> bool:
    # A criterion may be called "minimum": then its value is a schema.
    if key == "additionalProperties":
        return "closed" in cuts and isinstance(value, bool)
    return key in ("minimum", "maximum") and "bounds" in cuts and isinstance(value, int | float)
