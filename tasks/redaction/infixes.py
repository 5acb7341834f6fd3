"""Keys and tokens that are known by what stands within them, and private keys in all their writings."""

from __future__ import annotations

import base64
import binascii
import re

from tasks.redaction.kinds import API_KEY, PRIVATE_KEY, SECRET, TOKEN, UUID, Find, Rule, Span
from tasks.redaction.shapes import begins

_HEX_DIGITS = "[a-fA-F0-9]"


def _around(label: str, before: str, longest: int, rest: str, joined: str = "\0") -> Find:
    """A key of which ``before`` ends at an anchor, within ``longest`` characters, and ``rest`` begins there.

    A word begins with it, or ``joined`` is what it is joined to.
    """
    ahead = re.compile(rf"(?:{before})\Z", re.ASCII)
    behind = re.compile(rest, re.ASCII)

    def find(text: str, place: int) -> Span | None:
        end = behind.match(text, place)
        if end is None:
            return None
        start = ahead.search(text, max(0, place - longest), place)
        if start is None or not (begins(text, start.start()) or text.endswith(joined, 0, start.start())):
            return None
        return start.start(), end.end(), label

    return find


def _after(width: int, find: Find) -> Find:
    """``find`` where its anchor begins ``width`` characters earlier."""
    return lambda text, place: find(text, place + width)


find_mailgun = _around(API_KEY, r"[a-f0-9]{32}", 32, r"-[a-f0-9]{8}-[a-f0-9]{8}(?![\w-])")
"""Mailgun's newer key, from the first dash within it."""
find_discord = _around(TOKEN, r"[MNO][\w-]{20,29}", 30, r"\.[\w-]{6}\.[\w-]{27,45}+")
"""A Discord bot's token, from the first dot within it."""

_telegram = _around(TOKEN, r"\d{6,12}", 12, r":A[\w-]{30,50}+", joined="/bot")
_azure_secret = _around(SECRET, r"[\w~.]{3}\d", 4, r"Q~[\w~.-]{31,40}")

# What separates the words of a PEM's first line; a dash; the end of a line. URL-encoded, escaped, or as they are.
_GAP = r"(?: |\+|%20)"
_DASH = r"(?:-|%2[Dd]|\\u002[Dd])"
_DASHES_AHEAD = re.compile(rf"{_DASH}{{4,5}}{_GAP}?\Z")
_LONGEST_DASHES = 35
_PEM_BEGIN = re.compile(
    rf"BEGIN(?:{_GAP}[A-Z0-9]{{1,20}}){{0,4}}{_GAP}PRIVATE{_GAP}KEY(?:{_GAP}BLOCK)?{_GAP}?{_DASH}{{4,5}}"
)
_PEM_END = re.compile(rf"END(?:{_GAP}[A-Z0-9]{{1,20}}){{0,6}}{_GAP}?{_DASH}{{4,5}}")
_PEM_LINES = re.compile(
    r"(?:(?:\s|\\[nr]|%0[AaDd]){0,8}[A-Za-z0-9+/=]{16,}+)*+"
    r"(?:(?:\s|\\[nr]|%0[AaDd]){1,8}[A-Za-z0-9+/=]{1,15}(?=\W|\Z))?"
)
_LONGEST_PEM = 20_000


def _find_pem(text: str, place: int) -> Span | None:
    ahead = _DASHES_AHEAD.search(text, max(0, place - _LONGEST_DASHES), place)
    begin = _PEM_BEGIN.match(text, place) if ahead else None
    if ahead is None or begin is None:
        return None
    # To its end, and not into the next; else (a text that was cut) as far as lines of base64 go.
    limit = begin.end() + _LONGEST_PEM
    for stop in ("BEGIN", "\x00"):
        found = text.find(stop, begin.end(), limit)
        limit = found if found >= 0 else limit
    at = text.find("END", begin.end(), limit)
    while at >= 0:
        end = _PEM_END.match(text, at)
        if end is not None and _DASHES_AHEAD.search(text, max(0, at - _LONGEST_DASHES), at):
            return ahead.start(), end.end(), PRIVATE_KEY
        at = text.find("END", at + 3, limit)
    lines = _PEM_LINES.match(text, begin.end())
    return ahead.start(), lines.end() if lines else begin.end(), PRIVATE_KEY


_CODED_PEM = re.compile(r"LS0tLS1CRUdJTi[A-Za-z0-9+/_-]{40,}+={0,2}(?:(?:\s|\\[nr]){1,8}[A-Za-z0-9+/]{40,}+={0,2})*+")
_FIRST_LINE = 60


def _find_coded_pem(text: str, place: int) -> Span | None:
    """A private key in base64 once more, as in a kubeconfig; certificates, which look alike, stay."""
    try:
        line = base64.b64decode(text[place : place + _FIRST_LINE])
    except (binascii.Error, ValueError):
        return None
    match = _CODED_PEM.match(text, place) if b"PRIVATE KEY" in line else None
    return (*match.span(), PRIVATE_KEY) if match else None


_LINE_END = r"(?:\r?\n|(?:\\r)?\\n)"
_PUTTY = re.compile(rf"Private-Lines: ?\d{{1,3}}(?P<value>(?:{_LINE_END}[A-Za-z0-9+/=]{{16,80}}+){{1,200}}+)")


def _find_putty(text: str, place: int) -> Span | None:
    match = _PUTTY.match(text, place - 5) if place >= 5 else None
    return (*match.span("value"), PRIVATE_KEY) if match else None


_BASE64_LINES = rf"[A-Za-z0-9+/]{{40,}}+(?:{_LINE_END}[A-Za-z0-9+/]{{16,}}+)*+={{0,2}}"
# What OpenSSH's private keys begin with, and RSA's and EC's in DER, when the lines around them are missing.
_BARE_KEY = re.compile(
    r"(?:b3BlbnNzaC1rZXktdjE|MII[A-Za-z0-9+/]{2}[A-Za-z0-9+/]IBAAKC|MII[A-Za-z0-9+/]{3}IBADANBgkqhkiG9w0BAQEFAASC"
    rf"|MIGHAgEAMBMGByqGSM49|MHcCAQEEI){_BASE64_LINES}"
)


def _find_bare_key(text: str, place: int) -> Span | None:
    match = _BARE_KEY.match(text, place)
    return (*match.span(), PRIVATE_KEY) if match else None


_WEB_KEY = re.compile(r"\\{0,3}\"[dk]\\{0,3}\"[ ]{0,3}:[ ]{0,3}\\{0,3}\"(?P<value>[\w-]{32,})")
_WEB_KEY_NEAR = 600


def _find_web_key(text: str, place: int) -> Span | None:
    """The secret part of a JSON Web Key."""
    match = _WEB_KEY.match(text, place)
    if match is None:
        return None
    near = text[max(0, place - _WEB_KEY_NEAR) : match.end() + _WEB_KEY_NEAR]
    return (*match.span("value"), PRIVATE_KEY) if '"kty' in near or '\\"kty' in near else None


INFIX_RULES = (
    Rule(("[0-9]:A",), _after(1, _telegram)),
    Rule(("[0-9]Q~",), _after(1, _azure_secret)),
    Rule((".atl",), _around(TOKEN, r"[A-Za-z0-9]{14}", 14, r"\.atlasv1\.[\w=-]{40,100}+")),
    Rule(("-us[0-9]",), _around(API_KEY, rf"{_HEX_DIGITS}{{32}}", 32, r"-us\d{1,2}(?![\w-])")),
    Rule(("NRAL",), _around(API_KEY, r"[a-fA-F0-9]{36}", 36, r"NRAL(?!\w)")),
    Rule(("JQQJ",), _around(API_KEY, r"[A-Za-z0-9]{52}", 52, r"JQQJ[A-Za-z0-9]{24,32}+={0,2}")),
    Rule(("AZDO",), _around(TOKEN, r"[A-Za-z0-9]{76}", 76, r"AZDO[A-Za-z0-9]{4}(?!\w)")),
    Rule((":APA",), _around(TOKEN, r"[\w-]{8,40}", 40, r":APA91b[\w-]{80,200}+")),
    Rule(("ks/[0-9]",), _around(TOKEN, r"webhoo", 6, r"ks/\d{15,20}/[\w-]{50,100}+")),
    Rule(("okb2",), _around(TOKEN, r"webho", 5, r"okb2/[\w@-]{36,100}+/IncomingWebhook/[\w/-]{32,150}+")),
    Rule(("-san", "-dev", "-pro"), _around(TOKEN, "access", 6, rf"-[a-z]{{7,11}}-{UUID}")),
    Rule(("ken$",), _around(TOKEN, "access_to", 9, r"ken\$[a-z]{7,10}\$[a-z0-9]{10,20}\$[a-f0-9]{32}")),
    Rule(("BEGI",), _find_pem),
    Rule(("LS0t",), _find_coded_pem, begins=True),
    Rule(("te-L",), _find_putty),
    Rule(("b3Bl", "MII[A-Z]", "MIGH", "MHcC"), _find_bare_key, begins=True),
    Rule(('"[dk]"', '"[dk]\\'), _find_web_key),
)
