"""Reasoning that a model writes into its answer, in whatever tags: it is a draft, and never the answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from tasks.errors import UnusableAnswerError

# Passes over the whole text that all attempts to read an object may take together.
_MOST_PASSES = 50
_CHANNEL = "channel"
_PLAIN = "in plain words"
_QUOTES = ("`", '"', "'")
_NAME = (
    r"(?:\w{1,20}[:|]|longcat_)?(?:(?:inner|internal|hidden|chain|begin|end|start|of|my|ant|model)[_ \u2581-]?){0,3}"
    r"(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflect(?:ion)?|analysis|scratch_?pad|monologue|cot|plan(?:ning)?"
    r"|deliberation|draft)(?:[_ \u2581-]?(?:process|content|trace|steps?|text|fast(?:er)?))?(?::\w{1,20})?"
)
# DeepSeek writes its special tokens with the wide one.
_BAR = r"[|\uff5c]"
_SLASH = r"[/\\\uff0f]"
_ENDS = re.compile(r"(?:\w{1,20}[:|])?end")
# After the name: attributes, which never hold a bracket of the kind.
_MARKER = re.compile(
    # <think>, </ Thinking >, <thought id="1">, <think/>, <seed:think>, <|begin_of_thought|>, <|END_THINKING|>, ◁think▷
    rf"(?P<open>[<\uff1c\u25c1]\s{{0,9}}{_BAR}?\s{{0,9}}(?P<slash>{_SLASH}?)\s{{0,9}}(?P<tag>{_NAME})(?![\w-])"
    rf"(?:\s[^<>]{{0,200}})?\s{{0,9}}(?P<empty>{_SLASH}?)\s{{0,9}}{_BAR}?\s{{0,9}}[>\uff1e\u25b7])"
    # The same with its brackets escaped: &lt;think&gt;
    rf"|&lt;\s{{0,9}}(?P<slash2>/?)\s{{0,9}}(?P<tag2>{_NAME})\s{{0,9}}&gt;"
    # [THINK] and [/THINK] of Mistral
    r"|\[\s{0,9}(?P<slash3>/?)\s{0,9}(?P<tag3>think(?:ing)?|thoughts?|reasoning)\s{0,9}\]"
    # Harmony: <|channel|>analysis … <|end|>, then <|channel|>final; Gemma writes <|channel>thought … <channel|>
    r"|<\s{0,9}\|\s{0,9}channel\s{0,9}\|?\s{0,9}>\s{0,9}(?P<channel>\w{0,40})"
    r"|(?P<unchannel><\s{0,9}channel\s{0,9}\|\s{0,9}>)"
    r"|(?P<end><\s{0,9}\|\s{0,9}(?:end|call|return)\s{0,9}\|\s{0,9}>)"
    # Granite, Apriel, Apertus and Pangu
    r"|(?P<begin>Here(?: is|['\u2019]s) my thought process:|Here are my reasoning steps:"
    r"|<\|inner_prefix\|>|\[unused16\])"
    r"|(?P<final>Here(?: is|['\u2019]s) my response:|\[BEGIN FINAL RESPONSE\]|<\|inner_suffix\|>|\[unused17\])"
    # Harmony whose special tokens were left out: analysisWe need … assistantfinal{…}
    # With a blank between they are ordinary words, unless what follows begins a line or an object.
    r"|assistant(?:(?P<bare>analysis|commentary|final)(?=\W|[A-Z]|$)"
    r"|\s{1,9}(?P<bare3>analysis|commentary|final)(?=\s{0,9}(?:[\n{]|$)))"
    r"|(?-i:\A\s{0,99}(?P<bare2>analysis)(?=[A-Z\"'{]|<\|message\|>))",
    re.IGNORECASE,
)


def answer_part(text: str) -> str:
    """``text`` without its reasoning: what stands in no reasoning block and before no closing tag; "" when all does.

    A tag within the strings of a JSON object is a part of that object: a judge may quote one.
    """
    parts: list[str] = []
    blocks: list[str] = []
    start, seen = 0, 0
    for marker in _markers(text):
        kind = _kind(marker, blocks)
        if kind == "closing":
            parts, start = [], marker.end()
            blocks = _still_open(blocks, marker)
        elif kind and not blocks:
            parts.append(text[start : marker.start()])
            blocks = [kind]
        elif kind and kind != "channel" and text[seen : marker.start()].strip() and not _is_quoted(text, marker):
            # Behind another one, it is the same: a template writes one, and the model too.
            blocks.append(kind)
        seen = marker.end()
    return "".join(parts if blocks else [*parts, text[start:]])


def require_answer_part(text: str) -> str:
    """What ``answer_part`` leaves of ``text``, where that must be an answer.

    Raises:
        UnusableAnswerError: ``text`` is empty, or nothing but reasoning.
    """
    if not text.strip():
        raise UnusableAnswerError(["the answer is empty"])
    part = answer_part(text)
    if not part.strip():
        raise UnusableAnswerError(["the answer is nothing but reasoning; the JSON object must follow it"])
    return part


def _kind(marker: re.Match[str], blocks: Sequence[str]) -> str:
    """What a marker does within ``blocks``: "closing", the name of the block that it opens, or ""."""
    found = marker.groupdict()
    if found["channel"] is not None:
        return "closing" if found["channel"].lower() == "final" else _CHANNEL
    if found["end"]:
        # It ends an answer, too.
        return "closing" if _CHANNEL in blocks else ""
    if found["begin"] or found["final"]:
        return "closing" if found["final"] else _PLAIN
    if bare := found["bare"] or found["bare2"] or found["bare3"]:
        return "closing" if bare.lower() == "final" else _CHANNEL
    ends = any(found[name] for name in ("slash", "slash2", "slash3", "empty", "unchannel"))
    name = _name(marker)
    return "closing" if ends or _ENDS.match(name) else name


def _still_open(blocks: list[str], closing: re.Match[str]) -> list[str]:
    """Which of ``blocks``, the outermost first, are open behind a closing marker.

    It closes the block of its name and those within; all, where none has its name (</thinking> for <think>). A channel
    is closed by its own markers only.
    """
    name = _name(closing)
    if name in blocks:
        return blocks[: len(blocks) - 1 - blocks[::-1].index(name)]
    return blocks[: blocks.index(_CHANNEL) + 1] if name and _CHANNEL in blocks else []


def _name(marker: re.Match[str]) -> str:
    """The name of a tag; "" of the markers of channels."""
    return (marker["tag"] or marker["tag2"] or marker["tag3"] or "").lower()


def _is_quoted(text: str, marker: re.Match[str]) -> bool:
    """Whether reasoning only mentions the tag: `<think>`."""
    return text[marker.start() - 1 : marker.start()] in _QUOTES and text[marker.end() : marker.end() + 1] in _QUOTES


def _markers(text: str) -> Iterator[re.Match[str]]:
    """The markers of reasoning in ``text`` that stand outside of JSON objects."""
    # Far cheaper than reading the objects, and most answers have none.
    marker = _MARKER.search(text)
    brace = text.find("{")
    work = _MOST_PASSES * len(text)
    decoder = json.JSONDecoder(strict=False, parse_int=float)
    while marker:
        if work <= 0 or not 0 <= brace < marker.start():
            yield marker
            position = marker.end()
        else:
            position, read = _after_object(decoder, text, brace)
            work -= read
        if marker.start() < position:
            marker = _MARKER.search(text, position)
        if 0 <= brace < position:
            brace = text.find("{", position)


def _after_object(decoder: json.JSONDecoder, text: str, start: int) -> tuple[int, int]:
    """Where the object at ``start`` ends (what is none ends after its brace), and how many characters that took."""
    try:
        _, end = decoder.raw_decode(text, start)
    except json.JSONDecodeError as error:
        # The error counts the lines up to its place.
        return start + 1, error.pos - start + error.pos // 50 + 1
    except (ValueError, RecursionError):
        return start + 1, len(text) - start
    return end, end - start
