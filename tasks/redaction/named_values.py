"""Values beside their names: ``password=…``, ``"api_key": "…"``, ``--token …``, ``<secret>…``, ``name: … value: …``.

A value ends where its quote does, or else at a space or a sign that no bare value holds. Quotes, colons and signs may
be written for URLs, HTML or JSON: ``%22password%22%3A%22…%22``.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tasks.redaction.kinds import BANK_ACCOUNT, BARREN, PHONE, SOCIAL_SECURITY, Find, Need, Rule, Span, words
from tasks.redaction.plain_values import (
    DIGIT,
    EXPRESSION,
    SPACE,
    is_mixed,
    is_name,
    is_path,
    is_placeholder,
    is_random,
    is_sentence,
    is_wordy,
    turns,
)

_CODED_QUOTE = r"%22|%27|%2522|%2527|&quot;|&#34;|&#x22;|&#39;|\\{1,2}u002[27]"
_QUOTE = rf"(?:\\{{0,3}}[\"'`]|{_CODED_QUOTE})"
_SEPARATOR = (
    rf"(?:(?P<close>(?=[\"'`\\%&]){_QUOTE})\]?)?(?:[ \t]{{0,3}}|%20)"
    r"(?:(?P<sep>=>|:=|=3[Dd]|[:=]{1,2}|>|%(?:25)?3[DAda]|\\u003[DAda]|："
    # Other attributes of an element.
    r"|(?: [\w:.-]{1,30}=\"[^\"<>\n\x00]{0,60}\"){1,3}>)(?:[ \t]{0,3}|%20|\+(?=%22))"
    # A list, or bytes, of one.
    r"(?:(?:\[[ ]?|[bfur]{1,2})(?=\\{0,3}[\"']))?"
    # The name and the value of a pair: {"name": "DB_PASSWORD", "value": "…"}.
    rf"|(?P<pair>(?=[,\s\\]),?(?:[ \t]|\r?\n|\\n){{0,20}}{_QUOTE}?[Vv]alue{_QUOTE}?[ \t]{{0,3}}[:=][ \t]{{0,3}})"
    r"|(?P<space> {1,3}))"
)
_BARE = r"[^\s\"'`,;&<>\\\x00|]"
_VALUE = (
    rf"(?:(?P<coded>(?=[%&\\])(?:{_CODED_QUOTE}))(?P<within>(?:(?!(?P=coded))[^\s\"'\x00]){{1,300}}+)"
    r"|(?P<quote>\\{0,3}[\"'`])"
    r"(?P<quoted>(?:[^\"'`\\\n\x00]++|(?!(?P=quote))(?:\\[^\n\x00]|[^\n\x00]))++)"
    rf"|(?P<expression>{EXPRESSION})|(?P<bare>{_BARE}{{1,500}}+))"
)
_LONGEST_VALUE = 10_000
_LONGEST_BARE = 500
_BARE_RUN = re.compile(_BARE + "*+")
_LONGEST_RUN = 4_000
# Of a separator, and what is left of the name.
_BEFORE_VALUE = 64
_CAPITAL_NAME = re.compile(r"[A-Z][A-Z_]*")
# Read backwards, from the name on.
_FLAG_BEFORE = re.compile(r"[\w-]{0,32}-(?:\Z|[\s\"'\[\\])")
# <property name="password">…; a label's for="password" comes before words.
_NAMED_BEFORE = re.compile(r"(?:name|key)=\\{0,3}[\"'][\w.:-]{0,30}\Z")
_ELEMENT_BEFORE = re.compile(r"<[\w.:-]{0,30}\Z")
# A Dockerfile, shells, a netrc, and SQL set a space between a name and its value.
_STATEMENT = re.compile(
    r"(?:\A|\W)(?P<surely>env|arg|setx|setenv|configure set|config set|encrypted)|(?:\A|\W)(?:set|with)"
)
_STATEMENT_ENDS = ("env", "arg", "set", "setx", "setenv", "with", "encrypted")
_LOGIN = re.compile(r"\b(?:[Ll]ogin|LOGIN|[Uu]ser|USER|[Uu]sername|LOGIN) +\S{1,80}(?:\s|\\n){1,12}\Z")
_NAME_SIGNS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
Check = Callable[[str, "re.Match[str]", str], bool]


def find_beside(label: str, name: str, offset: int, check: Check, need: Need = Need.NOTHING) -> Find:
    """A value beside a name that ends with ``name``; its anchor is ``offset`` characters into the name.

    ``check`` is called with the text, the match and the value.
    """
    pattern = re.compile(f"(?i:{name}){_SEPARATOR}{_VALUE}")

    def find(text: str, place: int) -> Span | None:
        start = place - offset
        match = pattern.match(text, start, start + _LONGEST_VALUE) if start >= 0 else None
        if match is None or match["expression"]:
            return None
        span = _value_span(text, match)
        if span is None:
            return None
        begin, end = span
        value = text[begin:end]
        if match["space"] and not _is_set(text, start, match, value):
            return None
        # Each expression is tried where what it needs is there at all.
        if match["sep"] and match["sep"][-1] == ">" and match["sep"] != "=>":
            before = text[max(0, start - 40) : start]
            if "<" not in before or not (_NAMED_BEFORE if match["close"] else _ELEMENT_BEFORE).search(before):
                return None
        if is_placeholder(text, begin, end) or is_path(value) or value.startswith("-----BEGIN"):
            return None
        if match["quote"] and is_sentence(value):
            return None
        if not check(text, match, value):
            return _barren(text, begin, match.end(), need) if need and end - begin > _BEFORE_VALUE else None
        return begin, end, label

    return find


def _value_span(text: str, match: re.Match[str]) -> tuple[int, int] | None:
    begin, end = match.span("within" if match["coded"] else "quoted" if match["quote"] else "bare")
    if match["bare"] and text[end - 1] in ")]}":
        value = text[begin:end]
        if not ("(" in value or "[" in value or "{" in value):
            end = begin + len(value.rstrip(")]}"))
    return (begin, end) if end > begin else None


def _is_set(text: str, start: int, match: re.Match[str], value: str) -> bool:
    """Whether a value that only a space sets apart is one: of a command's option, or in a statement."""
    before = text[max(0, start - 100) : start]
    if "-" in before and _FLAG_BEFORE.match(before[:-41:-1]):
        return True
    if before[-1:] == "_" and is_random(value):
        return True
    if match["quote"] and not match["close"] and _is_chosen(value):
        return True
    head = before.rstrip(_NAME_SIGNS)
    if head[-1:].isspace() and (ahead := head[-20:].rstrip().lower()).endswith(_STATEMENT_ENDS):
        statement = _STATEMENT.search(ahead)
        return statement is not None and (
            statement["surely"] is not None or (_is_chosen(value) and not is_wordy(value))
        )
    return ("ogin" in before or "ser" in before or "USER" in before) and _LOGIN.search(before) is not None


def _is_chosen(value: str) -> bool:
    return is_mixed(value) and " " not in value and not is_name(value)


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


_AMOUNT = re.compile(r"\d[\d.,-]*")
_GOES_ON_IN_WORDS = re.compile(r",? \(?[A-Za-z]{2}")
_TYPE = re.compile(r"\w*(?:Field|Type|Str|String|Input|Schema|Validator|Policy|Hash|Encoder)\Z")


def is_password(text: str, match: re.Match[str], value: str) -> bool:
    """Anything but prose and types: "password: click here to reset it", "password: 8-20 characters"."""
    if match["quote"] and not match["close"] and value[0] in ",;)":
        # The quote closes a text that ends in "Password: ".
        return False
    if match["bare"] is None or match["sep"] != ":" or match["close"]:
        return True
    if value[0] in "([":
        return False
    if _AMOUNT.fullmatch(value) and _GOES_ON_IN_WORDS.match(text, match.end()):
        return False
    # "password: swordfish" at the end of a line is one.
    if value.rstrip(".!?").isalpha():
        return not text[match.end() : match.end() + 1].strip("\n\r\x00,;\"'`\\") and not _TYPE.fullmatch(value)
    return True


_FOLDER = re.compile(r"[/~.]|[A-Za-z]:")


def is_pwd(text: str, match: re.Match[str], value: str) -> bool:
    """As ``is_password``; the shell calls the directory it is in so."""
    return not _FOLDER.match(value) and is_password(text, match, value)


_STRONG = re.compile(r"(?i:client|app|api|shared|webhook|signing|session|jwt|consumer|access|auth)[-_. ]?\Z")


def is_key(text: str, match: re.Match[str], value: str) -> bool:
    """A value with a digit, or long; a reference to a secret by its name ("secret: billing-db") is none."""
    if value[0].isupper() and _CAPITAL_NAME.fullmatch(value):
        return False
    start = match.start()
    if match["sep"] == ":" and not match["close"] and is_name(value):
        spaced = " " in text[start : match.start("sep")].strip()
        if spaced or not _STRONG.search(text, max(0, start - 12), start):
            return False
    if match["quote"]:
        return len(value) >= 4 and not SPACE.search(value)
    return len(value) >= 6 and ((len(value) >= 20 and "." not in value) or DIGIT.search(value) is not None)


_HEX_KEY = re.compile(r"[a-fA-F0-9]{16,}|[a-fA-F0-9-]{36}")


def is_random_key(text: str, match: re.Match[str], value: str) -> bool:
    """For names that are often no secrets' ("session key", "license key")."""
    return (
        not SPACE.search(value)
        and value.isascii()
        and not value.isdigit()
        and (is_random(value) or _HEX_KEY.fullmatch(value) is not None)
    )


# Read backwards, from the name on.
_OTHER_TOKENS = re.compile(
    "[-_ ]?(?:"
    + "|".join(
        word[::-1]
        for word in words(
            """
    page next prev previous continuation sync cursor cancellation cancel eos bos pad unk mask stop max min num start
    end first last per resume pagination marker idempotency sep cls special input output total prompt completion
    """
        )
    )
    + ")",
    re.IGNORECASE,
)


def is_token(text: str, match: re.Match[str], value: str) -> bool:
    """A value with a digit; of a bare "token: …" no word, which parsers and models of language write."""
    if len(value) < 8 or not DIGIT.search(value) or not value.isascii() or "\\u" in value:
        return False
    if (match["quote"] and SPACE.search(value)) or value.isdigit():
        return False
    begin = match.start()
    before = text[max(0, begin - 16) : begin]
    if _OTHER_TOKENS.match(before[::-1]):
        return False
    # access_token, NPM_TOKEN, authToken, x-vault-token; not "unexpected token".
    if before[-1:].isalnum() or (before[-1:] in ("-", "_", ".") and before[-2:-1].isalnum()):
        return True
    return not (is_wordy(value) or (turns(value) <= 2 and len(value) < 16))


_PASSES = ("com", "by", "sur", "tres", "over", "under", "low", "high", "band", "all", "single", "multi")


def is_pass(text: str, match: re.Match[str], value: str) -> bool:
    """No result of a test ("pass: 12, fail: 1"), and no other word that ends so (compass, bypass)."""
    before = text[max(0, match.start() - 5) : match.start()].lower()
    return is_mixed(value) and not before.endswith(_PASSES)


_PRESIGNED = re.compile(r"(?i:[?&;]|X-Amz-|X-Goog-)\Z")


def is_signature(text: str, match: re.Match[str], value: str) -> bool:
    """The signature of a URL, which opens it to anyone who has it."""
    return len(value) >= 20 and _PRESIGNED.search(text, max(0, match.start() - 8), match.start()) is not None


# Whose key: signing_key, Ocp-Apim-Subscription-Key, appKey. Not: primary, foreign, sort, cache, public.
_OWNERS = tuple(
    words(
        """
        signing encryption decryption master subscription function functions auth app application routing integration
        service deploy ingest admin shared storage session consumer webhook license server client preshared x-api hmac
        cookie jwt data host project user write global rest publishing connection fastly openai
        anthropic azure aws google stripe twilio sendgrid mailgun algolia datadog mapbox github slack groq cohere
        mistral pinecone
        """
    )
)
_LONGEST_OWNER = 14
_key = find_beside("api key", "key", 0, is_random_key)


def find_named_key(text: str, place: int) -> Span | None:
    """``routing_key: …``, ``Ocp-Apim-Subscription-Key: …``, ``appKey=…``, from the sign or letter before "key"."""
    if not text[max(0, place - _LONGEST_OWNER) : place + 1].lower().rstrip("_-").endswith(_OWNERS):
        return None
    return _key(text, place + 1)


def find_below(label: str, name: str, offset: int) -> Find:
    """A value on the line after its name: alone there, so that it is no key of what is nested under the name."""
    pattern = re.compile(
        f"(?i:{name})"
        r"[\"'`]?[ \t]{0,3}[:=][ \t]{0,3}(?:[|>][-+]?[ \t]{0,3})?(?:\r?\n|(?:\\r)?\\n)[ \t]{1,20}(?P<quote>[\"'`]?)"
        r"(?P<value>[^\s\"'`\\\x00]{6,500})"
        r"(?P=quote)[,;]?[ \t]{0,20}(?=[\r\n\x00\\]|\Z)"
    )

    def find(text: str, place: int) -> Span | None:
        match = pattern.match(text, place - offset) if place >= offset else None
        if match is None or match["value"].endswith(":") or not is_mixed(match["value"]):
            return None
        return *match.span("value"), label

    return find


def find_in_prose(label: str, name: str, offset: int, check: Callable[[str], bool]) -> Find:
    """``the password for bob is hunter2``: a value behind "is", quoted or such as ``check`` accepts."""
    pattern = re.compile(
        rf"(?i:{name})(?: \(?(?i:for|of|to) [^\n\x00:.]{{1,40}}?)?"
        r"(?:'s| (?i:is|was|ist|lautet|es|est|becomes|has been (?:re)?set to|set to|changed to))(?i: now)?:? "
        r"(?P<quote>[\"'`]?)(?P<value>[^\s\"'`\x00]{6,200})(?P<closed>(?P=quote))"
    )

    def find(text: str, place: int) -> Span | None:
        match = pattern.match(text, place - offset) if place >= offset else None
        if match is None:
            return None
        start = match.start("value")
        value = match["value"].rstrip(".,;:!?)")
        if not check(value) and not (
            match["quote"] and match["closed"] and not is_placeholder(text, start, start + len(value))
        ):
            return None
        return start, start + len(value), label

    return find


def is_key_in_prose(value: str) -> bool:
    """Rather a key than words, in a sentence."""
    return is_mixed(value) and len(value) >= 8 and not is_wordy(value) and (turns(value) >= 3 or len(value) >= 20)


_NAMED_PHONE = re.compile(
    r"(?i:(?:tele)?phones?|mobile?|tele?fono?|telefone|celular|whatsapp|tel|fax|cell|rufnummer|handy(?:nummer)?)"
    r"(?i:[-_ ]?(?:numbers?|num|nummer|no|nr|n°|e164))?"
    r"(?:\\{0,3}[\"'.:=,>#]|[ \t]|%3[AD]|%22|\\{0,2}u0022|(?i:is |value)){1,12}"
    r"(?P<value>(?:\(?(?:\+|%2B|00))?\(?\d(?:(?:[ .()/\xa0\u2009\u202f\u2010-\u2013-]{0,2}|%20)\d){6,14})"
    r"(?:x\d{1,5})?(?![\w-]|\.\d)"
)
_DATE = re.compile(r"\d{4}[-/.]\d\d[-/.]\d\d|\d\d[-/.]\d\d[-/.]\d{4}")


def _find_named_phone(*offsets: int) -> Find:
    def find(text: str, place: int) -> Span | None:
        for offset in offsets:
            start = place - offset
            # homePhone and home_phone, not smartphone.
            if start < 0 or (text[start - 1 : start].isalpha() and not text[start].isupper()):
                continue
            match = _NAMED_PHONE.match(text, start)
            if match is not None and not _DATE.fullmatch(match["value"]):
                return *match.span("value"), PHONE
        return None

    return find


_BETWEEN = r"(?:[^\w\n\x00]|%3[AD]|%2[02]|_|(?i:is|no|nr|number|numbers?|value)){1,16}"
_NAMED_SOCIAL = re.compile(rf"(?i:ssn|security){_BETWEEN}(?P<value>\d{{9}}|\d{{3}}[- ]\d\d[- ]\d{{4}})(?![\w-])")
_NAMED_ACCOUNT = re.compile(
    rf"(?i:iban){_BETWEEN}(?P<value>[A-Za-z]{{2}}\d{{2}}(?:[ -]?[A-Za-z0-9]){{11,30}})(?![A-Za-z0-9])"
)
_CALLED = re.compile(
    r"(?i:call(?:ed)?(?: me| us| him| her| them| back)(?: back| now)?(?: at| on)?|call (?:at|on)) "
    r"(?P<value>[2-9]\d\d[2-9]\d{6}|0[1-9]\d{8,9})(?![\w-])"
)


def _find_named(pattern: re.Pattern[str], offset: int, label: str) -> Find:
    def find(text: str, place: int) -> Span | None:
        match = pattern.match(text, place - offset) if place >= offset else None
        return (*match.span("value"), label) if match else None

    return find


NAMED_NUMBER_RULES = (
    Rule(("ssn",), _find_named(_NAMED_SOCIAL, 0, SOCIAL_SECURITY), fold=True),
    Rule(("ecur",), _find_named(_NAMED_SOCIAL, 1, SOCIAL_SECURITY), fold=True),
    Rule(("iban",), _find_named(_NAMED_ACCOUNT, 0, BANK_ACCOUNT), fold=True),
    Rule(("call",), _find_named(_CALLED, 0, PHONE), fold=True),
    Rule(("hone",), _find_named_phone(1, 5), fold=True),
    Rule(("obil",), _find_named_phone(1), fold=True),
    Rule(("efon",), _find_named_phone(3, 2), fold=True),
    Rule(("lula",), _find_named_phone(2), fold=True),
    Rule(("hats",), _find_named_phone(1), fold=True),
    Rule(("andy",), _find_named_phone(1), fold=True),
    Rule(("ufnu",), _find_named_phone(1), fold=True),
    Rule(("tel[\"':.= >]", "fax[\"':.= >]"), _find_named_phone(0), fold=True),
    Rule(("ell[=:\"']",), _find_named_phone(1), fold=True),
)
