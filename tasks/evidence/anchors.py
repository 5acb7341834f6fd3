"""Anchors: where in a text a rule is worth trying, found for all rules in one pass.

A regular expression costs some 20 ns a character and a substring test 0.5, and there are thirty things to look for. So
all are looked for at once: four characters in a row, each position with its table of who may have this character
there, one bit for each of eight groups (the "Teddy" algorithm of Hyperscan, in numpy): 3 ns a character in all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

_WIDTH = 4
_GROUPS = 8
_SHAPE = re.compile(r"\[([^\]]+)\]|(.)", re.DOTALL)


class Anchors:
    """Finds the places of shapes, in at most eight groups of them.

    A shape stands for up to four characters in a row, each a letter (in either case when its group folds) or a set
    such as ``[_-]``. How shapes are grouped decides about speed alone: those of one group mix in the first pass.
    """

    def __init__(self, groups: Sequence[Sequence[str]], *, fold: Sequence[bool]) -> None:
        if len(groups) > _GROUPS:
            raise ValueError(f"at most {_GROUPS} groups of anchors, not {len(groups)}")
        tables = [bytearray(256) for _ in range(_WIDTH)]
        self._exact: dict[str, list[int]] = {}
        number = 0
        for group, shapes in enumerate(groups):
            for shape in shapes:
                parts = [_letters(match[1] or match[2], fold[group]) for match in _SHAPE.finditer(shape)]
                for letters in product(*parts):
                    self._exact.setdefault("".join(letters), []).append(number)
                for position, table in enumerate(tables):
                    for byte in map(ord, parts[position]) if position < len(parts) else range(256):
                        table[byte] |= 1 << group
                number += 1
        self._tables = [bytes(table) for table in tables]
        self._widths = sorted({len(shape) for shape in self._exact}, reverse=True)

    def find(self, text: str, coded: bytes) -> Iterator[tuple[int, int]]:
        """Place and number of every anchor in ``text``, by place; shapes are numbered through all groups from 0.

        ``coded`` is the text with one byte for each character, what is not Latin-1 as any other byte.
        """
        coded += b"\x00" * (_WIDTH - 1)
        length = len(text)
        found = np.frombuffer(coded.translate(self._tables[0]), np.uint8)[:length]
        for shift, table in enumerate(self._tables[1:], 1):
            found = found & np.frombuffer(coded.translate(table), np.uint8)[shift : shift + length]
        exact = self._exact
        for place in np.flatnonzero(found != 0).tolist():
            for width in self._widths:
                for number in exact.get(text[place : place + width], ()):
                    yield place, number


def _letters(part: str, fold: bool) -> list[str]:
    return sorted(set(part + part.swapcase())) if fold else list(part)
