"""Personal data in agents' texts: e-mail addresses and payment card numbers. A place in, a span or None out."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence

EMAIL = "e-mail address"
CARD = "card number"
Span = tuple[int, int, str]
"""Start, end and label of what is to be replaced."""

_LONGEST_LOCAL = 64
_LOCAL_REVERSED = re.compile(r"[\w.+-]*")
_DOMAIN = re.compile(r"(?:[^\W_][\w-]{0,62}+\.){1,8}(?:[^\W\d_]{2,24}|xn--[a-z0-9-]{2,59})(?![\w-])")
# Names of files (icon@2x.png, render@app.js:10:5) and of machines that no mail goes to.
_NO_MAIL = frozenset(
    [
        "js",
        "jsx",
        "mjs",
        "ts",
        "tsx",
        "json",
        "png",
        "jpg",
        "jpeg",
        "gif",
        "svg",
        "webp",
        "css",
        "scss",
        "html",
        "htm",
        "xml",
        "yaml",
        "yml",
        "txt",
        "log",
        "csv",
        "toml",
        "lock",
        "internal",
        "localdomain",
        "lan",
        "cluster",
        "svc",
    ]
)
_VERSION = re.compile(r"v?\d+\.\d+")
_REMOTE_USERS = frozenset({"git", "hg", "svn"})
_REMOTE = re.compile(r":(?:\d+\b|[^\s:@\"']*/)")
_ESCAPED = re.compile(r"u[0-9a-fA-F]{4}|[nrtbf]")

# Groups are set apart by a space, a dash, or the space that does not break.
_TO_DIGITS = bytes(0x30 if 0x30 <= code <= 0x39 else 0x20 if code in (0x2D, 0xA0) else code for code in range(256))
_CARD_SHAPES = (b"0" * 13, b"0000 0000 0000 ", b"0000 000000 0000")
_CARD_SHAPE = re.compile(b"|".join(_CARD_SHAPES))
_LONGEST_RUN = 64
_DIGITS_REVERSED = re.compile(r"(?:[ \xa0-]?\d)*+")
_DIGITS = re.compile(r"\d(?:[ \xa0-]?\d)*+")
_FIRST_GROUP = re.compile(r"\d+[ \xa0]")
_GOES_ON = re.compile(r"[ \xa0-]?\d")
_NUMBER_GOES_ON = re.compile(r"[.,-]\w")
_NO_SPAN: Span = (sys.maxsize, sys.maxsize, "")
_GROUPED = re.compile(r"\d{4}([ \xa0-])(?:\d{4}\1\d{4}\1\d{4}(?:\1\d{3}(?!\d))?|\d{6}\1\d{4,5})(?!\d)")
_ONCE = bytes((code - 48) % 10 for code in range(256))
_DOUBLED = bytes(sum(divmod(2 * ((code - 48) % 10), 10)) for code in range(256))
# https://en.wikipedia.org/wiki/Payment_card_number#Issuer_identification_number_(IIN): without these, one in ten of
# all order numbers of this length would be a card. A time since the epoch begins with 1, which no card does.
_ISSUERS = re.compile(
    r"""
    4 (?: \d{12} | \d{15} | \d{18} )                                                   # Visa
    | (?: 5[1-5]\d\d | 222[1-9] | 22[3-9]\d | 2[3-6]\d\d | 27[01]\d | 2720 ) \d{12}    # Mastercard
    | 3[47] \d{13}                                                                     # American Express
    | 3 (?: 0[0-59] | [689]\d ) \d{11,16}                                              # Diners Club
    | (?: 6011 | 64[4-9]\d | 65\d\d ) \d{12,15}                                        # Discover
    | 35 (?: 2[89] | [3-8]\d ) \d{12,15}                                               # JCB
    | 62 \d{14,17} | 81 \d{14,17}                                                      # UnionPay
    | (?: 50[0-9]{2} | 5[6-8]\d\d | 6304 | 6390 | 67\d\d ) \d{9,15}                    # Maestro
    | 220[0-4] \d{12,15}                                                               # Mir
    """,
    re.VERBOSE,
)


def find_email(text: str, at: int, width: int = 1) -> Span | None:
    """The e-mail address around the @ at ``at`` (``width`` 3: as ``%40``).

    Not the user and host of a URL, of a git remote (``git@github.com:a/b``), of a path for scp, or with a port; not
    the version of a package (``react@18.2.0-rc.beta``), and no host without a domain.
    """
    domain = _DOMAIN.match(text, at + width, at + width + 254)
    if domain is None or domain[0].rpartition(".")[2].lower() in _NO_MAIL or _VERSION.match(domain[0]):
        return None
    before = text[max(0, at - _LONGEST_LOCAL) : at]
    reversed_local = _LOCAL_REVERSED.match(before[::-1])
    start = at - (reversed_local.end() if reversed_local else 0)
    if start and text[start - 1] == "\\":
        start += _escape_length(text, start)
    while start < at and text[start] in ".-":
        start += 1
    if start == at or text[start - 3 : start] == "://" or text[start:at].lower() in _REMOTE_USERS:
        return None
    if text.startswith(":", domain.end()) and _REMOTE.match(text, domain.end(), domain.end() + 200):
        return None
    return start, domain.end(), EMAIL


def _escape_length(text: str, start: int) -> int:
    r"""Characters from ``start`` that belong to an escape of JSON: the n of ``\nbob@example.com``."""
    slashes = 0
    while slashes < 8 and start - slashes > 0 and text[start - slashes - 1] == "\\":
        slashes += 1
    escaped = _ESCAPED.match(text, start) if slashes % 2 else None
    return len(escaped[0]) if escaped else 0


def find_cards(text: str, latin: bytes, covered: Sequence[Span] = ()) -> Iterator[Span]:
    """Every payment card number of 13 to 19 digits, also in groups with spaces or dashes, by place.

    Its check digit (Luhn) and its issuer's prefix and length are right, and it is not part of a longer number or name;
    short groups behind it (expiry date, CVC) are let be. ``latin`` is the text with one byte for each character. What
    lies within ``covered`` (spans by place) is not looked at, as it is replaced anyway.
    """
    coded = latin.translate(_TO_DIGITS)
    if not any(shape in coded for shape in _CARD_SHAPES):
        return
    done = 0
    spans = iter(covered)
    start, end = next(spans, _NO_SPAN)[:2]
    for match in _CARD_SHAPE.finditer(coded):
        place = match.start()
        while end <= place:
            start, end = next(spans, _NO_SPAN)[:2]
        if start <= place and not _GOES_ON.match(text, end):
            done = max(done, end)
            continue
        # Times since the epoch begin with 1: what no card begins with is left at once.
        begins = place == 0 or coded[place - 1] not in b"0 "
        if place >= done and not (begins and text[place] in "0179"):
            found, done = _card_at(text, place)
            if found is not None:
                yield found


def _card_at(text: str, place: int) -> tuple[Span | None, int]:
    """The card in the run of digits around ``place``, and where that run ends."""
    start = place
    if place and (text[place - 1].isdigit() or text[place - 1] in " \xa0-"):
        before = _DIGITS_REVERSED.match(text[max(0, place - _LONGEST_RUN) : place][::-1])
        start = place - (before.end() if before else 0)
    while text[start] in " \xa0-":
        start += 1
    run = _DIGITS.match(text, start)
    if run is None:
        return None, place + 1
    end = run.end()
    ahead, behind = text[max(0, start - 1) : start], text[end : end + 2]
    escaped = ahead in ("n", "r", "t") and text[max(0, start - 2) : start - 1] == "\\"
    if ahead.isalnum() and not escaped and (first := _FIRST_GROUP.match(text, start, end)) is not None:
        # The first digits end a word ("v2 4111 …").
        start = first.end()
        run = _DIGITS.match(text, start)
        ahead = ""
        if run is None:
            return None, end
    if ahead and (ahead.isalnum() or ahead in "_.+-") and not escaped:
        return None, end
    if behind and (behind[0].isalnum() or behind[0] == "_" or _NUMBER_GOES_ON.fullmatch(behind)):
        return None, end
    if _is_card(run[0]):
        return (start, end, CARD), end
    grouped = _GROUPED.match(text, start, end)
    if grouped is not None and _is_card(grouped[0]):
        rest = re.split(r"[ \xa0-]", text[grouped.end() : end])
        if all(len(group) <= 3 for group in rest):
            return (start, grouped.end(), CARD), end
    return None, end


def _is_card(shown: str) -> bool:
    digits = shown.replace(" ", "").replace("\xa0", "").replace("-", "")
    if not 13 <= len(digits) <= 19 or not digits.isascii() or not _ISSUERS.fullmatch(digits):
        return False
    # Luhn: every second digit from the right is doubled, and counts as the sum of its own digits.
    reversed_ = digits[::-1].encode()
    return (sum(reversed_[::2].translate(_ONCE)) + sum(reversed_[1::2].translate(_DOUBLED))) % 10 == 0
