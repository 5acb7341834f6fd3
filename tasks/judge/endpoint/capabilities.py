"""What an endpoint's model can be asked: by which form of answer, and with which parameters; learned as it refuses."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from tasks.judge.endpoint.faults.fault import Cause
from tasks.judge.endpoint.form import LIMIT, OLD_LIMIT, Form
from tasks.judge.endpoint.refusals.refusal import Refusal

logger = logging.getLogger(__name__)

# An answer that is cut off at less than this share of its limit was cut off by something else.
_EARLY = 0.75


class Capabilities:
    """The form in which one model at one base URL can be asked; shared by all threads, one per process.

    It starts with everything and gives up what refusals name, for good; each step is logged once. A poor answer takes
    nothing away: one that does not follow the schema adds the schema as text. An endpoint checks a request before it
    generates: a form that was not refused within ``refuses_within_seconds`` counts as accepted.
    """

    def __init__(self, refuses_within_seconds: float = 0.5) -> None:
        self._refuses_within_seconds = refuses_within_seconds
        self._changed = threading.Condition()
        self._form = Form()
        self._proven = False
        # After a refusal, one call tries the next form and the others wait for its result.
        self._untried = False
        self._trial: object | None = None
        self._tried_since: float | None = None

    @property
    def form(self) -> Form:
        """How the next call is sent."""
        return self._form

    def is_proven(self, form: Form) -> bool:
        """Whether this is the current form and a call was answered in it."""
        return self._proven and form == self._form

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One attempt in the newest form: the first tries the form, and others wait until it is known to be accepted.

        When the attempt ends without showing that, the next one tries. No one waits longer than
        ``refuses_within_seconds`` after the first trial of a form.
        """
        trial = self._wait_turn()
        try:
            yield
        finally:
            with self._changed:
                if trial is not None and trial is self._trial:
                    self._trial = None
                    self._changed.notify_all()

    def _wait_turn(self) -> object | None:
        """The trial that this attempt is, or None: nothing has to be tried."""
        with self._changed:
            while self._untried:
                now = time.monotonic()
                if self._tried_since is None:
                    self._tried_since = now
                left = self._tried_since + self._refuses_within_seconds - now
                if left <= 0:
                    self._untried = False
                    self._changed.notify_all()
                elif self._trial is None:
                    self._trial = object()
                    return self._trial
                else:
                    self._changed.wait(left)
            return None

    def answered(self, form: Form) -> None:
        """A call in this form was answered, however well: the form is taken."""
        with self._changed:
            if form in (self._form, replace(self._form, explained=False)) and not self._proven:
                self._proven, self._untried = True, False
                self._changed.notify_all()

    def ignored(self) -> None:
        """An answer did not follow the schema, which some endpoints take and ignore: from now on it is text too."""
        with self._changed:
            if self._form.rung == "json_schema" and not self._form.explained:
                self._form = replace(self._form, explained=True)
                logger.warning(
                    "The judge's endpoint accepts a JSON schema but does not follow it: the schema is sent as text, too"
                )

    def ended_early(self, form: Form, parameters: Mapping[str, Any], output_tokens: int | None) -> None:
        """An answer was cut off after ``output_tokens``; long before its limit, when the limit's name was not known.

        Servers that know only ``max_tokens`` pass over the other name, and end at a default of theirs.
        """
        limit = form.output_limit(parameters)
        if not limit or not output_tokens or output_tokens > _EARLY * limit:
            return
        with self._changed:
            if form == self._form and form.limit == LIMIT and not form.refused_limits:
                self._form = replace(form, limit=OLD_LIMIT, refused_limits=frozenset({LIMIT}))
                logger.warning(
                    "The judge's endpoint ended an answer at %d of %d tokens: from now on, %s is sent instead of %s",
                    output_tokens,
                    limit,
                    OLD_LIMIT,
                    LIMIT,
                )

    def refused(
        self,
        form: Form,
        cause: Cause,
        refusal: Refusal,
        parameters: Mapping[str, Any],
        reason: str,
    ) -> Form | None:
        """Learn from the refusal of a call in this form; the form in which every call can be asked now, or None.

        ``parameters`` are what is sent as far as it is taken, ``reason`` is the refusal as one line for the log,
        without secrets. A refusal that does not name the format (``unnamed``), and one with HTTP 500, costs a format
        only while no call was answered in this form.
        """
        with self._changed:
            if self.is_proven(form) and (cause == "unnamed" or refusal.status >= 500):
                return None
            following = form.after(cause, refusal, parameters)
            if following is None:
                return None
            if form == self._form:
                self._form, self._proven = following, False
                self._untried, self._trial, self._tried_since = True, None, None
                self._changed.notify_all()
                logger.warning(
                    "From now on, the judge's endpoint is called %s. It returned: %s", _change(form, following), reason
                )
                return following
            # Another call was refused first, and there is a newer form already.
            return self._form


def _change(old: Form, new: Form) -> str:
    """What is different, in a few words."""
    if new.merged != old.merged:
        return "with the instructions in the user message"
    if new.streamed != old.streamed:
        return "with streaming"
    if new.cuts != old.cuts:
        return f"with a schema without {', '.join(sorted(new.cuts - old.cuts))}"
    if new.limit != old.limit:
        return f"with {new.limit} instead of {old.limit}" if new.limit else "without an output limit"
    if new.dropped != old.dropped:
        return f"without {', '.join(sorted(new.dropped - old.dropped))}"
    if new.rung == "prompt":
        return "without a response format"
    return "with the response format json_object" + (", which carries the schema" if new.carries_schema else "")
