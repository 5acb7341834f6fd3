"""The simulated judge on issues: runs of the same failure mode are one, read from the prompt's text alone."""

from __future__ import annotations

import re
from typing import Any

from deployments.demo.verdicts import ADVICE

_RUN = re.compile(r"^### (R\d+)$(.*?)(?=^#|\Z)", re.MULTILINE | re.DOTALL)
_KNOWN = re.compile(r"^### (I\d+)\n\| (.+)$", re.MULTILINE)
_MODE = re.compile(r"^Failure mode:\n\| (.+)$", re.MULTILINE)
_ERROR = re.compile(r"^Error:\n\| (.+)$", re.MULTILINE)
_QUOTE = re.compile(r"^Quotes:\n\| (.+)$", re.MULTILINE)
_STEP = re.compile(r"^May have gone wrong at:\n\| (.+)$", re.MULTILINE)
_NUMBER = re.compile(r"\d+")
_LONGEST_TITLE = 100
_CLAIMS = "success claimed"
_CHANGE = "Have the agent check the result before it reports success, and stop where it cannot."


def derive_issues(evidence: str) -> dict[str, Any]:
    """The answer to the question about issues: a failure mode is one issue, under the key of the same title."""
    known = {_fold(title): key for key, title in _KNOWN.findall(evidence)}
    groups: dict[str, list[tuple[str, str]]] = {}
    titles: dict[str, str] = {}
    for key, text in _RUN.findall(evidence):
        found = _MODE.search(text) or _ERROR.search(text)
        title = found[1].strip()[:_LONGEST_TITLE] if found else ""
        if title:
            titles.setdefault(_fold(title), title[:1].upper() + title[1:])
            groups.setdefault(_fold(title), []).append((key, text))
    return {"issues": [_issue(titles[fold], runs, known.get(fold, "")) for fold, runs in groups.items()]}


def _issue(title: str, runs: list[tuple[str, str]], known: str) -> dict[str, Any]:
    texts = [text for _, text in runs]
    quote = next((found[1] for text in texts if (found := _QUOTE.search(text))), "")
    step = next((found[1] for text in texts if (found := _STEP.search(text))), "")
    return {
        "runs": [key for key, _ in runs],
        "what_happens": f"The runs show the same: {title}." + (f" One of them: “{quote}”" if quote else ""),
        "title": title,
        "probable_cause": f"The result of {step} is not read before the agent answers."
        if step and title.casefold().startswith(_CLAIMS)
        else "Nothing in the instructions covers this case.",
        "what_to_change": ADVICE.get(title[:1].lower() + title[1:], _CHANGE),
        "known_issue": known,
    }


def _fold(title: str) -> str:
    return _NUMBER.sub("<n>", title.strip()[:_LONGEST_TITLE].casefold())
