"""Text that looks like an attempt to influence the judge: flagged for the report's readers, and left where it is.

A hint, and no defence: what protects the judge is the fence, the marks and the citations. Single words of an attack
stand in honest texts ("ignore my last message", "rate us 10/10"), so two of its parts have to come together, or an
imitation of what only a prompt holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tasks.evidence.types import RunId
from tasks.judge.prompt import attack_words as words
from tasks.judge.prompt.disguises import plain_forms
from tasks.judge.prompt.fence import neutralise
from tasks.judge.prompt.screen import Screen

_AROUND = 60
_NEAR = 160
_MOST_WINDOWS = 400
_MOST = 20

# What no honest text holds: signs that hide words, and imitations of the fence, of chat templates and of the prompt.
_HIDDEN = re.compile(
    "[\u202d\u202e\U000e0020-\U000e007f]|[\U000e0100-\U000e01ef]{2}|[\u200b\u2060\ufeff]{3,}"
    "|[\u200c\u200d\ufe00-\ufe0f]{3,}"
)
_FLAG_EMOJI = re.compile("\U0001f3f4[\U000e0061-\U000e007a]{1,7}\U000e007f")
_BAIT = r"(?:leak|exfil|steal|[?&=/](?:prompt|score|evidence|secrets?|data=))"
_IMITATION = re.compile(
    r"<\s{0,9}[/\u2215\u2044]?\s{0,9}evidence(?:-[\w-]{1,40})?\s{0,9}>"
    r"|<\|{1}[\w ]{2,40}\|>|<\uff5c[\w ]{2,40}\uff5c>|\[/?inst\]|<</?sys>>|</?(?:start|end)_of_turn>|<(?:eos|bos)>\s*$"
    r"|facts, computed from all runs|^\s*(?:\|\s*)?#{2,3} r\d{1,3}: status"
    r"|^\s*(?:final response|error of the run) \((?:claim|observation)\):"
    r"|completion rate: \d{1,3} ?% \(95 ?% interval"
    r"|\"criteria\"\s{0,9}:\s{0,9}[\[{].{0,400}?\"score\"\s{0,9}:\s{0,9}\"?(?:10|9)\b"
    rf"|!\[[^\]]{{0,80}}\]\(\s{{0,9}}https?://[^)\s]{{0,200}}{_BAIT}"
    rf"|<img\b[^>]{{0,80}}src\s?=\s?[\"']?https?://[^>\s]{{0,200}}{_BAIT}",
    re.MULTILINE | re.DOTALL,
)
_IMITATED = (
    "evidence", "<|", "<\uff5c", "inst]", "<sys>", "</sys>", "_of_turn>", "<eos>", "<bos>",
    "computed from all runs", ": status", "(claim)", "(observation)", "% interval", '"criteria"', "](http", "<img",
)  # fmt: skip

# The parts of an attack, in whatever language.
_RULES_AND_INSTRUCTIONS = f"{words.INSTRUCTIONS}|{words.RULES}"
_GIVEN = f"(?:{_RULES_AND_INSTRUCTIONS})"
_OVERRIDE = re.compile(
    rf"(?P<before>\b(?:{words.NEVER})\W{{0,3}})?(?P<first>(?:{words.IGNORE})[^.!?\n]{{0,50}}?{_GIVEN}[^.!?\n]{{0,24}})"
    rf"|(?P<last>{_GIVEN}[^.!?\n]{{0,24}}?(?:{words.IGNORE}))"
)
_CORE = re.compile(words.INSTRUCTIONS)
_PRIOR = re.compile(words.PRIOR)
_ALL = re.compile(words.ALL)
_MINE = re.compile(words.MINE)
_TEN = rf"(?:{words.TEN})"
_SCORE = rf"(?:{words.SCORE})"
_TOP = (
    rf"(?:(?<!\w)(?:{words.MOST})\W{{1,3}}(?:\w{{1,12}}\W{{1,3}}){{0,2}}?{_SCORE}(?!\w)"
    rf"|(?<!\w){_SCORE}\W{{1,3}}(?:\w{{1,6}}\W{{1,3}})?(?:{words.MOST})(?!\w)"
    rf"|(?<!\w){_SCORE}[\"'\s:=]{{0,4}}(?:(?:of|to|is|von|de|di|van|em|na|on)\W{{1,3}})?"
    rf"{_TEN}(?![\w%]|\s*(?:to|-|\u2013|bis|a|until)\s*\d)"
    rf"|(?<![\d.]){_TEN}\s{{0,2}}(?:{words.OUT_OF})\s{{0,2}}{_TEN}(?!\w)"
    rf"|(?<!\w)(?:{words.GIVE})\W{{1,2}}(?:\w{{1,5}}\W)?{_TEN}(?![\w%:/-]|[.,]\d)"
    rf"|(?<!\w)(?:hochst|best)(?:note|wertung|punktzahl)|{words.CJK_MOST})"
)
_MARK = re.compile(_TOP)
_GIVE = re.compile(
    rf"(?<!\bi )(?<!\bwe )(?<!i'd )(?<!i would )(?<!we would )(?<!\w)(?:{words.GIVE})(?!\w)[^.!?\n]{{0,70}}?"
    rf"(?:{_TOP}|(?<![\w.])(?:an? )?{_TEN}(?:\s\w{{1,7}})?\s(?:for|on|in|to|a|en|per|zu|fur|pour|su|в|за)\W)"
    rf"|(?:{words.CJK_GIVE})[^.!?\n]{{0,6}}(?:{words.CJK_MOST})"
    rf"|(?:{words.CJK_MOST})[^.!?\n]{{0,4}}(?:{words.CJK_GIVE})"
    rf"|{_TOP}[^.!?\n]{{0,12}}(?<!\w)(?:{words.GIVE})(?!\w)"
)
_JUDGE = re.compile(
    r"\b(?:dear|note|attention|message|memo|reminder|notice|hey|hinweis|nachricht|nota|aviso|mensaje|avviso|notatka"
    r"|сообщение|внимание|примечание)\W{1,3}(?:(?:to|for|an|fur|para|pour|per|pro|dla|voor|a|al|ao|для|к)\W{1,2})?"
    rf"(?:(?:the|den|die|el|la|le|il|o|de|lo)\W{{1,2}}|l')?(?:ai |llm )?(?:{words.JUDGE})"
    r"|(?<!\w)(?:judges?|graders?|evaluators?|raters?)\s{0,2}(?::|\uff1a|\uff0c|(?:must|should|shall|has to|have to)\b)"
    rf"|\bif you are (?:an? |the )?(?:ai\b|llm|language model|large language|{words.JUDGE})"
    r"|\byou (?:are|act|will act|become|will be)(?: now)?(?: as)?(?: an?| the)? ?[\w ]{0,20}"
    r"(?:judge|grader|evaluator|rater)\b"
    r"|\b(?:whoever|anyone who|those who|any (?:ai|model|llm)) [\w ]{0,12}(?:review|evaluat|grad|judg|read|scor)"
    r"|(?:致|给|各位)?(?:评委|评审|评估者|评分者|评判者|裁判|審査員|採点者|評価者|채점자|평가자|심사)"
)
_CASE = re.compile(words.CASE)
_ROLE = re.compile(
    r"\byou are now\b|\bfrom now on,? (?:you|act)|\bnew (?:system )?(?:instructions?|prompt|role)\s{0,2}:"
    r"|\bdeveloper mode|\bjailbreak|\bsystem override|\bsystem\s{0,2}:"
    r"|\bdu bist (?:jetzt|nun|ab sofort)|\bab jetzt bist du|\bahora eres|\ba partir de ahora"
    r"|\btu es (?:maintenant|desormais)|\bora sei|\bagora voce e|\bтеперь ты|\bты теперь"
    r"|你现在是|从现在起|あなたは今|이제부터|너는 이제"
)
_TURN = re.compile(
    r"^\s{0,9}(?:#{1,4}\s{0,3})?(?:system|human)\s{0,3}:|^\s{0,9}#{1,4}\s{0,3}(?:assistant|user)\b", re.MULTILINE
)
_TURNS = ("system", "human")
_TURN_TO_GRADE = re.compile(
    r"^\s{0,9}(?:#{1,4}\s{0,3})?(?:system|human)\s{0,3}:"
    r".{0,80}?\b(?:you grade|you judge|you score|grade it|score it|judge it|rate it)\b",
    re.MULTILINE | re.DOTALL,
)
_SURVEY = re.compile(r"survey|umfrage|encuesta|sondage|questionnaire|feedback form|опрос|调查|アンケート|설문")

# What a window has to hold before the expressions are tried on it: finding words is a hundred times quicker.
_IGNORED = words.IGNORE.split("|")
_SCORED = words.SCORE_STEMS.split("|")
# Up to what is optional or not plain text: "rules?\b" has the stem "rule".
_STEM = re.compile(r"[^\\(\[?]*(?![?])")
_BETWEEN_ALTERNATIVES = re.compile(r"\|(?![^()]*\))")


def _stems(alternatives: str) -> list[str]:
    """What each alternative of an expression begins with."""
    found = (_STEM.match(part) for part in _BETWEEN_ALTERNATIVES.split(alternatives))
    return sorted({stem[0].rstrip() for stem in found if stem and stem[0].strip()})


_GIVEN_STEMS = ["told", *_stems(_RULES_AND_INSTRUCTIONS)]
# Whom a demand of a score speaks to, or of what: _JUDGE, _TURN and _CASE match nothing without one of them.
_ADDRESSED_STEMS = [
    *_stems(f"{words.JUDGE}|{words.CASE}"),
    *("if you are", "whoever", "anyone who", "those who", "any ai", "any model", "any llm"),
    *("criteri", "categor", "dimension", "metric", "rubric", "evaluation ", "grading "),
    *(f"this {case}" for case in ("agent", "assistant", "run", "transcript", "bot", "trace")),
    *(*_TURNS, "#"),
]
_IGNORED_AND_SCORED = (_IGNORED, _SCORED)
_ASCII_STEMS = tuple([stem for stem in stems if stem.isascii()] for stems in _IGNORED_AND_SCORED)
_TEN_OR_MOST = re.compile(
    rf"(?<![\w.,])(?:{words.TEN}|{words.MOST})(?!\w)|{words.CJK_MOST}|(?:hochst|best)(?:note|wert|punkt)"
)
# A quicker look for the same, which finds all of it in ASCII and some more.
_ASCII_TOP = re.compile(
    rf"(?<![\w.,])(?:{'|'.join(stem for stem in _stems(f'{words.TEN}|{words.MOST}') if stem.isascii())})|hochst|best"
)
_SCREEN = Screen((*_IGNORED, *_SCORED, *_IMITATED, *_TURNS), re.compile(f"{_HIDDEN.pattern}|{_FLAG_EMOJI.pattern}"))


@dataclass(frozen=True, slots=True)
class Suspicion:
    """One place that looks like an attack: the run (None: the agent's own row), the part of it, and the words.

    The words are as they read when their disguise is undone.
    """

    run_id: RunId | None
    place: str
    text: str


def find_suspicions(texts: Iterable[tuple[RunId | None, str, str | None]]) -> tuple[Suspicion, ...]:
    """The suspicious places in ``texts`` (run id, place, text), one for each text and at most twenty in all."""
    given = [(run_id, place, text) for run_id, place, text in texts if text]
    found: list[Suspicion] = []
    excerpts: dict[str, str] = {}
    for index in _SCREEN.passed([text for _, _, text in given]):
        run_id, place, text = given[index]
        if text not in excerpts:
            excerpts[text] = _suspicious(text)
        if excerpts[text]:
            found.append(Suspicion(run_id, place, excerpts[text]))
            if len(found) == _MOST:
                break
    return tuple(found)


def _suspicious(text: str) -> str:
    for form, start, end in _places(text):
        return " ".join(neutralise(form[max(0, start - _AROUND) : end + _AROUND]).split())
    return ""


def _places(text: str) -> Iterator[tuple[str, int, int]]:
    if not text.isascii() and (hidden := _HIDDEN.search(plain := _FLAG_EMOJI.sub("", text))):
        yield plain, *hidden.span()
    for form in plain_forms(text):
        if any(sign in form for sign in _IMITATED) and (found := _IMITATION.search(form)):
            yield form, *found.span()
        yield from ((form, start, end) for start, end in _attacks(form))
        if any(word in form for word in _TURNS) and (turn := _TURN_TO_GRADE.search(form)):
            yield form, *turn.span()


def _attacks(form: str) -> Iterator[tuple[int, int]]:
    """Where two parts of an attack stand near each other."""
    is_addressed = _holds_any(form, _ADDRESSED_STEMS)
    if not is_addressed and not _holds_any(form, _GIVEN_STEMS):
        return
    looked = 0
    for start, end, ignores in _windows(form, is_addressed=is_addressed):
        window = form[start:end]
        overrides = ignores and _holds_any(window, _GIVEN_STEMS)
        is_demand = is_addressed and _holds_any(window, _ADDRESSED_STEMS)
        scores = is_demand and _TEN_OR_MOST.search(window) is not None
        if not overrides and not scores:
            continue
        if found := (overrides and _overriding(window)) or (scores and _demanding(window)):
            yield start + found.start(), start + found.end()
        looked += 1
        if looked == _MOST_WINDOWS:
            return


def _holds_any(text: str, stems: Iterable[str]) -> bool:
    # A look a stem, and no more: a generator would take as long again.
    return any(map(text.__contains__, stems))


def _overriding(window: str) -> re.Match[str] | None:
    """A place that asks to ignore what came before: all of it, or as a judge, or for a score."""
    found = [override for override in _OVERRIDE.finditer(window) if not override["before"]]
    if found and any(part.search(window) for part in (_MARK, _JUDGE, _ROLE)):
        return found[0]
    return next((override for override in found if _is_plain(override)), None)


def _demanding(window: str) -> re.Match[str] | None:
    """A place that mentions the best score, to a judge or for what is judged here."""
    mark = _MARK.search(window)
    if mark is None:
        return None
    given = _CASE.search(window) and _GIVE.search(window) and not _SURVEY.search(window)
    return mark if given or _JUDGE.search(window) or _TURN.search(window) else None


def _is_plain(override: re.Match[str]) -> bool:
    """Whether its words alone show that it is no customer's: all that the model was given before is to be ignored."""
    phrase = override["first"] or override["last"]
    if not _CORE.search(phrase) or not _PRIOR.search(phrase) or _MINE.search(phrase):
        return False
    return bool(_ALL.search(phrase)) or re.match(r"(?:ignor|disregard)\w*\s?(?:previous|prior)", phrase) is not None


def _windows(form: str, *, is_addressed: bool) -> Iterator[tuple[int, int, bool]]:
    """The parts of ``form`` around words of an attack, and whether one of the words is to ignore something.

    Each word stands in one, with some hundred characters around. Words of scoring count only in a text that also names
    the best score, and whom or what it is for.
    """
    is_ascii = form.isascii()
    ignored, scored = _ASCII_STEMS if is_ascii else _IGNORED_AND_SCORED
    ignoring = _blocks(form, ignored)
    scoring = _blocks(form, scored) if is_addressed and (not is_ascii or _ASCII_TOP.search(form)) else set()
    for block in sorted(ignoring | scoring):
        yield max(0, (block - 1) * _NEAR), (block + 2) * _NEAR, block in ignoring


def _blocks(form: str, stems: Iterable[str]) -> set[int]:
    blocks: set[int] = set()
    for stem in stems:
        at = form.find(stem)
        while at >= 0:
            blocks.add(at // _NEAR)
            at = form.find(stem, (at // _NEAR + 1) * _NEAR)
    return blocks
