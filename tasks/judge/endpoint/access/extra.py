"""``AGENT_REPORT_JUDGE_EXTRA``: what is merged into every request to the judge, and what may not be."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from tasks.errors import ConfigurationError

EXTRA = "AGENT_REPORT_JUDGE_EXTRA"
TIER = "service_tier"
# What decides which question is asked and how its answer is read, by the setting for it if there is one.
_OWNED = {
    "model": "AGENT_REPORT_JUDGE_MODEL",
    "models": "AGENT_REPORT_JUDGE_MODEL",
    "max_tokens": "AGENT_REPORT_JUDGE_MAX_OUTPUT_TOKENS",
    "max_completion_tokens": "AGENT_REPORT_JUDGE_MAX_OUTPUT_TOKENS",
    "max_output_tokens": "AGENT_REPORT_JUDGE_MAX_OUTPUT_TOKENS",
    "temperature": "AGENT_REPORT_JUDGE_TEMPERATURE",
    "messages": "",
    "prompt": "",
    "input": "",
    "instructions": "",
    "stream": "",
    "stream_options": "",
    "response_format": "",
    "n": "",
    "best_of": "",
    "tools": "",
    "tool_choice": "",
    "functions": "",
    "function_call": "",
    "modalities": "",
    "audio": "",
}
_DEEPEST = 20
# How an endpoint's words introduce the name of a field.
_KINDS = r"(?:parameter|param|argument|field|property|option|name|key|input|attribute|supplied|value for)s?"
# Further on, an error may echo the request.
_MOST_READ = 1000


def check_extra(extra: Mapping[str, Any]) -> None:
    """Refuse what may not be merged into a request.

    Raises:
        ConfigurationError: it holds a field that is set otherwise, or a number that JSON does not have.
    """
    wrong = f"wrong setting: {EXTRA}: "
    for name in extra:
        if (setting := _OWNED.get(name.strip().lower())) is None:
            continue
        instead = f": set {setting}" if setting else ""
        raise ConfigurationError(f"{wrong}{name!r} is set by this program and cannot be given{instead}")
    if (tier := extra.get(TIER)) is not None and not isinstance(tier, str):
        raise ConfigurationError(f'{wrong}{TIER} must be a text such as "flex"')
    if not _is_json(extra, _DEEPEST):
        raise ConfigurationError(f"{wrong}holds NaN or Infinity, which JSON does not have, or is nested too deeply")


def named_extra(extra: Mapping[str, Any], param: str, message: str) -> str:
    """Which field of ``extra`` an endpoint's refusal names, by its ``param`` or in its words; "" if none.

    In words it counts in quotes, or behind "parameter" and the like: fields are called ``provider`` or ``user``, too.
    """
    named = re.split(r"[.\[]", param, maxsplit=1)[0]
    for name in extra:
        word = re.escape(name)
        quoted = rf"['\"`]{word}['\"`]|\b{_KINDS}:? {word}\b|\b{word}: (?:extra|unknown|unsupported|not )"
        if name == named or (name and re.search(quoted, message[:_MOST_READ], re.IGNORECASE)):
            return name
    return ""


def _is_json(value: object, levels: int) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, Mapping | list):
        inner = value.values() if isinstance(value, Mapping) else value
        return levels > 0 and all(_is_json(part, levels - 1) for part in inner)
    return True
