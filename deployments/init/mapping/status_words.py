"""What the words of an unknown status column probably mean, as data: a proposal for a person to check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deployments.source_survey import named
from tasks.sources.contract.statuses import BUILT_IN, StatusMeaning
from tasks.wording.counts import counted


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
        "max_iterations 0 false no n status_code_error aborted abort refused failed_permanently"
    ),
    "unfinished": _set(
        "live active open started starting running in_progress inprogress processing working new created "
        "waiting paused pending queued scheduled retrying cancelled canceled abandoned stopped "
        "skipped interrupted killed draft ongoing idle blocked handed_over escalated"
    ),
}


@dataclass(frozen=True, slots=True)
class GuessedStatuses:
    """The words of a status column that are not built in, by meaning; those without a known one are unfinished.

    Of ``runs`` runs, ``left_out`` would be left out for these words; both are 0 where that is not known.
    """

    meanings: Mapping[StatusMeaning, Sequence[str]] = field(default_factory=dict)
    unknown: Sequence[str] = ()
    runs: int = 0
    left_out: int = 0

    @property
    def words(self) -> list[str]:
        """All words that were guessed."""
        return [word for words in self.meanings.values() for word in words]

    def sentences(self) -> list[str]:
        """What was chosen for which words and why, and what follows; empty without a guess."""
        sentences = []
        for meaning, words in self.meanings.items():
            likely = [word for word in words if word not in self.unknown]
            if likely:
                sentences.append(f"{named(likely)}: counted as {meaning}, the usual meaning.")
        if self.unknown:
            sentences.append(f"{named(self.unknown)}: counted as unfinished, because the meaning is unknown.")
        if self.left_out:
            share = f"{self.left_out:,} of {counted(self.runs, 'run')}"
            sentences.append(f"As unfinished, {share} would be left out, which changes the completion rate.")
        return sentences


def guess_statuses(words: Mapping[str, int], *, is_counted: bool = True) -> GuessedStatuses:
    """What the words that are not built in probably mean; ``words`` counts the runs of each word.

    Without ``is_counted``, the counts are not those of the runs, and none are given.
    """
    known = {word for listed in BUILT_IN.values() for word in listed}
    found: dict[StatusMeaning, list[str]] = {}
    unknown = []
    for word in words:
        plain = word.strip().lower().replace("-", "_").replace(" ", "_")
        if not plain or (plain in known and plain == word.strip().lower()):
            continue
        meaning = next((name for name, likely in _LIKELY.items() if plain in likely | set(BUILT_IN[name])), None)
        if meaning is None:
            unknown.append(word)
        found.setdefault(meaning or "unfinished", []).append(word)
    left_out = sum(words[word] for word in found.get("unfinished", ())) if is_counted else 0
    return GuessedStatuses(found, unknown, sum(words.values()) if is_counted else 0, left_out)
