"""A screen in front of the search for suspicious texts: which of many are worth the whole look, found in one pass.

An agent has hundreds of short texts, and hardly one holds a word of an attack: trying every expression on every text
took 47 ms an agent, ten times what all the rest of its question takes. The screen passes each text that could be
suspicious, and a few more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from tasks.judge.prompt.disguises import disguised_places, fold
from tasks.redaction.anchors import Anchors

_BETWEEN = "\x00"
_WIDTH = 4


class Screen:
    """Passes texts that hold one of ``stems`` (written as ``fold`` does), a match of ``hidden``, or a disguise."""

    def __init__(self, stems: Iterable[str], hidden: re.Pattern[str]) -> None:
        self._hidden = hidden
        self._words = frozenset(word for stem in stems for word in re.findall(r"\w{3,}", stem))
        by_start: dict[str, list[bytes]] = {}
        for stem in sorted(map(str.encode, stems)):
            by_start.setdefault(stem[:_WIDTH].decode("latin-1"), []).append(stem)
        self._anchors = Anchors([(start.replace("[", "[[]"), False) for start in by_start])
        stems_of = list(by_start.values())
        self._stems = [
            tuple(stem for number in numbers for stem in stems_of[number]) for numbers in self._anchors.numbers
        ]

    def passed(self, texts: Sequence[str]) -> list[int]:
        """The indices of the texts that are worth a look, in order."""
        numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
        found = self._passed([text.replace(_BETWEEN, " ") for text in numbers])
        return [index for index, text in enumerate(texts) if numbers[text] in found]

    def _passed(self, texts: Sequence[str]) -> set[int]:
        joined = _BETWEEN.join(texts)
        found = set(_indices(joined, disguised_places(joined, self._words)))
        if not joined.isascii():
            found.update(_indices(joined, [match.start() for match in self._hidden.finditer(joined)]))
            joined = _BETWEEN.join(map(fold, texts))
        coded = joined.lower().encode("utf-8", "replace")
        places, keys = self._anchors.find(coded)
        whole = [
            place
            for place, key in zip(places.tolist(), keys.tolist(), strict=True)
            if coded.startswith(self._stems[key], place)
        ]
        edges = np.flatnonzero(np.frombuffer(coded, np.uint8) == 0)
        found.update(np.searchsorted(edges, whole).tolist())
        return found


def _indices(joined: str, places: Iterable[int]) -> Iterable[int]:
    """Which of the joined texts each of ``places`` is in."""
    index = last = 0
    for place in sorted(places):
        index += joined.count(_BETWEEN, last, place)
        last = place
        yield index
