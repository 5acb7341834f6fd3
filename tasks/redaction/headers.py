"""Credentials in headers: Authorization in every scheme, bearer tokens, cookies; as sent, in JSON, URL-encoded."""

from __future__ import annotations

import re

from tasks.redaction.kinds import PASSWORD, TOKEN, Rule, Span, words
from tasks.redaction.plain_values import DIGIT, is_mixed, is_placeholder, is_wordy, turns

_QUOTE = r"(?:\\{0,3}[\"'`]|%22|%27|&quot;|&#34;|\\{1,2}u002[27])"
_SPACE = r"(?: |\+|%20|\\{1,2}u0020)"
# Between the name of a header and its value: a colon, an assignment, the comma of a pair, or "value":.
_SEPARATOR = (
    rf"(?:{_QUOTE})?\]?[ \t]{{0,3}}"
    rf"(?:[:=,]|=>|=3[Dd]|%3[DAda]|,[ ]{{0,3}}(?:\\n)?\s{{0,12}}{_QUOTE}[Vv]alue{_QUOTE}[ ]{{0,3}}:)"
    rf"(?:[ \t]{{0,3}}|%20|\+)(?:[bfr]|\[[ ]?)?(?:{_QUOTE})?"
)
_TOKEN68 = r"[\w.~+/=:-]"
_VALUE = rf"(?P<value>(?:{_TOKEN68}|%2[BFbf]|%3[DAda]){{8,2000}}+)"
_AUTHORIZATION = re.compile(
    rf"(?i:authori[sz]ation){_SEPARATOR}"
    rf"(?:(?P<scheme>[A-Za-z][A-Za-z0-9-]{{1,30}}){_SPACE}{{1,3}})?"
    rf"(?:(?P<pairs>(?:\w{{1,30}}=\\{{0,3}}[\"'][^\"'\\\n\x00]{{0,300}}+\\{{0,3}}[\"'],? ?"
    rf"|\w{{1,30}}=[\w/+.=-]{{1,300}}+, ?){{1,20}})|{_VALUE})"
)
_BEARER = re.compile(rf"(?i:bearer){_SPACE}{{1,3}}{_VALUE}")
_KNOWN_SCHEMES = words(
    """
    bearer basic token digest apikey key negotiate aws4-hmac-sha256 bot ssws geniekey splunk oauth api-token dpop
    api-key apitoken zoho-oauthtoken klaviyo-api-key sso-key ntlm hawk mac genie secret jwt
    """
)


def _find_authorization(text: str, place: int) -> Span | None:
    match = _AUTHORIZATION.match(text, place - 4) if place >= 4 else None
    if match is None:
        return None
    scheme = (match["scheme"] or "").lower()
    if match["pairs"]:
        # Digest username="bob", response="…"; OAuth oauth_token="…".
        return (*match.span("pairs"), TOKEN) if scheme and DIGIT.search(match["pairs"]) else None
    value = match["value"]
    if not _opaque(value) or (scheme not in _KNOWN_SCHEMES and is_wordy(value)):
        return None
    return *match.span("value"), PASSWORD if scheme == "basic" else TOKEN


def _find_bearer(text: str, place: int) -> Span | None:
    match = _BEARER.match(text, place)
    if match is None:
        return None
    value = match["value"]
    # "bearer certificates2026 were issued" is prose.
    shown = len(value) >= 16 and DIGIT.search(value) is not None and turns(value) >= 2 and not is_wordy(value)
    long = len(value) >= 24 and not is_wordy(value)
    return (*match.span("value"), TOKEN) if shown or long else None


def _opaque(value: str) -> bool:
    return len(value) >= 24 or DIGIT.search(value) is not None


_NAME = r"[\w.$%\[\]-]{1,80}"
_COOKIE_VALUE = r"\\{0,3}\"?[^\s\"'\\;,\x00]{0,4000}+\\{0,3}\"?"
_BETWEEN_PAIRS = r"(?:; ?|;?(?:\r?\n|(?:\\r)?\\n)[ \t]{1,8}|\\{0,3}[\"']?, ?(?:\\{0,3}[\"'])?)"
_PAIRS = re.compile(rf"{_NAME}={_COOKIE_VALUE}(?:{_BETWEEN_PAIRS}{_NAME}={_COOKIE_VALUE}){{0,50}}")
_PAIR = re.compile(rf"(?P<name>{_NAME})=\\{{0,3}}\"?(?P<value>[^\s\"'\\;,\x00]{{6,4000}}+)")
_COOKIE = re.compile(rf"(?i:cookies?2?)(?:{_SEPARATOR}| \\{{0,3}}[\"'])")
_CURL_COOKIE = re.compile(r" -b[ =]?\\{0,3}[\"']?")
_SECRET_NAME = re.compile(
    r"(?i:.{0,60}(?:sess|sid|auth|token|csrf|xsrf|jwt|login|remember|secret|credential|connect\.s|user_?id|uid)|id\Z)"
)
_ATTRIBUTE = re.compile(r"(?i:path|domain|expires|max-age|samesite|secure|httponly|priority|version)\Z")


def _find_cookie(text: str, place: int) -> Span | None:
    """All of a header's cookies, when the value of one of them is opaque."""
    match = _COOKIE.match(text, place - 2) if place >= 2 else None
    return _find_pairs(text, match.end()) if match else None


def _find_curl_cookie(text: str, place: int) -> Span | None:
    match = _CURL_COOKIE.match(text, place) if "curl" in text[max(0, place - 200) : place] else None
    return _find_pairs(text, match.end()) if match else None


def _find_pairs(text: str, start: int) -> Span | None:
    pairs = _PAIRS.match(text, start)
    if pairs is None:
        return None
    for pair in _PAIR.finditer(text, start, pairs.end()):
        if _is_session(pair["name"], pair["value"]) and _ATTRIBUTE.match(pair["name"]) is None:
            return start, pairs.end(), TOKEN
    return None


def _is_session(name: str, value: str) -> bool:
    if len(value) < 6 or is_placeholder(value, 0, len(value)):
        return False
    if len(value) >= 24 or (len(value) >= 8 and is_mixed(value) and not is_wordy(value)):
        return True
    return _SECRET_NAME.match(name) is not None and DIGIT.search(value) is not None


_JSON_COOKIE = re.compile(
    r"(?i:cookies?)\\{0,3}[\"']?\]?[ ]{0,3}[:=][ ]{0,3}\{[ ]{0,3}(?:\\n|\s){0,12}"
    r"(?P<pairs>(?:\\{0,3}[\"'][\w.-]{1,60}\\{0,3}[\"']:[ ]{0,3}\\{0,3}[\"'][^\"'\\\n\x00]{0,1000}+"
    r"\\{0,3}[\"'],?[ ]{0,3}){1,20})"
)
_JSON_PAIR = re.compile(r"[\"'](?P<name>[\w.-]{1,60})\\{0,3}[\"']:[ ]{0,3}\\{0,3}[\"'](?P<value>[^\"'\\]{0,1000})")


def _find_json_cookie(text: str, place: int) -> Span | None:
    """The cookies of ``cookies={"sid": "…"}``."""
    match = _JSON_COOKIE.match(text, place - 2) if place >= 2 else None
    if match is None:
        return None
    for pair in _JSON_PAIR.finditer(text, match.start("pairs"), match.end("pairs")):
        if _is_session(pair["name"], pair["value"]):
            return *match.span("pairs"), TOKEN
    return None


_JAR_LINE = re.compile(
    r"\t(?:TRUE|FALSE)\t/[^\t\n\x00]{0,200}\t(?:TRUE|FALSE)\t\d{1,12}\t(?P<name>[^\t\n\x00]{1,100})\t(?P<value>[^\s\x00]{6,4000}+)"
)


def _find_jar(text: str, place: int) -> Span | None:
    """A cookie in a line of a cookie jar (Netscape's format)."""
    match = _JAR_LINE.match(text, place)
    return (*match.span("value"), TOKEN) if match and _is_session(match["name"], match["value"]) else None


HEADER_RULES = (
    Rule(("oriz", "oris"), _find_authorization, fold=True),
    Rule(("bear",), _find_bearer, fold=True),
    Rule(("okie",), _find_cookie, fold=True),
    Rule((" -b[ '\"]",), _find_curl_cookie),
    Rule(("okie",), _find_json_cookie, fold=True),
    Rule(("\tTRU", "\tFAL"), _find_jar),
)
