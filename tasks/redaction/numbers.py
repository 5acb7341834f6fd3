"""Numbers of people and their money in agents' texts: payment cards, bank accounts, social security, phones.

A cheap look at the whole text finds where such a number can begin; python-stdnum and phonenumbers then check whether
it is one. They are dear (50 µs a number), so of a text full of numbers only some are asked about; the rest go by their
shape.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from tasks.redaction.infixes import find_discord, find_mailgun
from tasks.redaction.kinds import BANK_ACCOUNT, CARD, PHONE, SOCIAL_SECURITY, Find, Span, words

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


# What a character is, one bit each. "?" stands for what is not Latin-1, dashes and narrow spaces among it.
_DIGIT, _CAPITAL, _GAP, _WORD, _HEX = 1, 2, 4, 8, 16
_CLASSES = bytes(
    (_DIGIT if 0x30 <= code <= 0x39 else 0)
    | (_CAPITAL if 0x41 <= code <= 0x5A else 0)
    | (_GAP if chr(code) in " -./\xa0?()" else 0)
    | (_WORD if (code < 0x80 and chr(code).isalnum()) or chr(code) in "_-" else 0)
    | (_HEX if chr(code) in "0123456789abcdef" else 0)
    for code in range(256)
)
_PLUS_SIGN, _ZERO, _DASH, _DOT = b"+0-."
# A time, a date or a path goes on so.
_GO_ON = np.frombuffer(b":./", np.uint8)
_AHEAD = 3
_BEHIND = 12
Array = npt.NDArray[np.int64]


def find_number_places(coded: bytes) -> list[Array]:
    """Where numbers can begin, and Mailgun's and Discord's keys go on: an array for each of ``NumberFinder.finds``."""
    padded = b" " * _AHEAD + coded + b" " * _BEHIND
    letters = np.frombuffer(padded, np.uint8)
    classes = np.frombuffer(padded.translate(_CLASSES), np.uint8)
    digit = classes & np.uint8(_DIGIT)
    # All else is asked only where a run of digits begins, or at a dash or dot.
    starts = np.flatnonzero(digit[1:] > digit[:-1]) + 1
    starts = starts[starts < _AHEAD + len(coded)]

    def keep(places: Array, *wanted: tuple[int, int]) -> Array:
        """Those of ``places`` that have a character of each class so many characters away; a negative class: none."""
        for shift, kind in wanted:
            if kind > 0:
                places = places[classes[places + shift] & np.uint8(kind) != 0]
            else:
                places = places[classes[places + shift] & np.uint8(-kind) == 0]
        return places

    plus = starts[letters[starts - 1] == _PLUS_SIGN] - 1
    plus = plus[(classes[plus - 1] & np.uint8(_WORD) == 0) | (letters[plus - 1] == _DASH)]
    # 415-555-2671 and (415) 555 2671; 078-05-1120.
    three = keep(starts, (1, _DIGIT), (2, _DIGIT), (3, _GAP))
    american = np.concatenate(
        [
            keep(three, (4, _DIGIT), (5, _DIGIT), (6, _DIGIT), (7, _GAP), (8, _DIGIT), (9, _DIGIT)),
            keep(three, (4, _GAP), (5, _DIGIT), (6, _DIGIT), (7, _DIGIT), (8, _GAP), (9, _DIGIT)),
        ]
    )
    social = keep(three, (4, _DIGIT), (5, _DIGIT), (6, _GAP), (7, _DIGIT), (8, _DIGIT), (9, _DIGIT), (10, _DIGIT))
    national = keep(starts[letters[starts] == _ZERO], (1, _DIGIT), (-1, -_WORD))
    national = national[~np.isin(letters[national - 1], _GO_ON)]
    account = keep(starts, (1, _DIGIT), (-1, _CAPITAL), (-2, _CAPITAL), (-3, -_WORD)) - 2
    dashes = np.flatnonzero(letters == _DASH)
    mailgun = keep(dashes[letters[dashes + 9] == _DASH], (-1, _HEX), (1, _HEX), (8, _HEX))
    dots = np.flatnonzero(letters == _DOT)
    discord = keep(dots[letters[dots + 7] == _DOT], (-1, _WORD), (1, _WORD), (6, _WORD))
    return [places - _AHEAD for places in (plus, american, national, social, account, mailgun, discord)]


_PHONE_GAP = r"[ .()/\xa0\u2009\u202f\u2010-\u2013-]{0,2}"
_PLUS = re.compile(rf"\+[1-9](?:{_PHONE_GAP}\d){{6,14}}(?:(?: ?(?:x|ext\.?|#) ?)\d{{1,5}})?(?![\d\w])")
_NORTH_AMERICAN = re.compile(
    r"(?P<area>[2-9]\d\d)(?:\)[ .\xa0\u2010-\u2013-]{0,2}|[ .\xa0\u2010-\u2013-]{1,2})"
    r"(?P<rest>[2-9]\d\d[ .\xa0\u2010-\u2013-]\d{4})(?: ?(?:x|ext\.?) ?\d{1,5})?(?![\w-]|\.\d)"
)
_NUMBER_BEFORE = re.compile(r"(?:[\w#$+-]|\d[.,/])\Z")
_COUNTRY_AHEAD = re.compile(r"(?:(?<![\w.-])(?:001|1)[ .-]{1,2})?\(?\Z")
_ABROAD = re.compile(rf"00[1-9](?:{_PHONE_GAP}\d){{7,13}}(?![\w-]|[.,]\d)")
_NATIONAL = re.compile(r"\(?0[1-9]\d{0,4}\)?(?:[ ./\xa0-]{1,3}\d{2,8}){1,5}(?![\w-]|[.,]\d)")
_LONGEST_PHONE = 15
# How Britain, France and Australia write theirs; "(030) 123456" is nothing but a phone number.
_WRITTEN_SO = (
    ("GB", re.compile(r"0\d{2} \d{4} \d{4}|0\d{3} \d{3} \d{4}|0\d{4} \d{5,6}")),
    ("FR", re.compile(r"0[1-9](?:[ .]\d\d){4}")),
    ("AU", re.compile(r"04\d\d \d{3} \d{3}")),
)
_CALL = re.compile(
    r"(?i:\b(?:phone|phoned|telephone|tel|mobile|cell|call|calling|called|callback|text|sms|whatsapp|fax|reach|ring|dial|"
    r"contact|hotline|telefon|telefono|telefone|tel[ée]fono|t[ée]l[ée]phone|t[ée]l|handy|mobil|rufnummer|m[oó]vil|celular|"
    r"portable|anrufen|numero|n[uú]mero)\b)"
)
_SOCIAL = re.compile(r"(?P<area>\d{3})(?P<gap>[- \u2010-\u2013])\d\d(?P=gap)\d{4}(?![\w-]|\.\d)")
_SOCIAL_NAME = re.compile(r"(?i:\b(?:ssn|itin|social security|soc\.? sec|taxpayer|tin)\b)")
_ACCOUNT_NAME = re.compile(r"(?i:\biban\b)")
_NO_DIGIT = re.compile(r"\D+")
# https://www.swift.com/standards/data-standards/iban-international-bank-account-number
_ACCOUNTS = {
    country: re.compile(rf"[A-Z]{{2}}\d\d(?:[ \xa0\u202f-]?[A-Z0-9]){{{int(length) - 4}}}(?![A-Za-z0-9])")
    for length, countries in (
        entry.split(":")
        for entry in words(
            """
    15:NO 16:BE 18:DK,FK,FO,FI,GL,NL,SD 19:MK,SI 20:AT,BA,EE,KZ,LT,LU,MN,XK 21:CH,HR,LI,LV
    22:BG,BH,CR,DE,GB,GE,IE,ME,RS,VA 23:AE,GI,IL,IQ,OM,SO,TL 24:AD,CZ,ES,MD,PK,RO,SA,SE,SK,TN,VG 25:LY,PT,ST
    26:IS,TR 27:FR,GR,IT,MC,MR,SM,BI,DJ 28:AL,AZ,BY,CY,DO,GT,HU,LB,NI,PL,SV 29:BR,EG,PS,QA,UA 30:JO,KW,MU,YE
    31:MT,SC 32:LC 33:RU
    """
        )
    )
    for country in countries.split(",")
}
_BETWEEN_GROUPS = re.compile(r"[ \xa0\u202f-]")
# A is 10, and so on.
_TO_NUMBERS = {ord("A") + number: str(10 + number) for number in range(26)}
_CHECKS_AT_LEAST = 20
_TEXT_OF_A_CHECK = 10_000


_NO_DIGITS_REVERSED = re.compile(r"[^\d\n\x00]{0,40}")


def _is_behind(name: re.Pattern[str], text: str, place: int) -> bool:
    """Whether a number at ``place`` stands behind a name, with no other number between."""
    gap = _NO_DIGITS_REVERSED.match(text[max(0, place - 40) : place][::-1])
    return gap is not None and name.search(text, place - gap.end(), place) is not None


class NumberFinder:
    """Finders for the places that ``find_number_places`` gives, for one text: so many are asked about, and no more.

    So many are in each of the ``groups`` of texts that it holds, and more in a long one.
    """

    def __init__(self, length: int, groups: int = 1) -> None:
        self._checks = groups * _CHECKS_AT_LEAST + length // _TEXT_OF_A_CHECK
        self.finds: tuple[Find, ...] = (
            self._find_plus,
            self._find_north_american,
            self._find_national,
            self._find_social,
            self._find_account,
            find_mailgun,
            find_discord,
        )

    def _may_check(self) -> bool:
        self._checks -= 1
        return self._checks >= 0

    def _is_phone(self, number: str, region: str | None) -> bool:
        if not self._may_check():
            return True
        # Its import takes a tenth of a second, and most texts hold no number.
        import phonenumbers

        try:
            parsed = phonenumbers.parse(number, region)
        except phonenumbers.NumberParseException:
            return False
        return phonenumbers.is_valid_number(parsed)

    def _find_plus(self, text: str, place: int) -> Span | None:
        match = _PLUS.match(text, place)
        if match is None:
            return None
        number = match[0]
        called = _is_behind(_CALL, text, place)
        if not called and not self._is_phone(number, None):
            return None
        return place, match.end(), PHONE

    def _find_north_american(self, text: str, place: int) -> Span | None:
        match = _NORTH_AMERICAN.match(text, place)
        if match is None:
            return None
        ahead = _COUNTRY_AHEAD.search(text, max(0, place - 7), place)
        start = ahead.start() if ahead else place
        if start and _NUMBER_BEFORE.search(text, max(0, start - 2), start):
            return None
        # 555 is the area of numbers that are made up.
        if match["area"] != "555" and not self._is_phone(_NO_DIGIT.sub("", match["area"] + match["rest"]), "US"):
            return None
        return start, match.end(), PHONE

    def _find_national(self, text: str, place: int) -> Span | None:
        start = place - 1 if text[place - 1 : place] == "(" else place
        if abroad := _ABROAD.match(text, place):
            return (place, abroad.end(), PHONE) if self._is_phone("+" + abroad[0][2:], None) else None
        match = _NATIONAL.match(text, start)
        if match is None or not 9 <= len(_NO_DIGIT.sub("", match[0])) <= _LONGEST_PHONE:
            return None
        shown = match[0]
        called = _is_behind(_CALL, text, start)
        bracketed = shown[0] == "(" and ")" in shown
        if called or bracketed:
            return start, match.end(), PHONE
        for region, written in _WRITTEN_SO:
            if written.fullmatch(shown):
                return (start, match.end(), PHONE) if self._is_phone(shown, region) else None
        return None

    def _find_social(self, text: str, place: int) -> Span | None:
        match = _SOCIAL.match(text, place)
        if match is None:
            return None
        if not _is_behind(_SOCIAL_NAME, text, place):
            if match["gap"] == " " or text[place - 1 : place] in ("-", "_", ".", "/", "#"):
                return None
            if not self._is_social(_NO_DIGIT.sub("", match[0])):
                return None
        return place, match.end(), SOCIAL_SECURITY

    def _is_social(self, number: str) -> bool:
        if not self._may_check():
            return True
        from stdnum.us import itin, ssn

        # Numbers that were printed in advertisements are no valid ones, and still look like people's.
        return ssn.is_valid(number) or itin.is_valid(number) or number in ("078051120", "219099999", "457555462")

    def _find_account(self, text: str, place: int) -> Span | None:
        account = _ACCOUNTS.get(text[place : place + 2])
        match = account.match(text, place) if account else None
        if match is None:
            return None
        number = _BETWEEN_GROUPS.sub("", match[0])
        if not self._is_account(number) and not _is_behind(_ACCOUNT_NAME, text, place):
            return None
        return place, match.end(), BANK_ACCOUNT

    def _is_account(self, number: str) -> bool:
        if int((number[4:] + number[:4]).translate(_TO_NUMBERS)) % 97 != 1:
            return False
        if not self._may_check():
            return True
        from stdnum import iban

        return bool(iban.is_valid(number, check_country=False))
