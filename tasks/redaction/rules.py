"""All rules: what they look for, and by which letters each place that is worth a try is found."""

from __future__ import annotations

from tasks.redaction.commands import COMMAND_RULES
from tasks.redaction.emails import EMAIL_RULES
from tasks.redaction.headers import HEADER_RULES
from tasks.redaction.infixes import INFIX_RULES
from tasks.redaction.kinds import API_KEY, PASSWORD, PRIVATE_KEY, SECRET, TOKEN, Need, Rule
from tasks.redaction.named_values import (
    NAMED_NUMBER_RULES,
    find_below,
    find_beside,
    find_in_prose,
    find_named_key,
    is_key,
    is_key_in_prose,
    is_pass,
    is_password,
    is_pwd,
    is_random_key,
    is_signature,
    is_token,
)
from tasks.redaction.plain_values import is_mixed
from tasks.redaction.shapes import SHAPE_RULES

# What can follow the end of a name.
_ENDS = " =:\"'\\`%>\t&?,"
_PASSWORD = r"passw(?:or[dt]|d)\d?"  # noqa: S105 - a name
_SECRET = r"secret(?:[-_ ]?(?:access[-_ ]?)?key)?(?:[-_]?base)?"  # noqa: S105
_API_KEY = r"api[-_ ]?key\d?"


def _named(anchors: tuple[str, ...], label: str, name: str, offset: int) -> Rule:
    """A key beside its name: a value with a digit, or a long one without a dot."""
    find = find_beside(label, name, offset, is_key, Need.DIGIT_OR_NO_DOT)
    return Rule(anchors, find, fold=True, need=Need.DIGIT_OR_NO_DOT)


NAMED_RULES = (
    Rule(("assw",), find_beside(PASSWORD, _PASSWORD, 1, is_password), fold=True),
    Rule(("assw",), find_in_prose(PASSWORD, _PASSWORD, 1, is_mixed), fold=True),
    Rule(("assw",), find_below(PASSWORD, r"passw(?:or[dt]|d)", 1), fold=True),
    Rule(("assp",), find_beside(PASSWORD, r"passphrase", 1, is_password), fold=True),
    Rule(("assc",), find_beside(PASSWORD, r"pass[-_ ]?code", 1, is_password), fold=True),
    Rule(("assp", "assc"), find_in_prose(PASSWORD, r"pass(?:phrase|code)", 1, is_mixed), fold=True),
    Rule(
        ("ass[=:\"'%]",),
        find_beside(PASSWORD, r"pass", 1, is_pass, Need.DIGIT),
        fold=True,
        need=Need.DIGIT,
    ),
    Rule(("-pas",), find_beside(PASSWORD, r"pass", -1, is_pass), fold=True),
    Rule((f"pwd[{_ENDS}]", f"Pwd[{_ENDS}]", f"PWD[{_ENDS}]"), find_beside(PASSWORD, r"pwd", 0, is_pwd)),
    # Spanish, Portuguese, German, Dutch, French.
    Rule(("rase",), find_in_prose(PASSWORD, r"contrase(?:ñ|n)a", 4, is_mixed), fold=True),
    Rule(("senh",), find_in_prose(PASSWORD, r"senha", 0, is_mixed), fold=True),
    Rule(("mot ",), find_in_prose(PASSWORD, r"mot de passe", 0, is_mixed), fold=True),
    Rule(("pw[:=\"']",), find_beside(PASSWORD, r"(?<![A-Za-z])pw", 0, is_pass), fold=True),
    Rule(("rase",), find_beside(PASSWORD, r"contrase(?:ñ|n|\\u00f1)a", 4, is_password), fold=True),
    Rule(("senh",), find_beside(PASSWORD, r"senha", 0, is_password), fold=True),
    Rule(("ennw",), find_beside(PASSWORD, r"kennwort", 1, is_password), fold=True),
    Rule(("chtw",), find_beside(PASSWORD, r"wachtwoord", 2, is_password), fold=True),
    Rule(("mot ",), find_beside(PASSWORD, r"mot de passe", 0, is_password), fold=True),
    _named(("secr",), SECRET, _SECRET, 0),
    Rule((f"ken[{_ENDS}]",), find_beside(TOKEN, r"token", 2, is_token, Need.DIGIT), fold=True, need=Need.DIGIT),
    Rule(("ken ", "ken'"), find_in_prose(TOKEN, r"token", 2, is_key_in_prose), fold=True),
    _named(("pi[_ -]k", "pike"), API_KEY, _API_KEY, 1),
    Rule(("pi[_ -]k", "pike"), find_below(API_KEY, _API_KEY, 1), fold=True),
    Rule(("pi[_ -]k", "pike"), find_in_prose(API_KEY, _API_KEY, 1, is_key_in_prose), fold=True),
    Rule(("secr",), find_in_prose(SECRET, _SECRET, 0, is_key_in_prose), fold=True),
    _named(("nt[_ -]k", "ntke"), API_KEY, r"account[-_ ]?key\d?", 5),
    _named(("ss[_ -]k", "sske"), API_KEY, r"access[-_ ]?key(?:[-_ ]?id)?\d?", 4),
    _named(("te[_ -]k", "teke"), PRIVATE_KEY, r"private[-_ ]?key", 5),
    Rule(("[_-]key",), find_named_key, fold=True),
    Rule(("[a-z]Key",), find_named_key),
    Rule(("y-da",), find_beside(PRIVATE_KEY, r"client-key-data", 8, is_random_key), fold=True),
    Rule(("uth[\"':=]", "uth\\"), find_beside(PASSWORD, r"(?<![A-Za-z-])auth", 1, is_random_key)),
    Rule(("sig=",), find_beside(TOKEN, "sig", 0, is_signature)),
    Rule(("gnat",), find_beside(TOKEN, "signature", 2, is_signature), fold=True),
)
ANCHORED_RULES: tuple[Rule, ...] = (
    *EMAIL_RULES,
    *NAMED_RULES,
    *HEADER_RULES,
    *COMMAND_RULES,
    *SHAPE_RULES,
    *INFIX_RULES,
    *NAMED_NUMBER_RULES,
)
"""Every rule that is always on and tried where its anchors are."""
