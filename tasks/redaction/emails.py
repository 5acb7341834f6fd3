"""E-mail addresses, also where they are spelled out, and the passwords of URLs, which stand before an @ as well."""

from __future__ import annotations

import re

from tasks.redaction.kinds import EMAIL, PASSWORD, TOKEN, Rule, Span, words
from tasks.redaction.plain_values import is_placeholder, is_random

_LONGEST_LOCAL = 64
_LOCAL_REVERSED = re.compile(r"[\w.+-]*")
_DOMAIN = re.compile(r"(?:[^\W_][\w-]{0,62}+\.){1,8}(?:[^\W\d_]{2,24}|xn--[a-z0-9-]{2,59})(?![\w-])")
# Names of files (icon@2x.png, render@app.js:10:5) and of machines that no mail goes to.
_NO_MAIL = words(
    """
    js jsx mjs cjs ts tsx json png jpg jpeg gif svg webp avif css scss html htm xml yaml yml txt log csv toml lock
    py go rb vue whl gz zip tar jar internal local localdomain localhost lan cluster svc
    """
)
# Accounts of programs, and machines of a cloud that people log in to.
_NO_MAILBOX = re.compile(
    r"(?i:[\w.-]{0,200}(?:\.gserviceaccount\.com|\.amazonaws\.com|\.cloudapp\.azure\.com|\.googleusercontent\.com))\Z"
)
_VERSION = re.compile(r"v?\d+\.\d+")
_REMOTE_USERS = frozenset({"git", "hg", "svn"})
_REMOTE = re.compile(r":(?:\d+\b|[^\s:@\"']*/)")
_COPIED = re.compile(r"\b(?:scp|rsync|sftp|sshfs|ssh-copy-id)\b[^\n\x00]{0,200}\Z")
_ESCAPED = re.compile(r"u[0-9a-fA-F]{4}|[nrtbf]")

_USERINFO = re.compile(r"[^\s\"'`<>\\\x00]*+")
_AUTHORITY_END = re.compile(r"[/?#]")
_PORT_AND_PATH = re.compile(r"\d{1,5}[/?#]")
_LONGEST_URL = 400
# What GitHub takes beside a token in the place of the user.
_NO_PASSWORD = "x-oauth-basic"  # noqa: S105


def find_at(text: str, at: int) -> Span | None:
    """What an @ gives away: the password or token of a URL, or an e-mail address."""
    begin = text.rfind("://", max(0, at - _LONGEST_URL), at)
    if begin >= 0 and (match := _USERINFO.match(text, begin + 3, at)) is not None and match.end() == at:
        userinfo = match[0]
        user, colon, password = userinfo.partition(":")
        ending = _AUTHORITY_END.search(userinfo)
        if ending is None or (
            # A slash in a password that is not percent-encoded, and not a port or a path with an @ in it.
            colon
            and ending.start() > len(user)
            and "@" not in userinfo[: ending.start()]
            and not _PORT_AND_PATH.match(password)
        ):
            if not password and is_random(user):
                return begin + 3, at - len(colon), TOKEN
            if not password or is_placeholder(text, at - len(password), at) or text.startswith("@sha256:", at):
                return None
            if password == _NO_PASSWORD and len(user) >= 16:
                return begin + 3, begin + 3 + len(user), TOKEN
            return at - len(password), at, PASSWORD
    return find_email(text, at) or _find_spelled_domain(text, at)


def find_email(text: str, at: int, width: int = 1) -> Span | None:
    """The e-mail address around the @ at ``at`` (``width``: of its code, such as ``%40``).

    Not the user and host of a URL, of a git remote (``git@github.com:a/b``), of a path for scp, or with a port; not
    the version of a package (``react@18.2.0-rc.beta``), no account of a program, and no host without a domain.
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
    if _NO_MAILBOX.match(domain[0]):
        return None
    if text.startswith(":", domain.end()):
        if _REMOTE.match(text, domain.end(), domain.end() + 200):
            return None
        goes_on = text[domain.end() + 1 : domain.end() + 2]
        if goes_on.isalnum() and _COPIED.search(text, max(0, start - 200), start):
            return None
    return start, domain.end(), EMAIL


def _escape_length(text: str, start: int) -> int:
    r"""Characters from ``start`` that belong to an escape of JSON: the n of ``\nbob@example.com``."""
    slashes = 0
    while slashes < 8 and start - slashes > 0 and text[start - slashes - 1] == "\\":
        slashes += 1
    escaped = _ESCAPED.match(text, start) if slashes % 2 else None
    return len(escaped[0]) if escaped else 0


_CODED_AT = re.compile(r"%40|&#64;|&#x40;|&commat;|\\u0040|\\x40")


def _find_coded_at(text: str, place: int) -> Span | None:
    match = _CODED_AT.match(text, place)
    return find_email(text, place, len(match[0])) if match else None


# "jane dot doe at corp dot com", "jane [at] corp [dot] com", "jane(at)corp.com".
_OPEN = r"[ ]{0,2}[\[({<][ ]?"
_CLOSE = r"[ ]?[\])}>][ ]{0,2}"
_AT_WORD = rf"(?:(?P<bracket>{_OPEN}(?i:at|@|arroba){_CLOSE}|\(a\)|[_-](?i:at)[_-])| {{1,2}}(?i:at|arroba) {{1,2}})"
_DOT_WORD = rf"(?:{_OPEN}(?i:dot|\.|punkt|punto){_CLOSE}| {{1,2}}(?i:dot|punkt|punto) {{1,2}}|[_-](?i:dot)[_-])"
# The same read backwards, from the @ on.
_LOCAL_WORDS = re.compile(
    r"(?P<gap>[ ]{0,2})[\w+-]{1,41}+"
    r"(?:(?:(?P<dot>[ ]{0,2}[\])}>][ ]?(?i:tod|\.)[ ]?[\[({<][ ]{0,2}| {1,2}(?i:tod) {1,2})|\.)[\w+-]{1,41}+){0,3}"
)
_TOP = (
    r"(?i:com|org|net|edu|gov|info|biz|mil|int|example|test|invalid|cloud|tech|online|xyz|dev|app|io|co|ai|me|tv|cc|gg|so"
    r"|us|uk|de|fr|es|it|nl|be|ch|at|se|no|dk|fi|pl|pt|ie|eu|ca|au|nz|in|jp|cn|br|mx|ru|kr|za|id|sg|hk|ar|cl|cz|gr|hu|il"
    r"|ro|ua|tr)(?![\w-])"
)
_LABEL = "[A-Za-z0-9]{1,40}+(?:-(?!(?i:dot)-)[A-Za-z0-9]{1,40}+){0,4}"
_SPELLED = re.compile(
    rf"{_AT_WORD}(?P<domain>{_LABEL}(?:(?P<dot>{_DOT_WORD})|\.)(?:{_LABEL}(?:{_DOT_WORD}|\.)){{0,2}}?{_TOP})(?:(?:{_DOT_WORD}|\.){_TOP})?"
)
_SPELLED_DOMAIN = re.compile(rf"@{_LABEL}{_DOT_WORD}(?:{_LABEL}(?:{_DOT_WORD}|\.)){{0,2}}?{_TOP}")
_MAIL_WORDS = ("mail", "contact", "write to", "reach", "address", "correo", "adresse", "send", "ping ", "cc ")
_NO_DOMAINS = frozenset(
    ["the", "a", "an", "this", "that", "any", "every", "each", "my", "your", "our", "his", "her", "its", "their"]
)


def _find_spelled(text: str, place: int) -> Span | None:
    """An address in words, from what stands for its @; in prose, only with more evidence than "at … dot com"."""
    match = _SPELLED.match(text, place)
    if match is None or match["domain"].split(" ")[0].lower() in _NO_DOMAINS:
        return None
    local = _LOCAL_WORDS.match(text[max(0, place - 100) : place][::-1])
    if local is None or (local["gap"] and not match["bracket"]):
        return None
    start = place - local.end()
    if not match["bracket"]:
        named = local["dot"] or re.search(r"[_\d.+]", local[0])
        shouted = match[0].strip().startswith("AT ") and not local[0].isupper()
        if not shouted and (not match["dot"] or not (named or _is_about_mail(text, start, match.end()))):
            return None
    return start, match.end(), EMAIL


def _is_about_mail(text: str, start: int, end: int) -> bool:
    before = text[max(0, start - 40) : start].lower()
    return any(word in before for word in _MAIL_WORDS) or "mail" in text[end : end + 24].lower()


def _find_spelled_domain(text: str, at: int) -> Span | None:
    """``jane@corp[.]com``, ``jane@corp dot com``."""
    match = _SPELLED_DOMAIN.match(text, at)
    local = _LOCAL_WORDS.match(text[max(0, at - 100) : at][::-1]) if match else None
    return (at - local.end(), match.end(), EMAIL) if match and local and not local["gap"] else None


def _find_from_dot(text: str, place: int) -> Span | None:
    """An address in words, from what stands for the first dot of its domain."""
    before = text[max(0, place - 50) : place].lower()
    at = max(before.rfind(" at "), before.rfind(" arroba "))
    return _find_spelled(text, place - len(before) + at) if at >= 0 else None


EMAIL_RULES = (
    Rule(("@",), find_at),
    Rule(("%40", "&#64", "&#x4", "&com", "[\\]x40"), _find_coded_at),
    Rule(("u004",), lambda text, place: _find_coded_at(text, place - 1) if place else None),
    Rule(
        ("[[({<]at[)}>]", "[[({<]at]", "[[({<]@[)}>]", "[[({<]@]", "[[({<] at", "_at_", "-at-", "(a)"),
        _find_spelled,
        fold=True,
    ),
    Rule((" AT ",), _find_spelled),
    Rule((" dot", "[[({<]dot", "[[({<] do", " pun"), _find_from_dot, fold=True),
)
