"""Credentials in agents' texts: keys and tokens by their shapes, values beside their names, passwords in URLs.

A place in, a span or None out. Shapes are those that the vendors document and that gitleaks' rules
(https://github.com/gitleaks/gitleaks, MIT) give; each quantifier is possessive or bounded, so that hostile texts cost
no more than long ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from tasks.evidence.personal import Span, find_email

API_KEY = "api key"
TOKEN = "access token"  # noqa: S105 - labels
PRIVATE_KEY = "private key"
PASSWORD = "password"  # noqa: S105
SECRET = "secret"  # noqa: S105

_DIGIT = re.compile(r"\d")
_THREE_DIGITS = re.compile(r"(?:\D*+\d){3}")
_LETTER = re.compile(r"[^\W\d_]")
_SPACE = re.compile(r"\s")
PLACEHOLDER = re.compile(r"\[[A-Za-z][\w -]{0,39}\]")
"""What stands in the place of something that was replaced: a label, whose form this is, in brackets."""

Find = Callable[[str, int], Span | None]


class Rule(NamedTuple):
    """``find`` is called with a text and a place where one of ``anchors`` (see ``Anchors``) is."""

    anchors: tuple[str, ...]
    find: Find
    fold: bool = False


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
            # A slash in a password that nobody has percent-encoded, and not a port or a path with an @ in it.
            colon
            and ending.start() > len(user)
            and "@" not in userinfo[: ending.start()]
            and not _PORT_AND_PATH.match(password)
        ):
            if not colon or not password or _says_nothing(password) or text.startswith("@sha256:", at):
                return None
            return at - len(password), at, PASSWORD
    return find_email(text, at)


def _find_coded_at(text: str, at: int) -> Span | None:
    return find_email(text, at, 3) if text[at : at + 3] == "%40" else None


# --- values beside their names

_SEPARATOR = (
    r"(?:(?P<close>\\{0,3}[\"'`])\]?)?[ \t]{0,3}"
    r"(?:(?P<sep>=>|:=|=3[Dd]|[:=]{1,2}|>|%3[DAda])[ \t]{0,3}|(?P<space> {1,3}))"
)
_VALUE = (
    r"(?:(?P<quote>\\{0,3}[\"'`])"
    r"(?P<quoted>(?:[^\"'`\\\n\x00]++|(?!(?P=quote))(?:\\[^\n\x00]|[^\n\x00]))++)"
    r"|(?P<bare>[^\s\"'`,;&<>\\\x00|]{1,500}+))"
)
_LONGEST_VALUE = 10_000
_NOTHING = frozenset(
    "none null nil undefined true false yes no str string text int bytes any optional required must is was are be has "
    "not incorrect invalid wrong missing empty expired changed failed blank set unset given hidden redacted masked "
    "removed secret token password passwd pwd username user key value prompt authentication reset login example field "
    "for from in to the a an of and or with you your this that it".split()
)
_LONGEST_NOTHING = 20
# What only its beginning tells, and what it has to be in full.
_EXPRESSION = re.compile(r"\$\(|\{|<|\$\{\{|[A-Za-z_.]++[(\[]|[A-Za-z_]\w*+(?:\.\w++)++\(")
_REFERENCE = re.compile(
    r"\$\{?\w++\}?|%\(?\w*\)?s|@\w++@"
    r"|(?:self|os|settings|config|cfg|env|args|process|request|req|options|opts|ctx|this|vault|secrets)\.[A-Za-z_.]++"
)
_MASK = re.compile(r"[*xX•.…#_-]+")
_CAPITAL_NAME = re.compile(r"[A-Z][A-Z_]*")


def _says_nothing(value: str) -> bool:
    """Whether ``value`` is no secret itself: a placeholder, a mask, a variable, a word about a secret."""
    return (
        (len(value) <= _LONGEST_NOTHING and value.strip(".:!?").lower() in _NOTHING)
        or PLACEHOLDER.match(value) is not None
        or _MASK.fullmatch(value) is not None
        or _EXPRESSION.match(value) is not None
        or _REFERENCE.fullmatch(value) is not None
    )


_FLAG_BEFORE = re.compile(r"(?:^|\s|[\"'\[\\])--?[\w-]{0,30}\Z")
_ELEMENT_BEFORE = re.compile(r"<[\w.:-]{0,30}\Z")


def _beside(label: str, name: str, offset: int, check: Callable[[str, re.Match[str]], bool]) -> Find:
    """A value beside a name that ends as ``name`` says; its anchor is ``offset`` characters into the name."""
    pattern = re.compile(f"(?i:{name}){_SEPARATOR}{_VALUE}")

    def find(text: str, place: int) -> Span | None:
        start = place - offset
        match = pattern.match(text, start, start + _LONGEST_VALUE) if start >= 0 else None
        if match is None:
            return None
        before = text[max(0, start - 40) : start]
        # Each expression is tried where what it needs is there at all.
        if match["space"] and ("-" not in before or not _FLAG_BEFORE.search(before)):
            return None
        if match["sep"] == ">" and ("<" not in before or not _ELEMENT_BEFORE.search(before)):
            return None
        group = "quoted" if match["quote"] else "bare"
        start, end = match.span(group)
        value = text[start:end]
        if group == "bare" and value[-1] in ")]}" and not ("(" in value or "[" in value or "{" in value):
            value = value.rstrip(")]}")
            end = start + len(value)
        if not value or PLACEHOLDER.match(text, start) or _says_nothing(value):
            return None
        if value.startswith("-----BEGIN") or not check(text, match):
            return None
        return start, end, label

    return find


def _password_like(text: str, match: re.Match[str]) -> bool:
    bare = match["bare"]
    if match["quote"] and not match["close"] and match["quoted"][0] in ",;)":
        # The quote closes a text that ends in "Password: ".
        return False
    if bare is None or match["sep"] not in (":",) or match["close"]:
        return True
    # "password: click here to reset it" is prose, "password: swordfish" at the end of a line is not.
    return not bare.isalpha() or not text[match.end() : match.end() + 1].strip("\n\r\x00,;\"'`\\")


_FOLDER = re.compile(r"[/~.]|[A-Za-z]:")


def _pwd_like(text: str, match: re.Match[str]) -> bool:
    # The shell calls the directory it is in so.
    return not _FOLDER.match(match["quoted"] or match["bare"]) and _password_like(text, match)


def _key_like(text: str, match: re.Match[str]) -> bool:
    value = match["quoted"] or match["bare"]
    if _SPACE.search(value) or _CAPITAL_NAME.fullmatch(value):
        return False
    if match["quoted"]:
        return len(value) >= 4
    return len(value) >= 6 and ((len(value) >= 20 and "." not in value) or _DIGIT.search(value) is not None)


_OTHER_TOKENS = tuple(
    "page next prev previous continuation sync cursor cancellation cancel eos bos pad unk mask stop max min num start "
    "end first last per resume pagination marker idempotency sep cls special input output total prompt "
    "completion".split()
)


def _token_like(text: str, match: re.Match[str]) -> bool:
    value = match["quoted"] or match["bare"]
    if len(value) < 8 or _SPACE.search(value) or not _DIGIT.search(value):
        return False
    before = text[max(0, match.start() - 16) : match.start()].lower()
    return not (before[:-1] if before[-1:] in ("-", "_", " ") else before).endswith(_OTHER_TOKENS)


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
    return len(value) >= 24 or _DIGIT.search(value) is not None


def _is_mixed(value: str) -> bool:
    """Rather a password than a word: letters and digits."""
    return len(value) >= 6 and _DIGIT.search(value) is not None and _LETTER.search(value) is not None


def _pass_like(text: str, match: re.Match[str]) -> bool:
    # "pass" is a word of tests as well: "pass: 12, fail: 1", and compass, bypass are words of their own.
    return not text[max(0, match.start() - 1) : match.start()].isalpha() and _is_mixed(match["quoted"] or match["bare"])


_PASSWORD_IS = re.compile(
    r"(?i:passw(?:or[dt]|d) (?:is|was|ist)(?: now)?:? )(?P<quote>[\"'`]?)(?P<value>[^\s\"'`\x00]{6,200})"
)


def _find_password_in_prose(text: str, place: int) -> Span | None:
    match = _PASSWORD_IS.match(text, place - 1) if place else None
    if match is None:
        return None
    value = match["value"].rstrip(".,;:!?)")
    return (match.start("value"), match.start("value") + len(value), PASSWORD) if _is_mixed(value) else None


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
        if match is None or match["value"].endswith(":") or not _is_mixed(match["value"]):
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
    if match is None or "curl" not in text[max(0, place - 300) : place] or _says_nothing(match["value"]):
        return None
    return *match.span("value"), PASSWORD


_COOKIE = re.compile(
    r"(?i:cookies?)\\{0,3}[\"']?[ \t]{0,3}[:=][ \t]{0,3}\\{0,3}[\"']?"
    r"(?P<value>[\w.-]{1,60}=[^\s\"'\\;\x00]{8,4000}+(?:; ?[\w.-]{1,60}=[^\s\"'\\;\x00]{1,4000}+){0,50})"
)


def _find_cookie(text: str, place: int) -> Span | None:
    match = _COOKIE.match(text, place - 2) if place >= 2 else None
    return (*match.span("value"), TOKEN) if match and _opaque(match["value"]) else None


def _sig_like(text: str, match: re.Match[str]) -> bool:
    return text[max(0, match.start() - 1) : match.start()] in ("?", "&", ";") and len(match["bare"] or "") >= 20


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
        Rule(("sig=",), _beside(TOKEN, "sig", 0, _sig_like)),
        Rule((f"pwd[{_ENDS}]", f"Pwd[{_ENDS}]", f"PWD[{_ENDS}]"), _beside(PASSWORD, r"pwd", 0, _pwd_like)),
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
        Rule(("assw",), _beside(PASSWORD, r"passw(?:or[dt]|d)\d?", 1, _password_like), fold=True),
        Rule(("assw",), _find_password_in_prose, fold=True),
        Rule(("assw",), _below(PASSWORD, r"passw(?:or[dt]|d)", 1), fold=True),
        Rule(("assp",), _beside(PASSWORD, r"passphrase", 1, _password_like), fold=True),
        Rule(("ass=", "ass:", "ass[\"']"), _beside(PASSWORD, r"pass", 1, _pass_like), fold=True),
        Rule(
            ("secr",),
            _beside(SECRET, r"secret(?:[-_ ]?(?:access[-_ ]?)?key)?(?:[-_]?base)?", 0, _key_like),
            fold=True,
        ),
        Rule(("oriz", "oris"), _find_authorization, fold=True),
        Rule(("bear",), _find_bearer, fold=True),
        Rule(("okie",), _find_cookie, fold=True),
        Rule((" -u[ \"']", " --u"), _find_curl_user, fold=True),
    ),
    (
        Rule((f"ken[{_ENDS}]",), _beside(TOKEN, r"token", 2, _token_like), fold=True),
        Rule(("pi[_ -]k", "pike"), _beside(API_KEY, r"api[-_ ]?key\d?", 1, _key_like), fold=True),
        Rule(("pi[_ -]k", "pike"), _below(API_KEY, r"api[-_ ]?key\d?", 1), fold=True),
        Rule(("nt[_ -]k", "ntke"), _beside(API_KEY, r"account[-_ ]?key\d?", 5, _key_like), fold=True),
        Rule(("ss[_ -]k", "sske"), _beside(API_KEY, r"access[-_ ]?key(?:[-_ ]?id)?\d?", 4, _key_like), fold=True),
        Rule(("te[_ -]k", "teke"), _beside(PRIVATE_KEY, r"private[-_ ]?key", 5, _key_like), fold=True),
    ),
)
"""The rules, in the groups in which their anchors are looked for: grouped so that few other words look like them."""
