"""Crowding: stretches in which so much looks like a secret that no rule is tried there, and all is replaced.

Each place of an anchor costs a microsecond or two, which bounds what a text costs as long as places are some way apart.
A text that is made to be slow has one every few characters, over thousands of them; one that people or programs write
for a purpose does not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tasks.redaction.anchors import Array, Places

CROWDED = "too many secrets"
"""The label of a crowded stretch."""

LEAST_APART = 21
"""Characters for each place, on average, below which a block is crowded."""
MOST_IN_A_SMALL_TEXT = 100
"""Places that any text may have, however short it is."""
_BLOCK = 2_048
# At the ends of a stretch, where a secret may reach in or out.
_TRIED = 64
_LONGEST_WORD = 500
_LONGEST_URL = 400
_ESCAPE = 6
_BACKSLASH, _PERCENT = 0x5C, 0x25
_ENDS_WORD = frozenset(b" \t\n\r\"'`,;&<>\\|\x00")


class Crowded(NamedTuple):
    """Stretches (start and end), and the places that are left to be tried."""

    stretches: list[tuple[int, int]]
    left: Places


def find_crowded(text: str, coded: bytes, found: Places) -> Crowded:
    """The stretches of a text in which places are crowded. NUL separates texts that are examined each by itself."""
    places = found.places
    if len(places) < MOST_IN_A_SMALL_TEXT:
        return Crowded([], found)
    edges = np.arange(0, len(text) + 1, _BLOCK, dtype=np.int64)
    between = np.flatnonzero(np.frombuffer(coded, np.uint8) == 0)
    edges = np.unique(np.concatenate([edges, between, between + 1, np.array([len(text)])]))
    firsts = np.searchsorted(places, edges)
    counts = np.diff(firsts)
    crowded = (counts >= MOST_IN_A_SMALL_TEXT) & (counts * LEAST_APART > np.diff(edges))
    stretches: list[tuple[int, int]] = []
    kept = np.ones(len(places), bool)
    for first, last in _runs(crowded):
        begin, end = int(firsts[first]), int(firsts[last])
        kept[begin + _TRIED : max(begin + _TRIED, end - _TRIED)] = False
        stretches.append((int(edges[first]), _word_end(coded, int(edges[last]))))
    return Crowded(stretches, Places(places[kept], found.keys[kept]))


def _runs(flags: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and one past the last index of every run of True."""
    turns = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(first), int(last)) for first, last in turns.reshape(-1, 2)]


def _word_end(coded: bytes, place: int) -> int:
    end = place
    while end < min(len(coded), place + _LONGEST_WORD) and coded[end] not in _ENDS_WORD:
        end += 1
    return end


def drop_idle(text: str, coded: bytes, found: Places, at: int, begins: npt.NDArray[np.bool_]) -> Places:
    """``found`` without what no rule can begin at.

    That is each @ (the key ``at``) that neither ends a URL's password nor can be in an e-mail address: pictures are
    made of them, and a text may be nothing else; and whatever stands within a word, of the keys that ``begins`` flags.
    """
    padded = np.frombuffer(b" " * _ESCAPE + coded + b" ", np.uint8)
    before = found.places + (_ESCAPE - 1)
    # The n of \n is no part of a word; \u003c and %3D end in letters as well.
    idle = begins[found.keys] & _IN_WORD[padded[before]] & (padded[before - 2] != _PERCENT)
    for shift in (1, 3, 5):
        idle &= padded[before - shift] != _BACKSLASH
    is_at = found.keys == at
    if is_at.sum() >= MOST_IN_A_SMALL_TEXT:
        ats = found.places[is_at]
        useful = _CAN_FOLLOW[padded[ats + _ESCAPE + 1]]
        schemes = _find_all(text, "://")
        if len(schemes):
            index = np.searchsorted(schemes, ats) - 1
            useful |= (index >= 0) & (ats - schemes[index] <= _LONGEST_URL)
        idle[is_at] = ~useful
    return Places(found.places[~idle], found.keys[~idle])


def _find_all(text: str, what: str) -> Array:
    places = []
    place = text.find(what)
    while place >= 0:
        places.append(place)
        place = text.find(what, place + len(what))
    return np.array(places, np.int64)


# A domain begins with a letter or a digit; "?" stands for what is not Latin-1.
_CAN_FOLLOW = np.array([chr(code).isalnum() or code >= 0x80 or code == 0x3F for code in range(256)])
_IN_WORD = np.array([(code < 0x80 and chr(code).isalnum()) or chr(code) in "_-" for code in range(256)])
