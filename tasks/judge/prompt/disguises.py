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
_LEET_WORD = re.compile(
    r"(?<![\w@$!])(?=[0134570@$!|]{0,23}+[a-z])(?=[a-z!|]{0,23}+[0134570@$])[a-z0134570@$!|]{2,24}(?![\w@$])"
)
# Single letters with one sign between them, at least eight of them.
_SPACED = re.compile(r"(?<!\w)\w(?:[ ._*~-]\w(?!\w)|[ ]{2,4}\w(?!\w)){7,}")
_LETTER_GAP = re.compile(r"(?<=\w)[ ._*~-](?=\w(?!\w))")
_SHORTEST_BASE64, _SHORTEST_HEX = 20, 32
_HEX = re.compile(rf"(?:[0-9A-Fa-f]{{2}}[ :]?){{{_SHORTEST_HEX // 2},}}")
# By how each begins. A character of its own in front, so that the search is for that character.
_ESCAPES = {
    "%": re.compile(r"%[0-9A-Fa-f]{2}(?:%[0-9A-Fa-f]{2}){3}"),
    "&#": re.compile(r"&#x?[0-9A-Fa-f]{2,5};(?:&#x?[0-9A-Fa-f]{2,5};){3}"),
    "\\u": re.compile(r"\\u[0-9A-Fa-f]{4}(?:\\u[0-9A-Fa-f]{4}){3}"),
    "\\x": re.compile(r"\\x[0-9A-Fa-f]{2}(?:\\x[0-9A-Fa-f]{2}){3}"),
}
_ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})|\\x([0-9A-Fa-f]{2})")
_START = 64
# Most texts hold no disguise. Splitting at every other byte shows that in a few nanoseconds a character, where an
# expression takes thirty or more. A table keeps one kind of character and blanks the rest.
_BASE64_ALONE, _HEX_ALONE, _WORD_ALONE = (
    bytes(code if re.match(kept, bytes([code])) else 0x20 for code in range(256))
    for kept in (rb"[A-Za-z0-9+/_-]", rb"[0-9A-Fa-f]", rb"[a-z0-9_@$!|]")
)
_LEET_LETTERS, _LEET_SIGNS = b"abcdefghijklmnopqrstuvwxyz!|", b"0134570@$"
# Between them a word may end before the next blank.
_LEET_ENDS = (b"!", b"|")
_AS_LETTERS = bytes(0x20 if code == 0x20 else ord("a") for code in range(256))
# Gaps of _SPACED are blanks, and what is or may be a letter (? stands for what is not Latin-1) is an "a".
_LETTERS_AND_GAPS = bytes(
    0x20 if code in b" ._*~-" else ord("a") if code > 127 or re.match(rb"[\w?]", bytes([code])) else ord("#")
    for code in range(256)
)
_EIGHT_LETTERS = b"a a a a a a a a"


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
    if _may_be_spaced(lower):
        yield from (found.start() for found in _SPACED.finditer(lower))
    spelled = _spell(" ".join(_words_in_digits(lower)))
    if hidden := [word for word in words if word in spelled]:
        yield from (
            found.start() for found in _LEET_WORD.finditer(lower) if any(word in _spell(found[0]) for word in hidden)
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
    if _may_be_spaced(folded) and _SPACED.search(folded):
        yield _SPACED.sub(lambda found: _LETTER_GAP.sub("", found[0]), folded)
    if _words_in_digits(folded) and _LEET_WORD.search(folded):
        for letters in _LEETS:
            yield _LEET_WORD.sub(lambda word, letters=letters: word[0].translate(letters), folded)  # type: ignore[misc]


def _spell(words: str) -> str:
    """``words`` with letters for their digits, in each of the ways."""
    return " ".join(words.translate(letters) for letters in _LEETS)


def _may_be_spaced(lower: str) -> bool:
    return _EIGHT_LETTERS in b" ".join(lower.encode("latin-1", "replace").translate(_LETTERS_AND_GAPS).split())


def _words_in_digits(lower: str) -> set[str]:
    """Every word of letters and of digits that can stand for letters, if it holds both; a superset of _LEET_WORD."""
    words = set(lower.encode("latin-1", "replace").translate(_WORD_ALONE).split())
    return {
        word.decode("ascii")
        for word in words
        if not word.isalpha()
        and word.translate(None, _LEET_LETTERS) != word != word.translate(None, _LEET_SIGNS)
        and (not word.translate(None, _LEET_LETTERS + _LEET_SIGNS) or any(end in word for end in _LEET_ENDS))
    }


def _runs(text: str, alone: bytes, shortest: int, skipped: bytes = b"") -> list[str]:
    """The runs of at least ``shortest`` characters of the kind that ``alone`` keeps, in order."""
    kept = text.encode("latin-1", "replace").translate(alone, skipped)
    # Where each character of the kind is an "a", a look for so many of them is ten times quicker than splitting.
    if b"a" * shortest not in kept.translate(_AS_LETTERS):
        return []
    return [run.decode("ascii") for run in kept.split() if len(run) >= shortest]


def _decoded(text: str) -> Iterator[tuple[int, str]]:
    """The texts that stand in ``text`` as base64 or hexadecimal digits, and where."""
    end = 0
    for run in _runs(text, _BASE64_ALONE, _SHORTEST_BASE64):
        start = text.index(run, end)
        end = start + len(run)
        digits = run.replace("-", "+").replace("_", "/")
        if _is_text(_from_base64(digits[:_START])):
            yield start, _from_base64(digits).decode("utf-8", "replace")
    if not _runs(text, _HEX_ALONE, _SHORTEST_HEX, b" :"):
        return
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
