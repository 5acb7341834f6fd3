"""Disguises of a text: look-alike letters, invisible signs, spelling games and encodings, and how to undo them."""

from __future__ import annotations

import base64
import html
import re
import unicodedata
from collections.abc import Collection, Iterator
from urllib.parse import unquote

_ACCENTS = re.compile("[\u0300-\u036f\u0610-\u061a\u064b-\u065f]+")
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff]+"
)
_LOOK_ALIKES = str.maketrans(
    "абвгезіїјкмнорѕстухһԁԛԝӏьαβεζηικμνορτυχγω",
    "abbre3iijkmhopsctyxhdqwlbabeznikuvoptuxyw",
)
_MIXED = re.compile(r"\b(?=\w*[a-z])(?=\w*[\u0370-\u03ff\u0400-\u052f])\w{2,40}\b")
_LEET = str.maketrans("013457@$!|", "oieastasil")
_LEETS = (_LEET, _LEET | {ord("1"): "l"})
_LEET_WORD = re.compile(r"(?<![\w@$!])(?=[\w@$!|]*[a-z])(?=[\w@$!|]*[0134570@$])[a-z0134570@$!|]{2,24}(?![\w@$])")
# Single letters with one sign between them, at least eight of them.
_SPACED = re.compile(r"(?<!\w)\w(?:[ ._*~-]\w(?!\w)|[ ]{2,4}\w(?!\w)){7,}")
_LETTER_GAP = re.compile(r"(?<=\w)[ ._*~-](?=\w(?!\w))")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{20,}={0,2}")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}[ :]?){16,}")
# By how each begins. A character of its own in front, so that the search is for that character.
_ESCAPES = {
    "%": re.compile(r"%[0-9A-Fa-f]{2}(?:%[0-9A-Fa-f]{2}){3}"),
    "&#": re.compile(r"&#x?[0-9A-Fa-f]{2,5};(?:&#x?[0-9A-Fa-f]{2,5};){3}"),
    "\\u": re.compile(r"\\u[0-9A-Fa-f]{4}(?:\\u[0-9A-Fa-f]{4}){3}"),
    "\\x": re.compile(r"\\x[0-9A-Fa-f]{2}(?:\\x[0-9A-Fa-f]{2}){3}"),
}
_ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})|\\x([0-9A-Fa-f]{2})")
_START = 64


def plain_forms(text: str) -> Iterator[str]:
    """``text`` as ``fold`` has it, then each of its disguises undone, as far as there are any."""
    folded = fold(text)
    yield folded
    yield from _spellings(folded)
    if any(sign in text and escape.search(text) for sign, escape in _ESCAPES.items()):
        written = _ESCAPE.sub(lambda found: chr(int(found[1] or found[2], 16)), html.unescape(unquote(text)))
        yield fold(written)
    for _, decoded in _decoded(text):
        yield fold(decoded)


def disguised_places(text: str, words: Collection[str]) -> Iterator[int]:
    """Where ``plain_forms`` undoes a disguise in ``text``; of words in digits, those that hold one of ``words``."""
    lower = text.lower()
    yield from (found.start() for found in _SPACED.finditer(lower))
    in_digits = list(_LEET_WORD.finditer(lower))
    plain = [f"{found[0].translate(_LEETS[0])} {found[0].translate(_LEETS[1])}" for found in in_digits]
    every = " ".join(plain)
    hidden = [word for word in words if word in every]
    yield from (
        found.start() for found, one in zip(in_digits, plain, strict=True) if any(word in one for word in hidden)
    )
    yield from (found.start() for sign, escape in _ESCAPES.items() if sign in text for found in escape.finditer(text))
    yield from (place for place, _ in _decoded(text))


def fold(text: str) -> str:
    """``text`` in lower case and plain letters: without accents, invisible signs, ornaments and look-alikes."""
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKC", _UNSEEN.sub("", text)).casefold().replace("\u0131", "i")
    text = _ACCENTS.sub("", unicodedata.normalize("NFD", text))
    # A word of two scripts is a disguise; a word of one is a word.
    return unicodedata.normalize("NFC", _MIXED.sub(lambda word: word[0].translate(_LOOK_ALIKES), text))


def _spellings(folded: str) -> Iterator[str]:
    if _SPACED.search(folded):
        yield _SPACED.sub(lambda found: _LETTER_GAP.sub("", found[0]), folded)
    if _LEET_WORD.search(folded):
        for letters in _LEETS:
            yield _LEET_WORD.sub(lambda word, letters=letters: word[0].translate(letters), folded)  # type: ignore[misc]


def _decoded(text: str) -> Iterator[tuple[int, str]]:
    """The texts that stand in ``text`` as base64 or hexadecimal digits, and where."""
    for blob in _BASE64.finditer(text):
        digits = blob[0].rstrip("=").replace("-", "+").replace("_", "/")
        if _is_text(_from_base64(digits[:_START])):
            yield blob.start(), _from_base64(digits).decode("utf-8", "replace")
    for blob in _HEX.finditer(text):
        digits = re.sub("[^0-9A-Fa-f]", "", blob[0])
        if _is_text(bytes.fromhex(digits[:_START])):
            yield blob.start(), bytes.fromhex(digits).decode("utf-8", "replace")


def _from_base64(digits: str) -> bytes:
    # A single digit too many is half a byte.
    whole = digits[:-1] if len(digits) % 4 == 1 else digits
    return base64.b64decode(whole + "=" * (-len(whole) % 4))


def _is_text(start: bytes) -> bool:
    """Whether these bytes begin a text of several words."""
    words = start.decode("utf-8", "replace")
    letters = sum(char.isalpha() or char.isspace() for char in words)
    return len(words) > 10 and letters > 0.8 * len(words) and (" " in words or not words.isascii())
