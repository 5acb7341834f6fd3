"""How well the spans of real instrumentations are read: ``python -m benchmarks.span_reading [--all]``.

The recordings are of one scripted story, by many frameworks and client libraries under their instrumentations, as a
real Jaeger answered them; the truth states what is in them. Prints a row for each recording that is not read right, or
for every one, and a total; fails when a row is wrong that ``UNREADABLE`` does not explain.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.evidence.traces.spans import Span, parse_v1
from tasks.evidence.traces.telemetry import summarize

_RECORDINGS = Path(__file__).parents[1] / "tests" / "evidence" / "traces" / "recordings"
UNREADABLE: Mapping[str, str] = {
    "ai-sdk5-generateText__own": "AI SDK 5 wrote no cached tokens: it has ai.usage.cachedInputTokens since 6.",
    "crewai__openinference-crewai": "The recording is shortened where the crew's output has its token_usage and model.",
}
"""Recordings that cannot be read as the truth has them, and why."""

# A count that nothing states must be None. A trace does not record whether it has all tools, errors or repeats:
# there an unknown truth is not compared.
_COUNTS = ("llm_calls", "input_tokens", "output_tokens", "cached_tokens")


@dataclass(frozen=True)
class Recording:
    """The spans of one run, what must be read from them, and how they were read at the commit before ("right")."""

    name: str
    versions: str
    spans: list[Span]
    expected: Mapping[str, Any]
    before: str


def load_recordings() -> list[Recording]:
    """All recordings with their truth, in the order of their file."""
    truth = {
        row["trace"]: row for row in map(json.loads, (_RECORDINGS / "truth.jsonl").read_text("utf-8").splitlines())
    }
    found = []
    with gzip.open(_RECORDINGS / "traces.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            recorded = json.loads(line)
            row = truth[recorded["trace"]]
            (spans,) = parse_v1(recorded["data"]).values()
            found.append(Recording(recorded["trace"], row["versions"], spans, row["expected"], row["before"]))
    return found


def differences(recording: Recording) -> dict[str, tuple[Any, Any]]:
    """What is read and what is true, by field, where they differ; nothing when all is read right."""
    read, expected = read_fields(recording.spans), recording.expected
    compared = {
        field: (read[field], expected.get(field))
        for field in read
        if field in _COUNTS or expected.get(field) is not None
    }
    if expected.get("tool_errors") is not None:
        # Every error of the story is a tool's: one that passes up must not count again.
        compared["errors"] = (read["errors"], expected["tool_errors"])
    return {field: pair for field, pair in compared.items() if pair[0] != pair[1]}


def read_fields(spans: list[Span]) -> dict[str, Any]:
    """The summary of ``spans``, in the fields of the truth, and ``errors``."""
    summary = summarize(spans)
    return {
        "llm_calls": summary.llm_calls,
        "tool_calls": dict(Counter(call.name for call in summary.tool_calls)),
        "tool_errors": sum(call.error is not None for call in summary.tool_calls),
        "errors": summary.errors,
        "input_tokens": summary.input_tokens,
        "output_tokens": summary.output_tokens,
        "cached_tokens": summary.cached_tokens,
        "models": list(summary.models),
        "repeats": {repeat.name: repeat.calls for repeat in summary.repeats},
    }


def main() -> None:
    """Print the table and fail when a row is wrong without an explanation."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.span_reading")
    parser.add_argument("--all", action="store_true", help="rows that are right too")
    given = parser.parse_args()
    recordings = load_recordings()
    wrong = {recording.name: found for recording in recordings if (found := differences(recording))}
    width = max(len(recording.name) for recording in recordings)
    print(f"{'recording':{width}}  before  now    what differs: read, not what is true")
    for recording in recordings:
        found = wrong.get(recording.name, {})
        if found or given.all:
            shown = ", ".join(f"{field}: {read}, not {true}" for field, (read, true) in found.items())
            now = "wrong" if found else "right"
            print(f"{recording.name:{width}}  {recording.before:6}  {now}  {shown}")
            if reason := UNREADABLE.get(recording.name):
                print(f"{'':{width}}  {reason}")
    before = sum(recording.before == "right" for recording in recordings)
    print(
        f"{len(recordings) - len(wrong)} of {len(recordings)} recordings are read right in every field; {before} before"
    )
    sys.exit(1 if wrong.keys() - UNREADABLE.keys() else 0)


if __name__ == "__main__":
    main()
