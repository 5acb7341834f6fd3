"""Credentials in agents' texts: keys and tokens by their shapes, values beside their names, passwords in URLs.

A place in, a span or None out. Shapes are those that the vendors document and that gitleaks' rules
(https://github.com/gitleaks/gitleaks, MIT) give; each quantifier is possessive or bounded, so that hostile texts cost
no more than long ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from tasks.redaction.named_values import (
    DIGIT,
    Find,
    Need,
    find_beside,
    is_key,
    is_mixed,
    is_pass,
    is_password,
    is_pwd,
    is_signature,
    is_token,
    says_nothing,
)
from tasks.redaction.personal import Span, find_email

API_KEY = "api key"
TOKEN = "access token"  # noqa: S105 - labels
PRIVATE_KEY = "private key"
PASSWORD = "password"  # noqa: S105
SECRET = "secret"  # noqa: S105


class Rule(NamedTuple):
    """``find`` is called with a text and a place where one of ``anchors`` (see ``Anchors``) is."""

    anchors: tuple[str, ...]
    find: Find
    fold: bool = False
    need: Need = Need.NOTHING


_THREE_DIGITS = re.compile(r"(?:\D*+\d){3}")


def _shape(label: str, literal: str, rest: str, check: Callable[[str], bool] | None = None) -> Find:
    """A key that begins with ``literal`` where a word begins; the n of a JSON text's ``\\n`` is no part of a word."""
    width = re.compile(literal)
    pattern = re.compile(literal + rest)

    def find(text: str, place: int) -> Span | None:
        if not _begins(text, place) or not width.match(text, place):
            return None
        match = pattern.match(text, place)
        if match is None or (check is not None and not check(match[0])):
            return None
        end = match.end()
        # Quoted-printable mail breaks its lines wherever they are full.
        while (broken := _SOFT_BREAK.match(text, end)) is not None:
            end = broken.end()
        return match.start(), end, label

    return find


_SOFT_BREAK = re.compile(r"=(?:\r?\n|(?:\\r)?\\n)[\w+/-]{1,76}+")
_CODED = re.compile("u?[0-9a-fA-F]{2,4}")


def _begins(text: str, place: int) -> bool:
    if place == 0:
        return True
    before = text[place - 1]
    if not (before.isalnum() or before in "_-"):
        return True
    # JSON writes a new line as \n, and Go's < > & as \u003c and so on; URLs write = as %3D.
    return (
        (text[max(0, place - 2)] == "\\" and before in "nrtbf")
        or (text[max(0, place - 6)] == "\\" and _CODED.fullmatch(text, place - 5, place) is not None)
        or (text[max(0, place - 3)] == "%" and _CODED.fullmatch(text, place - 2, place) is not None)
    )


def _is_random(key: str) -> bool:
    """Rather a key than a name in words (``sk-toggleable__control``)."""
    return len(key) >= 60 or _THREE_DIGITS.match(key) is not None


_PEM_REST = (
    r"[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    # To its end, else (a text that was cut) as far as lines of base64 go.
    r"(?:[^-\x00]{0,20000}+(?:-(?!----)[^-\x00]{0,2000}+){0,8}-----END[A-Z0-9 ]{0,60}-----"
    r"|(?:(?:\s|\\[nr]){0,8}[A-Za-z0-9+/=]{16,}+)*+(?:(?:\s|\\[nr]){1,8}[A-Za-z0-9+/=]{1,15}(?=\W|\Z))?)"
)


def _find_pem(text: str, place: int) -> Span | None:
    match = _PEM.match(text, place - 2) if place >= 2 else None
    return (match.start(), match.end(), PRIVATE_KEY) if match else None


_PEM = re.compile("-----BEGIN " + _PEM_REST)

_USERINFO = re.compile(r"[^\s\"'`<>\\\x00]*+")
_AUTHORITY_END = re.compile(r"[/?#]")
_PORT_AND_PATH = re.compile(r"\d{1,5}[/?#]")
_LONGEST_URL = 400


def find_at(text: str, at: int) -> Span | None:
    """What an @ gives away: the password of a URL, or an e-mail address."""
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
            if (
                not colon
                or not password
                or says_nothing(text, at - len(password), at)
                or text.startswith("@sha256:", at)
            ):
                return None
            return at - len(password), at, PASSWORD
    return find_email(text, at)


def _find_coded_at(text: str, at: int) -> Span | None:
    return find_email(text, at, 3) if text[at : at + 3] == "%40" else None


_AUTHORIZATION = re.compile(
    r"(?i:authori[sz]ation)(?:\\{0,3}[\"'])?[ \t]{0,3}[:=][ \t]{0,3}(?:\\{0,3}[\"'])?"
    r"(?P<scheme>(?i:bearer|basic|token|digest|apikey|key|negotiate|aws4-hmac-sha256) +)?(?P<value>[\w.~+/=:-]{8,}+)"
)
_BEARER = re.compile(r"(?i:bearer) +(?P<value>[\w.~+/=-]{8,}+)")


_BOT = re.compile(r"(?<!\d)\d{8,10}:AA[\w-]{33,}+")
_BOT_ID = re.compile(r"\d{8,10}\Z")


def _find_bot(text: str, place: int) -> Span | None:
    """A Telegram bot's token, from the colon within it."""
    digits = _BOT_ID.search(text, max(0, place - 10), place)
    match = _BOT.match(text, digits.start()) if digits else None
    return (match.start(), match.end(), TOKEN) if match else None


def _find_authorization(text: str, place: int) -> Span | None:
    match = _AUTHORIZATION.match(text, place - 4) if place >= 4 else None
    if match is None or not _opaque(match["value"]):
        return None
    basic = (match["scheme"] or "").strip().lower() == "basic"
    return *match.span("value"), PASSWORD if basic else TOKEN


def _find_bearer(text: str, place: int) -> Span | None:
    match = _BEARER.match(text, place)
    return (*match.span("value"), TOKEN) if match and _opaque(match["value"]) else None


def _opaque(value: str) -> bool:
    return len(value) >= 24 or DIGIT.search(value) is not None


_PASSWORD_IS = re.compile(
    r"(?i:passw(?:or[dt]|d) (?:is|was|ist)(?: now)?:? )(?P<quote>[\"'`]?)(?P<value>[^\s\"'`\x00]{6,200})"
)


def _find_password_in_prose(text: str, place: int) -> Span | None:
    match = _PASSWORD_IS.match(text, place - 1) if place else None
    if match is None:
        return None
    value = match["value"].rstrip(".,;:!?)")
    return (match.start("value"), match.start("value") + len(value), PASSWORD) if is_mixed(value) else None


def _below(label: str, name: str, offset: int) -> Find:
    """A value on the line after its name: alone there, so that it is no key of what is nested under the name."""
    pattern = re.compile(
        f"(?i:{name})"
        r"[\"'`]?[ \t]{0,3}[:=][ \t]{0,3}(?:\r?\n|(?:\\r)?\\n)[ \t]{1,20}(?P<quote>[\"'`]?)"
        r"(?P<value>[^\s\"'`\\\x00]{6,500})"
        r"(?P=quote)[,;]?[ \t]{0,20}(?=[\r\n\x00\\]|\Z)"
    )

    def find(text: str, place: int) -> Span | None:
        match = pattern.match(text, place - offset) if place >= offset else None
        if match is None or match["value"].endswith(":") or not is_mixed(match["value"]):
            return None
        return *match.span("value"), label

    return find


_CURL_USER = re.compile(
    r"(?:-u[ =]?|--user[ =])(?P<quote>[\"'`]?)[^\s:\"'`\x00]{1,100}:"
    r"(?P<value>[^\s\"'`\x00]{1,200})"
)


def _find_curl_user(text: str, place: int) -> Span | None:
    """The password of ``curl -u bob:secret``; ``docker run -u 1000:1000`` is a user and a group."""
    match = _CURL_USER.match(text, place + 1)
    if match is None or "curl" not in text[max(0, place - 300) : place] or says_nothing(text, *match.span("value")):
        return None
    return *match.span("value"), PASSWORD


_COOKIE = re.compile(
    r"(?i:cookies?)\\{0,3}[\"']?[ \t]{0,3}[:=][ \t]{0,3}\\{0,3}[\"']?"
    r"(?P<value>[\w.-]{1,60}=[^\s\"'\\;\x00]{8,4000}+(?:; ?[\w.-]{1,60}=[^\s\"'\\;\x00]{1,4000}+){0,50})"
)


def _find_cookie(text: str, place: int) -> Span | None:
    match = _COOKIE.match(text, place - 2) if place >= 2 else None
    return (*match.span("value"), TOKEN) if match and _opaque(match["value"]) else None


_ENDS = " =:\"'\\`%>\t"
_gitlab = _shape(TOKEN, "gl(?:pat|dt|rt|cbt|ptt|ft|soat|imt|agent|oas)-", r"[\w-]{20,}+(?:\.[\w-]+)*")

RULES: tuple[tuple[Rule, ...], ...] = (
    (Rule(("@",), find_at),),
    (
        Rule(("%40",), _find_coded_at),
        Rule(("eyJ",), _shape(TOKEN, "eyJ", r"[\w-]{8,}+\.[\w-]{8,}+(?:\.[\w-]*+){0,3}")),
        Rule(("sk-",), _shape(API_KEY, "sk-", r"[\w-]{20,}+", _is_random)),
        Rule(("SG.",), _shape(API_KEY, r"SG\.", r"[\w-]{16,64}\.[\w-]{16,}+")),
        Rule(("hf_",), _shape(TOKEN, "hf_", r"[A-Za-z0-9]{30,}+")),
        Rule(("hvs.", "hvb."), _shape(TOKEN, r"hv[sb]\.", r"[\w-]{24,}+")),
    ),
    (
        Rule(("---B",), _find_pem),
        Rule(("gith",), _shape(TOKEN, "github_pat_", r"\w{22,}+")),
        Rule(("AKIA", "ASIA"), _shape(API_KEY, "A[KS]IA", r"[A-Z0-9]{16}(?![A-Za-z0-9])")),
        Rule(("AIza",), _shape(API_KEY, "AIza", r"[\w-]{35,}+")),
        Rule(("GOCS",), _shape(SECRET, "GOCSPX-", r"[\w-]{20,}+")),
        Rule(("ya29",), _shape(TOKEN, r"ya29\.", r"[\w.-]{20,}+")),
        Rule(("ATAT",), _shape(TOKEN, "ATATT3", r"[\w-]{20,}+(?:=[A-F0-9]{8})?")),
        Rule(("NRAK",), _shape(API_KEY, "NRAK-", r"[A-Z0-9]{20,}+")),
        Rule(("AGE-",), _shape(PRIVATE_KEY, "AGE-SECRET-KEY-1", r"[A-Z0-9]{50,}+")),
        Rule((":AA[EFGH]",), _find_bot),
    ),
    (
        Rule(("gh[pousr]_",), _shape(TOKEN, "gh[pousr]_", r"\w{30,}+")),
        Rule(("gsk_",), _shape(API_KEY, "gsk_", r"[A-Za-z0-9]{32,}+")),
        Rule(("npm_",), _shape(TOKEN, "npm_", r"[A-Za-z0-9]{36,}+")),
        Rule(("pypi",), _shape(TOKEN, "pypi-", r"AgE[\w-]{50,}+")),
        Rule(("dop_", "doo_", "dor_"), _shape(TOKEN, "do[por]_v1_", r"[a-f0-9]{60,}+")),
        Rule(("dckr",), _shape(TOKEN, "dckr_pat_", r"[\w-]{20,}+")),
        Rule(("dapi",), _shape(TOKEN, "dapi", r"[a-f0-9]{32}+(?:-\d)?(?!\w)")),
        Rule(("sig=",), find_beside(TOKEN, "sig", 0, is_signature)),
        Rule((f"pwd[{_ENDS}]", f"Pwd[{_ENDS}]", f"PWD[{_ENDS}]"), find_beside(PASSWORD, r"pwd", 0, is_pwd)),
    ),
    (
        Rule(("glpa", "gldt", "glrt", "glcb", "glpt", "glft", "glso"), _gitlab),
        Rule(("sk_[lt]", "rk_[lt]"), _shape(API_KEY, "[sr]k_", r"(?:live|test)_[A-Za-z0-9]{10,}+")),
        Rule(("shp[acps]",), _shape(TOKEN, "shp(?:at|ca|pa|ss)_", r"[a-fA-F0-9]{32,}+")),
        Rule(("lin_",), _shape(API_KEY, "lin_api_", r"[A-Za-z0-9]{32,}+")),
        Rule(("ntn_",), _shape(TOKEN, "ntn_", r"[A-Za-z0-9]{40,}+")),
    ),
    (
        Rule(("glim", "glag", "gloa"), _gitlab),
        Rule(("xox[abeoprs]",), _shape(TOKEN, "xox[abeoprs]", r"(?:\.xox[bp])?-[\w-]{10,}+")),
        Rule(("xapp",), _shape(TOKEN, "xapp-", r"\d-[\w-]{10,}+")),
        Rule(("xai-",), _shape(API_KEY, "xai-", r"[A-Za-z0-9]{40,}+")),
        Rule(("pplx",), _shape(API_KEY, "pplx-", r"[A-Za-z0-9]{32,}+")),
        Rule(("whse",), _shape(SECRET, "whsec_", r"[A-Za-z0-9+/=]{20,}+")),
        Rule(("hook",), _shape(TOKEN, r"hooks\.slack\.com", r"/(?:services|workflows)/[\w/+-]{20,}+")),
        Rule(("webh",), _shape(TOKEN, "webhooks", r"/\d{15,20}/[\w-]{50,}+")),
    ),
    (
        Rule(("assw",), find_beside(PASSWORD, r"passw(?:or[dt]|d)\d?", 1, is_password), fold=True),
        Rule(("assw",), _find_password_in_prose, fold=True),
        Rule(("assw",), _below(PASSWORD, r"passw(?:or[dt]|d)", 1), fold=True),
        Rule(("assp",), find_beside(PASSWORD, r"passphrase", 1, is_password), fold=True),
        Rule(
            ("ass=", "ass:", "ass[\"']"),
            find_beside(PASSWORD, r"pass", 1, is_pass, Need.DIGIT),
            fold=True,
            need=Need.DIGIT,
        ),
        Rule(
            ("secr",),
            find_beside(
                SECRET, r"secret(?:[-_ ]?(?:access[-_ ]?)?key)?(?:[-_]?base)?", 0, is_key, Need.DIGIT_OR_NO_DOT
            ),
            fold=True,
            need=Need.DIGIT_OR_NO_DOT,
        ),
        Rule(("oriz", "oris"), _find_authorization, fold=True),
        Rule(("bear",), _find_bearer, fold=True),
        Rule(("okie",), _find_cookie, fold=True),
        Rule((" -u[ \"']", " --u"), _find_curl_user, fold=True),
    ),
    (
        Rule((f"ken[{_ENDS}]",), find_beside(TOKEN, r"token", 2, is_token, Need.DIGIT), fold=True, need=Need.DIGIT),
        Rule(
            ("pi[_ -]k", "pike"),
            find_beside(API_KEY, r"api[-_ ]?key\d?", 1, is_key, Need.DIGIT_OR_NO_DOT),
            fold=True,
            need=Need.DIGIT_OR_NO_DOT,
        ),
        Rule(("pi[_ -]k", "pike"), _below(API_KEY, r"api[-_ ]?key\d?", 1), fold=True),
        Rule(
            ("nt[_ -]k", "ntke"),
            find_beside(API_KEY, r"account[-_ ]?key\d?", 5, is_key, Need.DIGIT_OR_NO_DOT),
            fold=True,
            need=Need.DIGIT_OR_NO_DOT,
        ),
        Rule(
            ("ss[_ -]k", "sske"),
            find_beside(API_KEY, r"access[-_ ]?key(?:[-_ ]?id)?\d?", 4, is_key, Need.DIGIT_OR_NO_DOT),
            fold=True,
            need=Need.DIGIT_OR_NO_DOT,
        ),
        Rule(
            ("te[_ -]k", "teke"),
            find_beside(PRIVATE_KEY, r"private[-_ ]?key", 5, is_key, Need.DIGIT_OR_NO_DOT),
            fold=True,
            need=Need.DIGIT_OR_NO_DOT,
        ),
    ),
)
"""The rules, in the groups in which their anchors are looked for: grouped so that few other words look like them."""
