"""Values that are no secrets though they stand where one would: masks, variables, paths, names in words, sentences."""

from __future__ import annotations

import re

from tasks.redaction.kinds import words

DIGIT = re.compile(r"\d")
LETTER = re.compile(r"[^\W\d_]")
SPACE = re.compile(r"\s")
PLACEHOLDER = re.compile(r"\[[A-Za-z][\w -]{0,39}\]")
"""What stands in the place of something that was replaced: a label, whose form this is, in brackets."""

EXPRESSION = PLACEHOLDER.pattern + r"|\$\(|\{|<|\$\{\{|[A-Za-z_.]++[(\[]|[A-Za-z_]\w*+(?:\.\w++)++\("
"""What a bare value begins with when it is an expression in some language."""

_NO_VALUE = re.compile(
    EXPRESSION
    # Tags of YAML, and where a secret is kept.
    + r"|!(?:secret|vault|env|ENV|Ref|Sub|GetAtt|ImportValue|Join|reference)\b|op://|vault:|(?:aws-)?ssm:|arn:aws"
    r"|https?://|file:|env[:.]|projects/[\w-]+/secrets/|ENC\["
    # What it is in full: a variable of a shell, of a template, of SQL; a mask; two or more dots.
    r"|(?:\$\{?\w++\}?|\$\{\w++:?(?:-|\?[^}\s]{0,60})\}|%\(?\w*\)?[sd]?%?|%\w++%|@\w++@?|:[a-z_]\w*+|\?+|[*xX•.…#_-]++|\*\w*"
    r"|[\"'`]?\.{2,}|\W{1,3}"
    r"|(?:self|os|settings|config|cfg|env|args|process|request|req|options|opts|ctx|this|vault|secrets|data|form|user"
    r"|state|props|params|body|row|cls|app|payload|values|var|local|module|each|github|inputs|conf)\.[A-Za-z_.]++"
    # A name of the program's own: db_password, newPassword.
    r"|(?:db|user|admin|new|old|current|confirm|raw|plain|plaintext|hashed|hash|encrypted|input|form|get|my_?db|the|database)"
    r"(?:_(?:user_)?(?:password|passwd|pwd|pass|token|secret|key)|(?:Password|Passwd|Token|Secret|Key)|_?apiKey|_?api_key)"
    r"|your[-_ ]\S{0,60}|<\S{0,60}>|(?i:redacted|changeit|placeholder|dummy|todo|tbd|n/?a)\S{0,3}"
    r")\Z"
)
# Paths of files: /run/secrets/db, ~/.ssh/id_ed25519, certs/key2.pem, C:\\keys.
_PATH = re.compile(
    r"(?:~|\.{0,2})(?:/[\w.@-]{1,30}){2,12}/?\Z|[~.]{1,2}/[\w.@-]{1,60}\Z|[A-Za-z]:[\\/]{1,2}[\w.\\/ -]{1,200}\Z"
    r"|[\w./-]{1,200}\.(?:pem|key|crt|p12|pfx|jks|json|ya?ml|txt|env|pub|ppk|cfg|ini)\Z"
)
_NOTHING = words(
    """
    none null nil undefined true false yes no str string text int bytes any optional required must is was are be has
    not incorrect invalid wrong missing empty expired changed failed blank set unset given hidden redacted masked
    removed secret token password passwd pwd username user key value prompt authentication reset login example field
    for from in to the a an of and or with you your this that it bearer basic varchar char nvarchar boolean number
    optional[str] secretstr object array enabled disabled unknown expected unexpected
    """
)
_LONGEST_NOTHING = 20


def is_placeholder(text: str, start: int, end: int) -> bool:
    """Whether what stands there is no secret itself: a placeholder, a mask, a variable, a word about a secret."""
    value = text[start:end]
    if value.isalnum() and not value.isalpha():
        return False
    if end - start <= _LONGEST_NOTHING and value.strip(".:!?,").lower() in _NOTHING:
        return True
    return _NO_VALUE.match(text, start, end) is not None


def is_path(value: str) -> bool:
    """Whether ``value`` names a file."""
    return ("/" in value or "." in value or "\\" in value) and _PATH.match(value) is not None


_ABOUT = re.compile(
    r"(?i:(?:is|must|should|shall|can|can't|cannot|may|needs?|does|doesn't|has|have|was|too|at least|invalid|incorrect|"
    r"wrong|missing|required|this|the|your|please|enter|type|choose|forgot|reset|change|confirm|repeat|new|old|current|"
    r"minimum|maximum|min|max|not|no|only|a|an|show|hide|mot|minimo|mindestens|muss|bitte|ihr|dein)\b)"
)


def is_sentence(value: str) -> bool:
    """Whether a quoted value is a sentence about a password ("is too short"), or its label in a form."""
    return " " in value and (_ABOUT.match(value) is not None or "assword" in value or "asswort" in value)


_WORDS = re.compile(
    r"(?:(?:[A-Z]?[a-z]{2,}+|[A-Z]{2,}+)++\d{0,4}|[A-Za-z]?\d{1,4}|[A-Za-z])"
    r"(?:[-_./:@+ #](?:(?:[A-Z]?[a-z]{2,}+|[A-Z]{2,}+)++\d{0,4}|[A-Za-z]?\d{1,4}|[A-Za-z]|v\d+))*+"
)
_PARTED = re.compile(r"[-_./:@+ #]")


def is_wordy(value: str) -> bool:
    """Whether ``value`` is words with at most four digits behind each: ``identifier2026``, ``my-app-secret-v2``."""
    return len(value) <= 120 and _WORDS.fullmatch(value) is not None


def is_name(value: str) -> bool:
    """Whether ``value`` is two or more words set together: ``billing-db-credentials1``, ``alt+shift2``."""
    return _PARTED.search(value) is not None and is_wordy(value)


_RUN = re.compile(r"\d+|[A-Z]?[a-z]+|[A-Z]+")
_LONGEST_COUNTED = 64


def turns(value: str) -> int:
    """How often the first 64 characters change between digits, small letters, capitals and signs."""
    return max(0, len(_RUN.findall(value[:_LONGEST_COUNTED])) - 1)


def is_random(value: str) -> bool:
    """Rather a key than words: long, with digits in several places."""
    return len(value) >= 16 and DIGIT.search(value) is not None and turns(value) >= 3 and not is_wordy(value)


def is_mixed(value: str) -> bool:
    """Rather a password than a word: letters and digits."""
    return len(value) >= 6 and DIGIT.search(value) is not None and LETTER.search(value) is not None
