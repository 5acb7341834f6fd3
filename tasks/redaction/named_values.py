"""Values beside their names: ``password=…``, ``"api_key": "…"``, ``--token …``, ``<secret>…``.

A value ends where its quote does, or else at a space or a sign that no bare value holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import IntEnum

from tasks.redaction.personal import Span

DIGIT = re.compile(r"\d")
_LETTER = re.compile(r"[^\W\d_]")
_SPACE = re.compile(r"\s")
PLACEHOLDER = re.compile(r"\[[A-Za-z][\w -]{0,39}\]")
"""What stands in the place of something that was replaced: a label, whose form this is, in brackets."""

BARREN = ""
"""The label of no secret: rules of the same need find nothing that begins before the end of this span."""

Find = Callable[[str, int], Span | None]


class Need(IntEnum):
    """What a bare value must have for its rule, so that a long one without it is read only once."""

    NOTHING = 0
    DIGIT = 1
    DIGIT_OR_NO_DOT = 2


_SEPARATOR = (
    r"(?:(?P<close>\\{0,3}[\"'`])\]?)?[ \t]{0,3}"
    r"(?:(?P<sep>=>|:=|=3[Dd]|[:=]{1,2}|>|%3[DAda])[ \t]{0,3}|(?P<space> {1,3}))"
)
# What its beginning tells: a placeholder, an expression in some language.
_EXPRESSION = PLACEHOLDER.pattern + r"|\$\(|\{|<|\$\{\{|[A-Za-z_.]++[(\[]|[A-Za-z_]\w*+(?:\.\w++)++\("
_NO_VALUE = re.compile(
    _EXPRESSION
    # What it is in full: a variable, a mask.
    + r"|(?:\$\{?\w++\}?|%\(?\w*\)?s|@\w++@|[*xX•.…#_-]++"
    r"|(?:self|os|settings|config|cfg|env|args|process|request|req|options|opts|ctx|this|vault|secrets)\.[A-Za-z_.]++)\Z"
)
_BARE = r"[^\s\"'`,;&<>\\\x00|]"
_VALUE = (
    r"(?:(?P<quote>\\{0,3}[\"'`])"
    r"(?P<quoted>(?:[^\"'`\\\n\x00]++|(?!(?P=quote))(?:\\[^\n\x00]|[^\n\x00]))++)"
    rf"|(?P<expression>{_EXPRESSION})|(?P<bare>{_BARE}{{1,500}}+))"
)
_LONGEST_VALUE = 10_000
_LONGEST_BARE = 500
_BARE_RUN = re.compile(_BARE + "*+")
_LONGEST_RUN = 4_000
# Of a separator, and what is left of the name.
_BEFORE_VALUE = 32
_NOTHING = frozenset(
    [
        "none",
        "null",
        "nil",
        "undefined",
        "true",
        "false",
        "yes",
        "no",
        "str",
        "string",
        "text",
        "int",
        "bytes",
        "any",
        "optional",
        "required",
        "must",
        "is",
        "was",
        "are",
        "be",
        "has",
        "not",
        "incorrect",
        "invalid",
        "wrong",
        "missing",
        "empty",
        "expired",
        "changed",
        "failed",
        "blank",
        "set",
        "unset",
        "given",
        "hidden",
        "redacted",
        "masked",
        "removed",
        "secret",
        "token",
        "password",
        "passwd",
        "pwd",
        "username",
        "user",
        "key",
        "value",
        "prompt",
        "authentication",
        "reset",
        "login",
        "example",
        "field",
        "for",
        "from",
        "in",
        "to",
        "the",
        "a",
        "an",
        "of",
        "and",
        "or",
        "with",
        "you",
        "your",
        "this",
        "that",
        "it",
    ]
)
_LONGEST_NOTHING = 20
_CAPITAL_NAME = re.compile(r"[A-Z][A-Z_]*")


def says_nothing(text: str, start: int, end: int) -> bool:
    """Whether what stands there is no secret itself: a placeholder, a mask, a variable, a word about a secret."""
    return (end - start <= _LONGEST_NOTHING and text[start:end].strip(".:!?").lower() in _NOTHING) or _NO_VALUE.match(
        text, start, end
    ) is not None


_FLAG_BEFORE = re.compile(r"(?:^|\s|[\"'\[\\])--?[\w-]{0,30}\Z")
_ELEMENT_BEFORE = re.compile(r"<[\w.:-]{0,30}\Z")


def find_beside(
    label: str,
    name: str,
    offset: int,
    check: Callable[[str, re.Match[str]], bool],
    need: Need = Need.NOTHING,
) -> Find:
    """A value beside a name that ends as ``name`` says; its anchor is ``offset`` characters into the name."""
    pattern = re.compile(f"(?i:{name}){_SEPARATOR}{_VALUE}")

    def find(text: str, place: int) -> Span | None:
        start = place - offset
        match = pattern.match(text, start, start + _LONGEST_VALUE) if start >= 0 else None
        if match is None or match["expression"]:
            return None
        # Each expression is tried where what it needs is there at all.
        if match["space"]:
            before = text[max(0, start - 40) : start]
            if "-" not in before or not _FLAG_BEFORE.search(before):
                return None
        elif match["sep"] == ">":
            before = text[max(0, start - 40) : start]
            if "<" not in before or not _ELEMENT_BEFORE.search(before):
                return None
        start, end = match.span("quoted" if match["quote"] else "bare")
        if text[end - 1] in ")]}" and not match["quote"]:
            value = text[start:end]
            if not ("(" in value or "[" in value or "{" in value):
                end = start + len(value.rstrip(")]}"))
        first = text[start]
        if start == end or says_nothing(text, start, end):
            return None
        if first == "-" and text.startswith("-----BEGIN", start):
            return None
        if not check(text, match):
            return _barren(text, start, match.end(), need) if need and end - start > _BEFORE_VALUE else None
        return start, end, label

    return find


def _barren(text: str, start: int, end: int, need: Need) -> Span | None:
    """How far no value can be one of this need, when the bare one from ``start`` to ``end`` is none."""
    stop = end
    if end - start >= _LONGEST_BARE:
        run = _BARE_RUN.match(text, start, start + _LONGEST_RUN)
        stop = run.end() if run else end
    digit = DIGIT.search(text, start, stop)
    if digit is not None:
        stop = digit.start()
    # The value of a name near the end may go on behind it, if the run does.
    goes_on = digit is not None or stop == start + _LONGEST_RUN
    until = stop - _BEFORE_VALUE - (_LONGEST_BARE if goes_on else 0)
    if need is Need.DIGIT_OR_NO_DOT:
        until = text.rfind(".", start, min(until, start + _LONGEST_BARE)) - _BEFORE_VALUE
    return (start, until, BARREN) if until > start else None


def is_password(text: str, match: re.Match[str]) -> bool:
    bare = match["bare"]
    if match["quote"] and not match["close"] and match["quoted"][0] in ",;)":
        # The quote closes a text that ends in "Password: ".
        return False
    if bare is None or match["sep"] not in (":",) or match["close"]:
        return True
    # "password: click here to reset it" is prose, "password: swordfish" at the end of a line is not.
    return not bare.isalpha() or not text[match.end() : match.end() + 1].strip("\n\r\x00,;\"'`\\")


_FOLDER = re.compile(r"[/~.]|[A-Za-z]:")


def is_pwd(text: str, match: re.Match[str]) -> bool:
    # The shell calls the directory it is in so.
    return not _FOLDER.match(match["quoted"] or match["bare"]) and is_password(text, match)


def is_key(text: str, match: re.Match[str]) -> bool:
    value = match["quoted"] or match["bare"]
    if value[0].isupper() and _CAPITAL_NAME.fullmatch(value):
        return False
    if match["quote"]:
        return len(value) >= 4 and not _SPACE.search(value)
    return len(value) >= 6 and ((len(value) >= 20 and "." not in value) or DIGIT.search(value) is not None)


# Read backwards, from the name on.
_OTHER_TOKENS = re.compile(
    "[-_ ]?(?:"
    + "|".join(
        word[::-1]
        for word in [
            "page",
            "next",
            "prev",
            "previous",
            "continuation",
            "sync",
            "cursor",
            "cancellation",
            "cancel",
            "eos",
            "bos",
            "pad",
            "unk",
            "mask",
            "stop",
            "max",
            "min",
            "num",
            "start",
            "end",
            "first",
            "last",
            "per",
            "resume",
            "pagination",
            "marker",
            "idempotency",
            "sep",
            "cls",
            "special",
            "input",
            "output",
            "total",
            "prompt",
            "completion",
        ]
    )
    + ")",
    re.IGNORECASE,
)


def is_token(text: str, match: re.Match[str]) -> bool:
    value = match["quoted"] or match["bare"]
    if len(value) < 8 or not DIGIT.search(value) or (match["quote"] and _SPACE.search(value)):
        return False
    begin = match.start()
    return not _OTHER_TOKENS.match(text[max(0, begin - 16) : begin][::-1])


def is_mixed(value: str) -> bool:
    """Rather a password than a word: letters and digits."""
    return len(value) >= 6 and DIGIT.search(value) is not None and _LETTER.search(value) is not None


def is_pass(text: str, match: re.Match[str]) -> bool:
    # "pass" is a word of tests as well: "pass: 12, fail: 1", and compass, bypass are words of their own.
    return not text[max(0, match.start() - 1) : match.start()].isalpha() and is_mixed(match["quoted"] or match["bare"])


def is_signature(text: str, match: re.Match[str]) -> bool:
    return text[max(0, match.start() - 1) : match.start()] in ("?", "&", ";") and len(match["bare"] or "") >= 20
