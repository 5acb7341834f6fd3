"""What an endpoint's model can be asked: by which form of answer, and with which parameters; learned as it refuses."""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

logger = logging.getLogger(__name__)

Rung = Literal["json_schema", "json_object", "prompt"]

LIMIT = "max_completion_tokens"
_OLD_LIMIT = "max_tokens"
_FORMAT = "response_format"
# An endpoint checks a request before it generates, so it refuses sooner than this.
_REFUSES_WITHIN_SECONDS = 0.5
# Further on, an error may echo the request, and with it what agents wrote.
_MOST_READ = 1000
_OF_THE_FORMAT = re.compile(r"response_?format|json_schema|json_object|json mode|structured[ _-]?output|guided|grammar")
_UNSUPPORTED = re.compile(r"unsupported|not support|unrecognized|not permitted|unknown (?:parameter|field|argument)")
_TOO_LARGE = re.compile(r"too large|at most|maximum|less than|exceed")
_REFUSALS = frozenset({400, 422})


@dataclass(frozen=True, slots=True)
class Form:
    """How the judge is asked: the rung of the ladder, the name of the output limit, and what is not sent.

    ``explained``: the schema stands in the last message although the endpoint takes it as the answer's format.
    """

    rung: Rung = "json_schema"
    limit: str = LIMIT
    dropped: frozenset[str] = frozenset()
    explained: bool = False

    def body(self, parameters: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
        """What is sent beside model and messages: ``parameters`` as they are taken, and the form of the answer."""
        body = {self._name(name): value for name, value in parameters.items() if name not in self.dropped}
        if self.rung == "json_schema":
            body[_FORMAT] = {
                "type": "json_schema",
                "json_schema": {"name": "judgement", "strict": True, "schema": schema},
            }
        elif self.rung == "json_object":
            body[_FORMAT] = {"type": "json_object"}
        return body

    def messages(self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> list[dict[str, str]]:
        """``messages``, with the schema as text where the endpoint does not enforce it.

        It stands at the end of the instructions, on a line of its own: what is the same for every agent comes first,
        or no prompt would be cached. When the endpoint takes the schema and ignores it, it stands at the end of all.
        """
        sent = [dict(message) for message in messages]
        if self.rung == "json_schema" and not self.explained:
            return sent
        text = (
            "Answer with one JSON object and nothing around it: no words before or after it, no code fence. It must be "
            f"valid by this JSON Schema:\n{json.dumps(schema, ensure_ascii=False, separators=(',', ':'))}"
        )
        if self.rung == "json_schema" and sent:
            sent[-1]["content"] += f"\n\n{text}"
            return sent
        if not sent or sent[0]["role"] != "system":
            return [{"role": "system", "content": text}, *sent]
        sent[0]["content"] += f"\n\n{text}"
        return sent

    def without(self, named: str, said: str) -> Form | None:
        """The form to try next when ``named`` was refused with the words ``said``, or None when there is none left."""
        if named == _FORMAT:
            if self.rung == "prompt":
                return None
            return replace(self, rung="json_object" if self.rung == "json_schema" else "prompt")
        if named == self.limit == LIMIT and not _TOO_LARGE.search(said):
            return replace(self, limit=_OLD_LIMIT)
        return replace(self, dropped=self.dropped | {LIMIT if named == self.limit else named})

    def _name(self, parameter: str) -> str:
        return self.limit if parameter == LIMIT else parameter


class Capabilities:
    """The form in which one model at one base URL can be asked; shared by all threads, one per process.

    It starts with everything and gives up what a 400 or 422 names, for good. A poor answer changes nothing.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._form = Form()
        self._proven = False
        # After a refusal, one call tries the next form and the others wait for its result.
        self._trying = False
        self._tried_since: float | None = None

    @property
    def form(self) -> Form:
        """How the next call is sent."""
        return self._form

    def wait_turn(self) -> None:
        """Wait, half a second for each form at most, while another call finds out whether the newest form is taken."""
        with self._changed:
            while self._trying:
                now = time.monotonic()
                if self._tried_since is None:
                    self._tried_since = now
                    return
                left = self._tried_since + _REFUSES_WITHIN_SECONDS - now
                if left <= 0:
                    self._trying = False
                    self._changed.notify_all()
                else:
                    self._changed.wait(left)

    def answered(self, form: Form) -> None:
        """A call in this form was answered, however well: the form is taken."""
        with self._changed:
            if form in (self._form, replace(self._form, explained=False)) and not self._proven:
                self._proven, self._trying = True, False
                self._changed.notify_all()

    def ignored(self) -> None:
        """An answer did not follow the schema, which some endpoints take and ignore: from now on it is text too."""
        with self._changed:
            if self._form.rung == "json_schema" and not self._form.explained:
                self._form = replace(self._form, explained=True)
                logger.warning(
                    "The judge's endpoint takes the schema of an answer and does not follow it: it is sent as text too"
                )

    def refused(self, form: Form, status: int, param: object, message: str, sent: Collection[str]) -> bool:
        """Learn from a refusal of a call in this form; whether another call can now do better.

        ``param`` is what the error names, of any type, ``message`` its words, ``sent`` the names that the request had
        beside model and messages. An error that names nothing of them and says no more than "unsupported" costs a rung
        only while no call has been answered in this form.
        """
        said = message[:_MOST_READ].lower()
        if status not in _REFUSALS:
            return False
        with self._changed:
            named = _named(param, said, sent)
            vague = named is None and _FORMAT in sent and _UNSUPPORTED.search(said) is not None
            if vague and not (self._proven or _is_fixed(param)):
                named = _FORMAT
            following = form.without(named, said) if named else None
            if following is None:
                return False
            if form == self._form:
                self._form, self._proven = following, False
                self._trying, self._tried_since = True, None
                self._changed.notify_all()
            # Otherwise another call was refused first, and there is a newer form already.
            return True


def _root(param: object) -> str:
    return re.split(r"[.\[]", param, maxsplit=1)[0] if isinstance(param, str) else ""


def _is_fixed(param: object) -> bool:
    return _root(param) in ("model", "messages")


def _named(param: object, said: str, sent: Collection[str]) -> str | None:
    """Which of the names that were sent is refused: ``param``, or the first in ``said`` (lower case)."""
    if _root(param) in sent:
        return _root(param)
    if _is_fixed(param):
        return None
    places: dict[str, int] = {}
    for name in sent:
        names = f"{LIMIT}|{_OLD_LIMIT}" if name in (LIMIT, _OLD_LIMIT) else re.escape(name)
        pattern = _OF_THE_FORMAT if name == _FORMAT else re.compile(rf"\b(?:{names})\b")
        if match := pattern.search(said):
            places[name] = match.start()
    return min(places, key=lambda name: places[name]) if places else None
