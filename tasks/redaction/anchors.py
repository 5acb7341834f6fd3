"""Anchors: where in a text a rule is worth trying, found for all rules in one pass.

A regular expression costs some 20 ns a character and a substring test 0.5, and there are thirty things to look for. So
all are looked for at once: four characters in a row, each position with its table of who may have this character
there, one bit for each of eight groups (the "Teddy" algorithm of Hyperscan, in numpy): 3 ns a character in all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_WIDTH = 4
_GROUPS = 8
_SHAPE = re.compile(r"\[([^\]]+)\]|(.)", re.DOTALL)
Array = npt.NDArray[np.int64]


class Places(NamedTuple):
    """Places of anchors in a text, in order, and for each the index in ``Anchors.numbers`` of what begins there."""

    places: Array
    keys: Array


class Anchors:
    """Finds the places of shapes, in at most eight groups of them.

    A shape stands for up to four characters in a row, each a letter (in either case when its group folds) or a set
    such as ``[_-]``. How shapes are grouped decides about speed alone: those of one group mix in the first pass.
    ``numbers`` holds the shapes, numbered through all groups from 0, that one place can be the anchor of.
    """

    def __init__(self, groups: Sequence[Sequence[str]], *, fold: Sequence[bool]) -> None:
        if len(groups) > _GROUPS:
            raise ValueError(f"at most {_GROUPS} groups of anchors, not {len(groups)}")
        tables = [bytearray(256) for _ in range(_WIDTH)]
        exact: dict[str, list[int]] = {}
        number = 0
        for group, shapes in enumerate(groups):
            for shape in shapes:
                parts = [_letters(match[1] or match[2], fold[group]) for match in _SHAPE.finditer(shape)]
                for letters in product(*parts):
                    exact.setdefault("".join(letters), []).append(number)
                for position, table in enumerate(tables):
                    for byte in map(ord, parts[position]) if position < len(parts) else range(256):
                        table[byte] |= 1 << group
                number += 1
        self._tables = [bytes(table) for table in tables]
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
        coded += b"\x00" * (_WIDTH - 1)
        found = np.frombuffer(coded.translate(self._tables[0]), np.uint8)[:length]
        for shift, table in enumerate(self._tables[1:], 1):
            found = found & np.frombuffer(coded.translate(table), np.uint8)[shift : shift + length]
        places = np.flatnonzero(found)
        letters = np.frombuffer(coded, np.uint8)
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
    return sorted(set(part + part.swapcase())) if fold else list(part)
