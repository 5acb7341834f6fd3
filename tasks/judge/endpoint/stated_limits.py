"""What an endpoint's words state about length: its limits, what it counted, and whether prompt or answer are too long.

There are hundreds of wordings, so none is known as a whole. A number is what the nearest noun names (context, prompt,
answer, both together), and is a limit or a count by the words before it ("at most", "exceeds" / "requested", "got").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

# Further on, an error may echo the request, and with it what agents wrote.
_MOST_READ = 1000
_DEEPEST, _MOST_PARTS = 6, 20
# Below are positions, counts of messages and the like; above it is no length.
_LEAST, _MOST = 64, 10**9

_CODES = frozenset(
    {
        "context_length_exceeded",
        "context_window_exceeded",
        "exceed_context_size_error",
        "model_context_window_exceeded",
        "request_too_large",
        "string_above_max_length",
        "token_quantity_exceeded",
        "tokens_limit_reached",
        # Zhipu's and Z.ai's.
        "1261",
    }
)
_CODES_AS_WORDS = tuple(code.replace("_", " ") for code in sorted(_CODES) if not code.isdigit())
# What a server may state beside its words, such as llama.cpp's n_ctx and n_prompt_tokens.
_STATED_BESIDE = re.compile(r"ctx|context|tokens|max\w*len|prompt_len|input_len")

# Names and versions hold digits too: claude-3-5-sonnet-20240620, qwen3:14b, v0.8.
_NUMBER = re.compile(r"(?<![\w./])(?<!\w-)([1-9]\d*)(k(?!\w))?(?![\w/]|-(?!token)\w|\.\d)")
_RANGE = re.compile(r"\[\s{0,3}[01]\s{0,3}[,~-]\s{0,3}(\d{2,9})\s{0,3}\]")
_SEPARATORS = re.compile(r"(?<=\d)[,._'’\u00a0\u202f](?=\d{3}(?!\d))")
_FRACTION = re.compile(r"(?<=\d)\.0+(?!\d)")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_HYPHEN = re.compile(r"(?<=\w)-(?=\w)")
_QUOTES = re.compile(r"[\"'`*’‘“”]")
# Words of validators that name no prompt, and Go's word for a time-out.
_EMPTY_WORDS = re.compile(
    r"input should(?= be)|input (?=value=|type=)|input validation error|context deadline exceeded|context cancell?ed"
    r"|<\d{3}>|\b(?:error code|http|status code|status|code)[ :=]{0,3}\d{3}\b"
    # MiniMax's own code for it, which would pass for a limit.
    r"|\(2013\)"
)
_SENTENCE = re.compile(r"[.;!?]\s|[。；]")

_NOUNS = (
    ("output", r"(?:max )?(?:completion|output|new|generated|generation|response) (?:tokens?(?: limit)?|length|limit)"),
    ("output", r"max tokens?(?: count)?|n predict|completions?|outputs?|(?<=available )tokens"),
    ("output", r"maximum tokens(?= you requested| value)"),
    ("context", r"context(?: (?:length|size|window|limit|len))?|(?:n|num) ctx|model len(?:gth)?|session len(?:gth)?"),
    ("context", r"seq(?:uence)? len(?:gth)?|(?<!input )(?<!prompt )token limit|上下文(?:长度)?"),
    ("total", r"total (?:number of )?tokens|total of|max num tokens|n tokens|tokens per min(?:ute)?"),
    ("prompt", r"inputs?|prompts?|messages?|(?:n )?keep|query|request body|body|payload|输入"),
    ("request", r"requests?"),
)
_OWN_NOUNS = _NOUNS[:-1]
_SIGNALS = (
    ("too", r"too (?:long|large|big|many|high)|超长|过长"),
    ("more", r"exceed(?:s|ed|ing)?|[>≥]=?|(?:greater|longer|larger|bigger|more) than|above|beyond|overflow(?:s|ed)?"),
    ("more", r"超过|超出"),
    ("limit", r"max(?:imum)?|limit(?:s|ed)?|at most|up to|only|allow(?:s|ed)?|available|support(?:s|ed)?|must|cannot"),
    ("limit", r"(?:less|lower|smaller) (?:than|or equal)|[<≤]=?|range|should|within|expected?|reduce|upper"),
    ("limit", r"限制|上限|最大"),
    ("count", r"requested|passed|got|given|provided|contain(?:s|ed)?|result(?:s|ed)?|ha[sd]|have|asked|current|actual"),
    ("count", r"sent|received|will take|need(?:s|ed)?|require(?:s|d)?|tokens? count|value|当前|实际"),
)
_KIND_BY_GROUP: dict[str, str] = {}


def _one_of(*rows: tuple[str, str]) -> str:
    parts = []
    for kind, words in rows:
        group = f"g{len(_KIND_BY_GROUP)}"
        _KIND_BY_GROUP[group] = kind
        parts.append(f"(?P<{group}>{words})")
    return "|".join(parts)


_WORDS = re.compile(rf"(?<![a-z])(?:{_one_of(*_NOUNS, *_SIGNALS)})(?![a-z])")
_FILLERS = (
    r"[\s)\]]{0,3}(?:(?:tokens? )?is the )?"
    r"(?:(?:tokens?|of|in|the|your|from|for|to|text|tool|image|draft|maximum|max) ){0,4}?"
)
# "112946 in the messages", "4096 completion tokens", "32768 maximum context length".
_NOUN_BEHIND = re.compile(rf"({_FILLERS})(?:{_one_of(*_OWN_NOUNS)})(?![a-z])")
_PART_BEHIND = re.compile(r"\s?of (?:text|tool|image|audio) input")
_SUM_BEHIND = re.compile(
    r"[\s)]{0,2}tokens? ?\(?(?:prompt|input|message)s?(?: tokens?)? ?(?:\+|and|plus|&) ?(?:completion|output|answer)"
)
_LIMIT_BEHIND = re.compile(
    r"(?:[\s)\]]{0,3}(?:tokens? )?(?:are |is )?|[\s),\]]{0,3}which is )(?:the )?"
    r"(?:maximum|max\b|limit|available|allowed|supported|or less|or fewer)"
)
_EXCESS_BEHIND = re.compile(r"[\s)]{0,2}tokens? too (?:long|many|large)")
_REQUESTED_BEHIND = re.compile(r"[\s)\]]{0,3}(?:tokens? )?(?:(?:were|was|are|is) )?(?:requested|passed|given|sent)\b")
_OPERATOR = re.compile(r"[<>≤≥]=?\s?$")
# "`inputs` tokens + `max_new_tokens` must be <= 4096".
_SUM = re.compile(r"\s?(?:tokens?|length|count)?\s?(?:and|\+|plus|&)\s?(?:the |maximum |requested ){0,2}$")
# "(57535) must be less than …": the number is what is compared with a limit, whatever its noun.
_COMPARED = re.compile(
    r"[\s)\]]{0,3}(?:tokens?[\s)\],]{0,3})?(?:is |are |which |that |and |it ){0,2}"
    r"(?:exceed|>|longer|greater|larger|more than|must|cannot|can not|should|may not|not less|not within|too )"
)
# "context size of 4096 tokens exceeded", where the number is the limit.
_EXCEEDED = re.compile(r"[\s)\]]{0,3}(?:tokens? )?(?:was |is |has been |have been )?exceeded\s{0,3}(?:$|[.,;:)]|by )")
_NO_TOKENS = re.compile(r"[\s)]{0,2}(?:characters?|chars|bytes|words|messages)\b")
_OVER_BY = re.compile(r"\bby (?:about |at least )?$")

_SHORT_OF_TIME = re.compile(
    r"rate[ _-]?limit|too many requests|per (?:minute|min|day|hour|second)|\b[tr]p[md]\b|throttl|quota"
    r"|please wait|try again in"
)
_TOO_LARGE_AT_ALL = re.compile(r"request too large|tokens must be reduced|reduce your message size")
_SENT = r"(?:prompt|input|request|message|query|token|payload|body|conversation|completion)s?"
_SOME = r"(?: \w+){0,5} "
_TOO_LONG = re.compile(
    r"context (?:length|size|window|limit)|max(?:imum)? context|(?:sequence|model|prompt) length|token limit"
    rf"|{_SENT}{_SOME}?too (?:long|large|many|big)|{_SENT} too (?:long|large|many|big)|too many (?:\w+ )?tokens"
    rf"|(?:prompt|input|message|token)s?{_SOME}?exceed|exceed(?:s|ed|ing)?{_SOME}?(?:prompt|input|message|token|context|byte)s?\b"
    rf"|(?:reduce|shorten|decrease){_SOME}?(?:length|size|number){_SOME}?{_SENT}"
    r"|(?:reduce|shorten|truncate) (?:the |your )?(?:prompt|input|message)s?\b"
    r"|request (?:entity |body )?too large|context(?: \w+){0,2} (?:overflow|exceed|full|reached)"
    r"|(?:prompt|input)s? ?(?:\+|and|plus) ?(?:completion|output)"
    r"|(?:prompt|输入|上下文)\w{0,6} ?(?:超长|过长|超过|超出)|(?:超过|超出)\w{0,6}(?:上下文|长度|token)"
)
_OUTPUT_TOO_LARGE = re.compile(
    r"(?:max (?:completion |output |new )?tokens|output limit)[^.]{0,60}?"
    r"(?:too (?:large|high|big)|exceed|out of range|above|larger than|greater than|超出|超过)"
)


@dataclass(frozen=True, slots=True)
class StatedLimits:
    """The lengths that a refusal states, in tokens as the endpoint counts them; None is not stated.

    ``refused`` is what has to become smaller: the ``prompt``, or the ``output`` limit alone. ``context_tokens`` holds
    prompt and answer together, ``most_prompt_tokens`` and ``most_output_tokens`` bound one of them. ``prompt_tokens``
    and ``output_tokens`` are what was sent and asked for, ``requested_tokens`` either the prompt or both together.
    ``excess_tokens`` is by how much it is too long.
    """

    refused: Literal["prompt", "output"]
    context_tokens: int | None = None
    most_prompt_tokens: int | None = None
    most_output_tokens: int | None = None
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    requested_tokens: int | None = None
    excess_tokens: int | None = None

    @property
    def has_limit(self) -> bool:
        """Whether a limit is stated, so that the next request can be made to fit."""
        stated = (self.context_tokens, self.most_prompt_tokens, self.most_output_tokens, self.excess_tokens)
        return any(tokens is not None for tokens in stated)


def read_stated_limits(words: str, body: object = None) -> StatedLimits | None:
    """What an error's ``words``, and the numbers and codes beside them in ``body``, state about length.

    None when they are about something else, such as a limit of calls or tokens in a minute.
    """
    beside = list(_beside(body, _DEEPEST))
    text = _plain(words[:_MOST_READ])
    if _SHORT_OF_TIME.search(text) and not _TOO_LARGE_AT_ALL.search(text):
        return None
    coded = any(value in _CODES for _, value in beside) or any(code in text for code in _CODES_AS_WORDS)
    numbers = " ; ".join(
        f"{_plain(key)} {value}" for key, value in beside if value.isdigit() and _STATED_BESIDE.search(key.lower())
    )
    reading = _Reading(text)
    reading.read(text)
    reading.read(numbers)
    found = reading.found
    output_too_large = _OUTPUT_TOO_LARGE.search(text) is not None
    negative = re.search(r"max (?:completion )?tokens must be at least 1,? got -(\d{1,9})", text)
    if negative:
        # vLLM: what is left of the context for the answer.
        found = {"excess_tokens": int(negative[1])}
    about_length = coded or output_too_large or negative is not None or _TOO_LONG.search(text) is not None
    if not about_length and not _are_limits(found):
        return None
    return _conclude(StatedLimits("prompt", **found), output_too_large)


def _are_limits(found: Mapping[str, int]) -> bool:
    counted = {"prompt_tokens", "output_tokens", "requested_tokens"} & found.keys()
    bounded = {"most_prompt_tokens", "most_output_tokens"} & found.keys()
    return bool(bounded or (counted and "context_tokens" in found))


def _conclude(stated: StatedLimits, output_too_large: bool) -> StatedLimits:
    context, prompt = stated.context_tokens, stated.prompt_tokens
    if context is not None:
        # "resulting in a maximum input length of 3 tokens" is only what the answer leaves, and so is the answer's.
        stated = replace(stated, most_prompt_tokens=None)
        if prompt is not None and stated.most_output_tokens == context - prompt:
            stated = replace(stated, most_output_tokens=None)
    if context is not None and prompt is not None:
        return replace(stated, refused="output" if prompt < context else "prompt")
    if context is not None and stated.output_tokens is not None and stated.output_tokens >= context:
        return replace(stated, refused="output")
    only_output = stated.most_output_tokens is not None and stated.most_prompt_tokens is None
    return replace(stated, refused="output" if context is None and (only_output or output_too_large) else "prompt")


def _plain(text: str) -> str:
    """``text`` in lower case, without quotes, with plain numbers, and names such as max_tokens as words."""
    text = _SEPARATORS.sub("", _CAMEL.sub(" ", text))
    text = _FRACTION.sub("", _RANGE.sub(r" at most \1 ", text))
    text = _QUOTES.sub("", text).lower().replace("_", " ")
    return _EMPTY_WORDS.sub(" ", text)


def _beside(value: object, levels: int, key: str = "") -> Iterator[tuple[str, str]]:
    """The keys and values of numbers and short texts in an error's body, ``levels`` deep."""
    if isinstance(value, bool):
        return
    if isinstance(value, int | str):
        if len(text := str(value)[:100]) < 60:
            yield key, text.lower() if isinstance(value, str) else text
    elif levels and isinstance(value, Mapping):
        for name, part in list(value.items())[:_MOST_PARTS]:
            yield from _beside(part, levels - 1, str(name))
    elif levels and isinstance(value, list):
        for part in value[:_MOST_PARTS]:
            yield from _beside(part, levels - 1, key)


@dataclass(slots=True)
class _Reading:
    """The numbers of a text, taken one after the other; the first of a kind counts."""

    text: str
    found: dict[str, int] = field(default_factory=dict)
    _last_count: str = ""
    _last_limit: str = ""

    def read(self, text: str) -> None:
        """Add what the numbers of ``text`` (as ``_plain`` gives it) mean."""
        numbers = [match for match in _NUMBER.finditer(text) if _LEAST <= _value(match) <= _MOST]
        if self._read_sum(text, numbers):
            return
        begin = 0
        hyphens = _HYPHEN.sub(" ", text)
        for place, match in enumerate(numbers):
            end = numbers[place + 1].start() if place + 1 < len(numbers) else len(text)
            taken = self._take(_value(match), hyphens[begin : match.start()], hyphens[match.end() : end])
            begin = match.end() + taken

    def _read_sum(self, text: str, numbers: list[re.Match[str]]) -> bool:
        """Anthropic's "188240 + 21333 > 200000"."""
        for one, two, three in zip(numbers, numbers[1:], numbers[2:], strict=False):
            if text[one.end() : two.start()].strip() == "+" and text[two.end() : three.start()].strip() in (">", ">="):
                self._note("prompt_tokens", _value(one))
                self._note("output_tokens", _value(two))
                self._note("context_tokens", _value(three))
                return True
        return False

    def _take(self, value: int, before: str, behind: str) -> int:
        """Decide what one number means; how much of the text behind it belongs to it."""
        if _NO_TOKENS.match(behind):
            return 0
        sentence = _SENTENCE.split(before)[-1]
        if _OVER_BY.search(sentence) or _EXCESS_BEHIND.match(behind):
            self._note("excess_tokens", value)
            return 0
        named = [(_kind(match), match) for match in _WORDS.finditer(sentence)]
        nouns = [(kind, match) for kind, match in named if kind in ("context", "prompt", "output", "total")]
        signals = [kind for kind, _ in named if kind in ("too", "more", "limit", "count")]
        noun = nouns[-1][0] if nouns else ("total" if any(kind == "request" for kind, _ in named) else "")
        if [kind for kind, _ in nouns[-2:]] == ["prompt", "output"]:
            one, two = (match for _, match in nouns[-2:])
            noun = "total" if _SUM.match(sentence[one.end() : two.start()]) else noun
        signal = signals[-1] if signals else ""
        own, exceeded = _NOUN_BEHIND.match(behind), _EXCEEDED.match(behind)
        if _SUM_BEHIND.match(behind) or sentence.strip() == "=":
            noun, signal = "total", signal or "count"
        elif own:
            noun = _kind(own)
        if exceeded or _OPERATOR.search(sentence):
            is_limit = True
        elif _COMPARED.match(behind) or _REQUESTED_BEHIND.match(behind):
            is_limit = False
            signal = signal or ("count" if _REQUESTED_BEHIND.match(behind) else "")
        elif own:
            is_limit = "max" in own[1] or (signal in ("more", "limit") if signal else noun == "context")
        elif _LIMIT_BEHIND.match(behind):
            is_limit = True
        elif signal:
            is_limit = signal in ("more", "limit")
        elif noun:
            is_limit = noun == "context"
        else:
            return 0
        if not noun and (value in self.found.values() or not (is_limit or signal)):
            return 0
        if is_limit:
            value -= behind.strip().startswith("(exclusive")
            self._take_limit(noun, value, sentence + behind[:20])
        else:
            self._take_count(noun, value, added=_PART_BEHIND.match(behind) is not None)
        belongs = own or exceeded
        return belongs.end() if belongs else 0

    def _take_limit(self, noun: str, value: int, around: str) -> None:
        if not noun and {"prompt_tokens", "output_tokens"} <= self.found.keys():
            noun = "context"
        noun = noun or {"total": "context"}.get(self._last_count, self._last_count)
        if not noun:
            # No noun is near: what the text as a whole is about.
            kinds = {_kind(match) for match in _WORDS.finditer(self.text)}
            if _OUTPUT_TOO_LARGE.search(self.text) and not kinds & {"prompt", "context", "total"}:
                noun = "output"
            elif re.search(r"token|length|size", around) or _TOO_LONG.search(self.text):
                noun = "prompt" if "prompt" in kinds and "context" not in kinds else "context"
        self._last_limit = noun
        name = {"prompt": "most_prompt_tokens", "output": "most_output_tokens"}.get(noun, "context_tokens")
        if noun:
            self._note(name, value)

    def _take_count(self, noun: str, value: int, *, added: bool) -> None:
        noun = noun or self._last_limit
        noun = noun if noun in ("prompt", "output") else "total"
        self._last_count = noun
        name = {"prompt": "prompt_tokens", "output": "output_tokens", "total": "requested_tokens"}[noun]
        if added and name in self.found:
            self.found[name] += value
        self._note(name, value)

    def _note(self, name: str, value: int) -> None:
        self.found.setdefault(name, value)


def _value(match: re.Match[str]) -> int:
    return int(match[1][:12]) * (1000 if match[2] else 1)


def _kind(match: re.Match[str]) -> str:
    return _KIND_BY_GROUP[match.lastgroup or ""]
