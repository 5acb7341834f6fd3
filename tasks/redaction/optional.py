"""Kinds that are replaced only when ``AGENT_REPORT_REDACT_ALSO`` names them: many texts need them to be understood."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from tasks.redaction.kinds import BIRTH_DATE, IP_ADDRESS, PASSPORT, Find, Rule, Span

IP_ADDRESSES = "ip_addresses"
DATES_OF_BIRTH = "dates_of_birth"
PASSPORT_NUMBERS = "passport_numbers"
KINDS = (IP_ADDRESSES, DATES_OF_BIRTH, PASSPORT_NUMBERS)

_ADDRESS = re.compile(
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\w)"
    r"|(?:[0-9A-Fa-f]{0,4}:){2,7}(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4})(?![\w:]|\.\d))"
)
# A version ("v1.2.3.4", "version 1.2.3.4") looks the same.
_VERSION_BEFORE = re.compile(r"(?i:version|release|chrome|firefox|safari|build)[ /:=]{1,2}\Z")


def find_ip_addresses(text: str) -> Iterator[Span]:
    """Every IP address, of either version, but those of the machine itself ("127.0.0.1", "::1", "0.0.0.0")."""
    for match in _ADDRESS.finditer(text):
        try:
            address = ipaddress.ip_address(match[0])
        except ValueError:
            continue
        if address.is_loopback or address.is_unspecified:
            continue
        if not _VERSION_BEFORE.search(text, max(0, match.start() - 12), match.start()):
            yield (*match.span(), IP_ADDRESS)


_MONTH = (
    r"(?i:jan(?:uary|uar)?|feb(?:ruary|ruar)?|m(?:ar(?:ch)?|ärz)|apr(?:il)?|ma[yi]|jun[ei]?|jul[yi]?|aug(?:ust)?|"
    r"sep(?:t(?:ember)?)?|o[ck]t(?:ober)?|nov(?:ember)?|de[cz](?:ember)?)\.?"
)
_DATE = (
    r"(?P<date>\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/. ]\d{1,2}[-/. ](?:\d{4}|\d{2})|\d{8}"
    rf"|\d{{1,2}}(?:st|nd|rd|th)?\.? (?:of )?{_MONTH},? \d{{4}}|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}})(?!\d)"
)
_BIRTH = re.compile(
    r"(?i:date[-_ ]?of[-_ ]?birth|birth[-_ ]?da(?:te|y)|\bdob\b|\bd\.o\.b\.?|\bborn(?: on| in [\w ]{1,30} on)?|"
    r"geburtsdatum|geboren(?: am)?|geb\.|n[eé]e? le|date de naissance|fecha de nacimiento|nacid[oa] el|data di nascita)"
    r"(?:[^\w\n\x00]|\\n|is |was |on |the |value){0,12}" + _DATE
)
_PASSPORT = re.compile(
    r"(?i:passport|passeport|pasaporte|passaporto|reisepass|reisepaß)(?:nummer)?"
    r"(?:[^\w\n\x00]|_|(?i:numbers?|num|nummer|no|nr|id|n°|is|was|value|de|es)\b){0,12}"
    r"(?P<value>[A-Z]{0,3}[ ]?(?=[A-Z0-9]{5,12}(?!\w))[A-Z0-9]*\d[A-Z0-9]*)(?!\w)",
)
_MACHINE_READABLE = re.compile(
    r"P[A-Z<][A-Z]{3}[A-Z<]{39}(?:(?:\s|\\n){1,4}[A-Z0-9<]{44})?|[A-Z0-9<]{9}\d[A-Z]{3}\d{7}[MFX<]\d{7}[A-Z0-9<]{14}\d\d"
)


def _find_birth(*offsets: int) -> Find:
    def find(text: str, place: int) -> Span | None:
        for offset in offsets:
            match = _BIRTH.match(text, place - offset) if place >= offset else None
            if match is not None:
                return *match.span("date"), BIRTH_DATE
        return None

    return find


def _find_passport(text: str, place: int) -> Span | None:
    match = _PASSPORT.match(text, place)
    return (*match.span("value"), PASSPORT) if match else None


def _find_machine_readable(text: str, place: int) -> Span | None:
    """The lines at the foot of a passport's page, from the country in the first of them."""
    match = _MACHINE_READABLE.match(text, place)
    return (*match.span(), PASSPORT) if match else None


OPTIONAL_RULES = (
    Rule(
        ("date", "birt", "dob", "d.o.", "born", "gebo", "gebu", "geb.", "né l", "née ", "fech", "naci", "data"),
        _find_birth(0),
        fold=True,
        option=DATES_OF_BIRTH,
    ),
    Rule(("pass", "pasa", "reis"), _find_passport, fold=True, option=PASSPORT_NUMBERS),
    Rule(("P<",), _find_machine_readable, begins=True, option=PASSPORT_NUMBERS),
)
