"""Redaction: secrets and personal data in agents' texts, replaced by labelled placeholders such as ``[api key]``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from tasks.errors import ConfigurationError, RedactionError
from tasks.redaction.anchors import Anchors, Places
from tasks.redaction.crowding import CROWDED, drop_idle, find_crowded
from tasks.redaction.kinds import BARREN, Need, Rule, Span
from tasks.redaction.numbers import NumberFinder, find_cards, find_number_places
from tasks.redaction.optional import IP_ADDRESSES, OPTIONAL_RULES, find_ip_addresses
from tasks.redaction.plain_values import PLACEHOLDER
from tasks.redaction.rules import ANCHORED_RULES

Hook = Callable[[str], str]
OWN_CODE = "own code"
"""The label under which texts that the hook changed are counted; the hook writes its own placeholders."""


class RuleSet:
    """Rules, and where in a text each of them is worth a try."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._anchors = Anchors([(anchor, rule.fold) for rule in rules for anchor in rule.anchors])
        anchored = [rule for rule in rules for _ in rule.anchors]
        by_key = [[anchored[number] for number in numbers] for numbers in self._anchors.numbers]
        self._begins = np.array([all(rule.begins for rule in rules) for rules in by_key])
        self._at = self._anchors.key("@")
        self.finds = [tuple((rule.find, rule.need) for rule in rules) for rules in by_key]
        """Finders by the key of a place; the keys of numbers come after these."""

    def find_places(self, text: str, coded: bytes) -> Places:
        """Where rules are worth a try, by place. ``coded`` as for ``Anchors.find``."""
        anchored = drop_idle(text, coded, self._anchors.find(coded), self._at, self._begins)
        numbers = find_number_places(coded)
        places = np.concatenate([anchored.places, *numbers])
        first = len(self.finds)
        keys = np.concatenate([anchored.keys, *(np.full(len(each), first + key) for key, each in enumerate(numbers))])
        order = np.argsort(places, kind="stable")
        return Places(places[order], keys[order])


RULE_SET = RuleSet(ANCHORED_RULES)
"""What is always on."""
# No rule matches across it, and no text of ours holds it: see read_text.
_BETWEEN = "\x00"


class Redactor:
    """Replaces what the built-in rules find, then what one's own rules and hook do. Immutable, for any thread.

    Args:
        rules: own regular expressions by label; ``{"customer": "K-[0-9]{6}"}`` writes ``[customer]``.
        hook: own code, text to text, called with every text that is not empty after all rules.
        also: kinds of ``optional.KINDS`` that are replaced as well.

    Raises:
        RefusedError: an expression is wrong or matches the empty text, or a label is no label; names the label.
    """

    def __init__(
        self, rules: Mapping[str, str] | None = None, hook: Hook | None = None, also: Collection[str] = ()
    ) -> None:
        self._own = [(label, _compile(label, expression)) for label, expression in (rules or {}).items()]
        self._hook = hook
        more = [rule for rule in OPTIONAL_RULES if rule.option in also]
        self._rules = RuleSet([*ANCHORED_RULES, *more]) if more else RULE_SET
        self._ip_addresses = IP_ADDRESSES in also

    def redact(self, text: str) -> str:
        """``text`` with placeholders; the same when there is nothing to replace. By the built-in rules, redacting
        twice changes nothing more.

        Raises:
            RedactionError: the hook failed.
        """
        return self.redact_texts([text], Counter())[0] or ""

    def redact_texts(self, texts: Sequence[str | None], counts: Counter[str], groups: int = 1) -> list[str | None]:
        """``texts`` with placeholders, None where None was; adds to ``counts`` how many of each label were written.

        Many at once cost less than one by one. How many numbers are looked up is bounded for each of the ``groups``
        that the texts are of (such as runs). NUL becomes U+FFFD.

        Raises:
            RedactionError: the hook failed.
        """
        given = [text for text in texts if text]
        if not given:
            return list(texts)
        joined = _BETWEEN.join(given)
        if joined.count(_BETWEEN) >= len(given):
            given = [text.replace(_BETWEEN, "\ufffd") for text in given]
            joined = _BETWEEN.join(given)
        redacted = _replace(joined, self._find(joined, groups), counts)
        done = iter(given if redacted is joined else redacted.split(_BETWEEN))
        if self._own or self._hook:
            done = iter([self._redact_own(text, counts) for text in done])
        return [next(done) if text else text for text in texts]

    def _find(self, text: str, groups: int) -> list[Span]:
        # One byte for each character, so that places are those in the text; what is not Latin-1 becomes "?".
        coded = text.encode("latin-1", "replace")
        crowded = find_crowded(text, coded, self._rules.find_places(text, coded))
        spans = [(start, end, CROWDED) for start, end in crowded.stretches]
        finds = [*self._rules.finds, *(((find, Need.NOTHING),) for find in NumberFinder(len(text), groups).finds)]
        covered = 0
        barren = [0] * len(Need)
        for place, key in zip(crowded.left.places.tolist(), crowded.left.keys.tolist(), strict=True):
            for find, need in finds[key]:
                # What stands inside a secret is gone with it; without this hostile texts would be read again and again.
                if place < covered:
                    break
                if place < barren[need] or (span := find(text, place)) is None:
                    continue
                if span[2] == BARREN:
                    barren[need] = span[1]
                    continue
                if span[1] > covered:
                    covered = span[1]
                spans.append(span)
        spans += find_cards(text, coded, _merged(sorted(spans)))
        if self._ip_addresses:
            spans += find_ip_addresses(text)
        return spans

    def _redact_own(self, text: str, counts: Counter[str]) -> str:
        for label, pattern in self._own:
            text = _replace_own(text, label, pattern, counts)
        if self._hook is None:
            return text
        try:
            changed = self._hook(text)
        except Exception as error:  # noqa: BLE001
            # Its message may hold the text, so the type alone is shown, without its cause.
            raise RedactionError(f"the redaction hook failed: {type(error).__name__}") from None
        if not isinstance(changed, str):
            raise RedactionError(f"the redaction hook gave {type(changed).__name__}, not text")
        if changed != text:
            counts[OWN_CODE] += 1
        return changed.replace(_BETWEEN, "\ufffd")


def _compile(label: str, expression: str) -> re.Pattern[str]:
    if not PLACEHOLDER.fullmatch(f"[{label}]"):
        raise ConfigurationError(
            f"redact_patterns: the label {label!r} must begin with a letter and hold letters, digits, spaces, - and _ "
            "only, at most 40"
        )
    try:
        pattern = re.compile(expression)
    except (re.error, RecursionError, OverflowError) as error:
        raise ConfigurationError(f"redact_patterns: the expression of {label!r} is wrong: {error}") from None
    if pattern.match(""):
        raise ConfigurationError(f"redact_patterns: the expression of {label!r} matches the empty text")
    return pattern


def _replace(text: str, found: Sequence[Span], counts: Counter[str]) -> str:
    spans = _merged(sorted(found))
    if not spans:
        return text
    parts = []
    done = 0
    for start, end, label in spans:
        parts += [text[done:start], f"[{label}]"]
        counts[label] += 1
        done = end
    parts.append(text[done:])
    return "".join(parts)


def _merged(spans: Sequence[Span]) -> list[Span]:
    """Spans that overlap as one, with the label of the first; what is crowded stays so."""
    merged: list[Span] = []
    for start, end, label in spans:
        if merged and start < merged[-1][1]:
            first = merged[-1]
            merged[-1] = (first[0], max(end, first[1]), CROWDED if label == CROWDED else first[2])
        else:
            merged.append((start, end, label))
    return merged


def _replace_own(text: str, label: str, pattern: re.Pattern[str], counts: Counter[str]) -> str:
    parts = []
    done = place = 0
    written = f"[{label}]"
    holders = [match.span() for match in PLACEHOLDER.finditer(text)]
    holders.append((len(text), len(text)))
    ahead = iter(holders)
    opened, closed = next(ahead)
    while place <= len(text) and (match := pattern.search(text, place)) is not None:
        start, end = match.span()
        place = max(end, start + 1)
        while closed <= start < len(text):
            opened, closed = next(ahead)
        # A placeholder is no evidence: an expression for words must not begin in the words of one.
        if opened <= start < closed:
            place = closed
        elif end > start:
            parts += [text[done:start], written]
            counts[label] += 1
            done = end
    return "".join([*parts, text[done:]]) if parts else text
