"""Text that looks like an attempt to talk the judge round: flagged for the report's readers, and left where it is."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tasks.judge.fence import neutralise

_AROUND = 60
_MOST = 20
# What a text must hold before the expressions are tried on it: most texts hold none of it.
_NEEDLES = (
    "ignore", "disregard", "forget", "instruction", "judge", "grader", "evaluator", "system prompt", "full marks",
    "score", "10/10", "out of 10", "rating", "marks", "override", "<|", "[inst", "<evidence", "</evidence",
    "you are now", "end of evidence", "end of the evidence",
)  # fmt: skip
# Bounded white space: a text may hold a million of them.
_ATTACK = re.compile(
    r"(?:ignore|disregard|forget|override)\s{1,20}(?:\w+\s{1,20}){0,3}?(?:instructions?|prompts?|rules|criteria|above|previous)"
    r"|(?:new|updated|real)\s{1,20}(?:system\s{1,20})?instructions?\s{0,20}:"
    r"|you\s{1,20}are\s{1,20}now\s{1,20}(?:a|an|the|in)\b"
    r"|(?:note|message|instructions?|attention|dear)\s{0,20}(?:to|for|:)?\s{0,20}(?:the\s{1,20})?(?:judge|grader|evaluator)\b"
    r"|(?:judge|grader|evaluator)\s{1,20}(?:must|should|will|shall|has\s{1,20}to|have\s{1,20}to)\s{1,20}"
    r"(?:give|award|assign|score|rate|return|output)"
    r"|you\s{1,20}(?:must|should|shall|have\s{1,20}to)\s{1,20}(?:give|award|assign|score|rate)\s{1,20}(?:\S+\s{1,20}){0,5}?"
    r"(?:full|top|maximum|perfect|highest|10\b)"
    r"|(?:rate|score)\s{1,20}(?:\w+\s{1,20}){0,4}?(?:10/10|10\s{1,20}out\s{1,20}of\s{1,20}10)"
    r"|(?:give|award|assign|return|output)\s{1,20}(?:\w+\s{1,20}){0,4}?(?:full\s{1,20}marks|10/10|(?:a\s{1,20})?(?:score|rating)\s{1,20}of\s{1,20}\d+"
    r"|(?:top|maximum|perfect|highest)\s{1,20}(?:scores?|ratings?|marks))"
    r"|[\"']score[\"']\s{0,20}:\s{0,20}(?:10|9(?:\.\d+)?)\b"
    r"|<\|[\w ]{1,40}\|>|\[/?INST\]|</?\s{0,20}evidence[-\w]*\s{0,20}>|end\s{1,20}of\s{1,20}(?:the\s{1,20})?evidence",
    re.IGNORECASE,
)
_HIDDEN = re.compile(
    "[\u202a-\u202e\u2066-\u2069\U000e0000-\U000e0fff]|[\u200b\u2060\ufeff]{3,}|[\u200c\u200d\ufe00-\ufe0f]{3,}"
)
# Letters of full width, and signs within words that nobody sees.
_DISGUISE = re.compile("[\uff21-\uff3a\uff41-\uff5a]{4}|(?<=[A-Za-z])[\u00ad\u200b-\u200d\u2060\ufeff](?=[A-Za-z])")
_UNSEEN = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff]")


@dataclass(frozen=True, slots=True)
class Suspicion:
    """One place that looks like an attack: the run (None: the agent's own row), the part of it, and the words."""

    run_id: int | None
    place: str
    text: str


def find_suspicions(texts: Iterable[tuple[int | None, str, str | None]]) -> tuple[Suspicion, ...]:
    """The suspicious places in ``texts`` (run id, place, text), one for each text and at most twenty in all."""
    found: list[Suspicion] = []
    for run_id, place, text in texts:
        if text and (words := _suspicious(text)):
            found.append(Suspicion(run_id, place, words))
            if len(found) == _MOST:
                break
    return tuple(found)


def may_be_suspicious(text: str) -> bool:
    """Whether it is worth looking closer: quick, and sure when it says no."""
    folded = text.lower()
    if any(needle in folded for needle in _NEEDLES):
        return True
    return not text.isascii() and bool(_HIDDEN.search(text) or _DISGUISE.search(text))


def _suspicious(text: str) -> str:
    for match in _matches(text):
        start, end = max(0, match.start() - _AROUND), match.end() + _AROUND
        return " ".join(neutralise(match.string[start:end]).split())
    return ""


def _matches(text: str) -> Iterator[re.Match[str]]:
    if not may_be_suspicious(text):
        return
    yield from (found for pattern in (_HIDDEN, _ATTACK) if (found := pattern.search(text)))
    if not text.isascii() and _DISGUISE.search(text):
        plain = unicodedata.normalize("NFKC", _UNSEEN.sub("", text))
        yield from (found for found in [_ATTACK.search(plain)] if found)
