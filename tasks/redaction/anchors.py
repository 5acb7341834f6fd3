"""Anchors: where in a text a rule is worth trying, found for all rules in one pass.

A regular expression costs some 20 ns a character and a substring test 0.5, and there are hundreds of things to look
for. So all are looked for at once: of four characters in a row, the first two and the last two are looked up in a
table each, in which every group of anchors has its bit (as the "Teddy" algorithm of Hyperscan does, in numpy): 4 ns a
character.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_WIDTH = 4
_GROUPS = 16
_SHAPE = re.compile(r"\[([^\]]+)\]|(.)", re.DOTALL)
_RANGE = re.compile(r"([a-zA-Z0-9])-([a-zA-Z0-9])")
_ANY = [chr(code) for code in range(256)]
Array = npt.NDArray[np.int64]
Parts = list[list[str]]
"""The characters that each position of a shape may have."""


class Places(NamedTuple):
    """Places of anchors in a text, in order, and for each the index in ``Anchors.numbers`` of what begins there."""

    places: Array
    keys: Array


class Anchors:
    """Finds the places of shapes.

    A shape stands for up to four characters in a row, each a letter (in either case when it folds) or a set such as
    ``[_-]`` or ``[0-9]``. ``numbers`` holds the shapes, by their index in ``shapes``, that one place can be the anchor
    of.
    """

    def __init__(self, shapes: Sequence[tuple[str, bool]]) -> None:
        exact: dict[str, list[int]] = {}
        spelled: list[Parts] = []
        for number, (shape, fold) in enumerate(shapes):
            parts = [_letters(match[1] or match[2], fold) for match in _SHAPE.finditer(shape)]
            if not 0 < len(parts) <= _WIDTH:
                raise ValueError(f"an anchor has one to four characters: {shape!r}")
            for letters in product(*parts):
                exact.setdefault("".join(letters), []).append(number)
            spelled.append(parts)
        self._heads, self._tails = _tables(spelled)
        self.numbers = [tuple(numbers) for numbers in exact.values()]
        self._keys: dict[str, int] = {shape: key for key, shape in enumerate(exact)}
        self._by_width = [_table(exact, width) for width in sorted({len(shape) for shape in exact}, reverse=True)]

    def key(self, shape: str) -> int:
        """The index in ``numbers`` of an anchor without sets."""
        return self._keys[shape]

    def find(self, coded: bytes) -> Places:
        """Every place of an anchor in a text.

        ``coded`` is the text with one byte for each character, what is not Latin-1 as any byte that no anchor has.
        """
        length = len(coded)
        letters = np.frombuffer(coded + b"\x00" * (_WIDTH - 1), np.uint8)
        pairs = letters[:-1].astype(np.intp)
        pairs |= letters[1:].astype(np.intp) << 8
        found = self._heads.take(pairs[:length])
        found &= self._tails.take(pairs[2:])
        places = np.flatnonzero(found)
        values = np.zeros(len(places), np.uint32)
        for position in range(_WIDTH):
            values |= letters[places + position].astype(np.uint32) << np.uint32(8 * position)
        hits = []
        for mask, known, keys in self._by_width:
            shown = values & mask
            index = np.searchsorted(known, shown)
            index[index == len(known)] = 0
            hit = known[index] == shown
            hits.append((places[hit], keys[index[hit]]))
        all_places = np.concatenate([each for each, _ in hits])
        order = np.argsort(all_places, kind="stable")
        return Places(all_places[order], np.concatenate([each for _, each in hits])[order])


def _tables(shapes: list[Parts]) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint16]]:
    """For each pair of characters the groups that have a shape which begins so, and those with one that ends so.

    Shapes of a group mix, so those that begin alike are in one.
    """
    heads, tails = np.zeros(1 << 16, np.uint16), np.zeros(1 << 16, np.uint16)
    alike = sorted(shapes, key=lambda parts: (len(parts), parts))
    for number, parts in enumerate(alike):
        group = np.uint16(1 << number * _GROUPS // len(alike))
        first, second, third, fourth = (parts[place] if place < len(parts) else _ANY for place in range(_WIDTH))
        heads[_pairs(first, second)] |= group
        tails[_pairs(third, fourth)] |= group
    return heads, tails


def _pairs(first: list[str], second: list[str]) -> Array:
    return np.array([ord(one) | ord(other) << 8 for one, other in product(first, second)], np.int64)


def _table(exact: dict[str, list[int]], width: int) -> tuple[np.uint32, npt.NDArray[np.uint32], Array]:
    """Which bits count, the values of the shapes of this width in order, and the key of each."""
    values = {
        int.from_bytes(shape.encode("latin-1"), "little"): key for key, shape in enumerate(exact) if len(shape) == width
    }
    known = sorted(values)
    return (
        np.uint32((1 << 8 * width) - 1),
        np.array(known, np.uint32),
        np.array([values[value] for value in known], np.int64),
    )


def _letters(part: str, fold: bool) -> list[str]:
    letters = _RANGE.sub(lambda match: "".join(map(chr, range(ord(match[1]), ord(match[2]) + 1))), part)
    return sorted(set(letters + letters.swapcase())) if fold else sorted(set(letters))
