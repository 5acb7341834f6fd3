"""Failures: error texts without what differs from run to run, grouped."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tasks.evidence.types import FailurePattern, Run, RunId, Trace

_LONGEST_READ = 1000
_LONGEST_PATTERN = 200
LONGEST_EXAMPLE = 500
"""Characters of an error that are kept as an example."""

_PARTS = re.compile(
    r"""
    # A status code identifies the failure, so it stays: 500 and 404 are two failures.
    (?P<kept> \b (?: HTTP (?:/\d(?:\.\d)?)? | status (?:[ _-]?code)? | code | errno | sqlstate )
            \s* [:=]? \s* \d{3,5} \b
        | \b [45]\d\d (?= \s
            (?: Bad|Unauth|Payment|Forbidden|Not|Method|Request|Conflict|Gone|Unproc|Too|Int|Serv|Gate) ) )
    | (?P<time> \b \d{4}-\d\d-\d\d (?: [T\ ] \d\d:\d\d (?: :\d\d (?:[.,]\d+)? )? )?
            (?: \s? (?:Z\b|UTC\b|[+-]\d\d:?\d\d\b) )?
        | \b \d\d:\d\d:\d\d (?:[.,]\d+)? (?:Z\b)? )
    | (?P<uuid> \b [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12} \b )
    | (?P<url> \b [a-z][a-z0-9+.-]{1,12}:// [^\s'"<>)\]},;]+ )
    # An apostrophe within a word (can't) opens nothing.
    | (?P<text> "[^"\n]*" | (?<!\w)'[^'\n]*'(?!\w) | `[^`\n]*` )
    | (?P<email> \b [\w.+-]+@[\w-]+\.[\w.-]+ \b )
    | (?P<path> (?<![\w/\\]) (?: [A-Za-z]: | ~ | \.{1,2} )? (?: [\\/] [\w.@~+-]+ )+ [\\/]? )
    | (?P<hex> \b 0x[0-9a-f]+ \b | \b (?=[a-f]*\d) (?=\d*[a-f]) [0-9a-f]{7,} \b )
    | (?P<id> \b (?= [\w-]* [a-z] ) [a-z]+ [_-] [\w-]* \d [\w-]* \b | \b [a-z]+ \d{3,} \w* \b )
    | (?P<n> \d+ (?:[.,]\d+)* )
    """,
    re.VERBOSE | re.IGNORECASE,
)


def normalise_error(error: str) -> str:
    """``error`` as a pattern: times, UUIDs, URLs, quoted texts, e-mail addresses, paths, hexadecimal numbers, ids and
    numbers become ``<time>``, ``<uuid>`` and so on, white space is folded, and some 200 characters are kept.

    A status code (``HTTP 500``) stays. Of a Python traceback only the last line is taken.
    """
    lines = [line for line in error[:_LONGEST_READ].splitlines() if line.strip()]
    if lines and lines[0].lstrip().startswith("Traceback (most recent call last)"):
        last = error[-_LONGEST_READ:].rstrip().rpartition("\n")[2]
        lines = [last]
    text = " ".join(" ".join(lines).split())
    return _PARTS.sub(_placeholder, text)[:_LONGEST_PATTERN].strip()


def group_failures(failed: Sequence[Run], traces: Mapping[RunId, Trace]) -> tuple[FailurePattern, ...]:
    """The failed runs by normalised error, most frequent first, then by pattern; empty without a failure.

    A run's error is its own, else that of its last tool call that has one, else the last in its trace, else its
    status. Run ids and the example (some 500 characters at most) are in the order of ``failed``: newest first.
    """
    groups: dict[str, list[tuple[RunId, str]]] = {}
    for run in failed:
        error = find_error(run, traces.get(run.id))
        groups.setdefault(normalise_error(error), []).append((run.id, error))
    patterns = [
        FailurePattern(
            pattern=pattern,
            count=len(members),
            run_ids=tuple(run_id for run_id, _ in members),
            example=members[0][1][:LONGEST_EXAMPLE],
        )
        for pattern, members in groups.items()
    ]
    return tuple(sorted(patterns, key=lambda found: (-found.count, found.pattern)))


def find_error(run: Run, trace: Trace | None) -> str:
    """Why ``run`` failed, as far as it is known: never empty."""
    if run.error:
        return run.error
    for call in reversed(run.tool_calls):
        if call.error:
            return f"{call.name}: {call.error}"
    telemetry = trace.telemetry if trace else None
    if telemetry is not None:
        if telemetry.error_messages:
            return telemetry.error_messages[-1]
        for span in reversed(telemetry.tool_calls):
            if span.error:
                return f"{span.name}: {span.error}"
    return run.status.strip() or "no status"


def _placeholder(match: re.Match[str]) -> str:
    return match[0] if match.lastgroup == "kept" else f"<{match.lastgroup}>"
