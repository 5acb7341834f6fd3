"""What the words of an unknown status column probably mean, as data: a proposal for a person to check."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tasks.sources.contract.statuses import BUILT_IN, StatusMeaning


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_LIKELY: Mapping[StatusMeaning, frozenset[str]] = {
    "completed": _set(
        "complete completed finished finish closed resolved solved answered successful success passed "
        "pass delivered ended fulfilled handled good replied responded done ok 1 true yes y "
        "status_code_ok"
    ),
    "failed": _set(
        "fail failed broke broken crash crashed exception err errored fatal timeout timedout expired "
        "rejected invalid bad unsuccessful incomplete unresolved unsolved gave_up max_turns "
        "max_iterations 0 false no n status_code_error"
    ),
    "unfinished": _set(
        "live active open started starting running in_progress inprogress processing working new created "
        "waiting paused pending queued scheduled retrying cancelled canceled aborted abandoned stopped "
        "skipped interrupted killed draft ongoing idle blocked handed_over escalated"
    ),
}


def guess_statuses(words: Iterable[str]) -> tuple[dict[StatusMeaning, list[str]], list[str]]:
    """The words that are not built in, by what they probably mean, and those of which that is unknown."""
    known = {word for words in BUILT_IN.values() for word in words}
    found: dict[StatusMeaning, list[str]] = {}
    unknown = []
    for word in words:
        plain = word.strip().lower().replace("-", "_").replace(" ", "_")
        if not plain or (plain in known and plain == word.strip().lower()):
            continue
        meaning = next((name for name, likely in _LIKELY.items() if plain in likely | set(BUILT_IN[name])), None)
        if meaning is None:
            unknown.append(word)
        else:
            found.setdefault(meaning, []).append(word)
    return found, unknown
