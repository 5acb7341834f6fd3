"""What redaction is made of: labels, spans, and rules that are tried where one of their anchors stands."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

API_KEY = "api key"
TOKEN = "access token"  # noqa: S105 - labels
PRIVATE_KEY = "private key"
PASSWORD = "password"  # noqa: S105
SECRET = "secret"  # noqa: S105
EMAIL = "e-mail address"
PHONE = "phone number"
CARD = "card number"
BANK_ACCOUNT = "bank account"
SOCIAL_SECURITY = "social security number"
IP_ADDRESS = "IP address"
BIRTH_DATE = "date of birth"
PASSPORT = "passport number"

UUID = "[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{12}"

BARREN = ""
"""The label of no secret: rules of the same need find nothing that begins before the end of this span."""

Span = tuple[int, int, str]
"""Start, end and label of what is to be replaced."""
Find = Callable[[str, int], Span | None]
"""Called with a text and a place where an anchor of its rule is."""


def words(text: str) -> frozenset[str]:
    """The words of ``text``."""
    return frozenset(text.split())


class Need(IntEnum):
    """What a bare value must have for its rule, so that a long one without it is read only once."""

    NOTHING = 0
    DIGIT = 1
    DIGIT_OR_NO_DOT = 2


class Rule(NamedTuple):
    """``find`` is tried where one of ``anchors`` (see ``Anchors``) is; with ``begins`` only where a word begins."""

    anchors: tuple[str, ...]
    find: Find
    fold: bool = False
    need: Need = Need.NOTHING
    begins: bool = False
    option: str = ""
    """The kind that ``AGENT_REPORT_REDACT_ALSO`` must name for this rule; empty: always on."""
