"""Templates of the sample's texts: ``{name}`` stands for a value that is drawn once for each run."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

_NAME = re.compile(r"\{(\w+)\}")
_LETTERS = "abcdefghkmnpqrstuvwxyz"


class Words:
    """The values of one run. ``variables`` is what the data files hold under ``vars``:

    a list (one of it), a text (``#`` is a digit, ``?`` a letter), ``{min, max, decimals}`` (a number),
    ``{days: [a, b]}`` (a date so many days from ``now``), ``{time: [a, b]}`` (a time so many minutes from it).
    """

    def __init__(self, rng: random.Random, now: datetime, variables: Mapping[str, Any]) -> None:
        self._rng = rng
        self._now = now
        self._values: dict[str, Any] = {}
        self._draw(variables)

    def fill(self, template: Any) -> Any:
        """``template`` (a text or a structure of them) with values in; a text that is one name keeps the value's type.

        ``{"$repeat": [a, b], "vars", "item"}`` becomes a list, ``{"$lines": [a, b], "vars", "line", "head", "tail"}`` a
        text; both draw their own ``vars`` for each entry. A name that is unknown stays as it is.
        """
        if isinstance(template, str):
            whole = _NAME.fullmatch(template)
            if whole and whole[1] in self._values:
                return self._values[whole[1]]
            return _NAME.sub(lambda match: str(self._values.get(match[1], match[0])), template)
        if isinstance(template, list):
            return [self.fill(item) for item in template]
        if not isinstance(template, dict):
            return template
        if "$repeat" in template:
            return [self._inner(template).fill(template["item"]) for _ in range(self._count(template["$repeat"]))]
        if "$lines" in template:
            lines = [self._inner(template).fill(template["line"]) for _ in range(self._count(template["$lines"]))]
            ends = [self.fill(template[key]) if key in template else None for key in ("head", "tail")]
            return "\n".join(str(line) for line in (ends[0], *lines, ends[1]) if line is not None)
        return {key: self.fill(value) for key, value in template.items()}

    def _inner(self, template: Mapping[str, Any]) -> Words:
        inner = Words(self._rng, self._now, {})
        inner._values = dict(self._values)
        inner._draw(template.get("vars", {}))
        return inner

    def _count(self, bounds: list[int]) -> int:
        return self._rng.randint(bounds[0], bounds[1])

    def _draw(self, variables: Mapping[str, Any]) -> None:
        for name, kind in variables.items():
            self._values[name] = self._one(kind)

    def _one(self, kind: Any) -> Any:
        rng = self._rng
        if isinstance(kind, list):
            return self.fill(rng.choice(kind))
        if isinstance(kind, str):
            marks = {"#": "0123456789", "?": _LETTERS}
            return "".join(rng.choice(marks[mark]) if mark in marks else mark for mark in str(self.fill(kind)))
        if "days" in kind:
            return (self._now + timedelta(days=self._count(kind["days"]))).date().isoformat()
        if "time" in kind:
            at = self._now + timedelta(minutes=self._count(kind["time"]), seconds=rng.randint(0, 59))
            return at.strftime("%Y-%m-%dT%H:%M:%SZ")
        if "decimals" in kind:
            return round(rng.uniform(kind["min"], kind["max"]), kind["decimals"])
        return rng.randint(kind["min"], kind["max"])
