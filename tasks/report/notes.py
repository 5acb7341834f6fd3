"""The verdicts of a report as notes on the traces of its runs, for the store that the traces came from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from tasks.errors import SourceError
from tasks.evidence.types import RunId
from tasks.report.rows import RunRow
from tasks.sources.spans.notes import AUTHOR, Note, NoteStore
from tasks.wording.counts import counted, was_were

_PREFIX = AUTHOR.replace("-", "_")
SUCCESS_NOTE = f"{_PREFIX}.success"
"""The name of the note on whether a run did its task. None that a source reads as an outcome: a verdict of ours must
not come back as a fact."""

_WORDS = {"yes": "yes", "no": "no", "pass": "pass", "fail": "fail", "cannot_tell": "cannot tell"}
_SCORES = {"yes": 1.0, "pass": 1.0, "no": 0.0, "fail": 0.0}
_SPAN_ID = re.compile(r"-([0-9a-f]{16})")
_LONGEST = 1000


def build_notes(runs: Sequence[RunRow], inner_runs: Iterable[RunId], report_id: int, judge_model: str) -> list[Note]:
    """A note on success for each of ``runs`` with a verdict and a trace, and one for each criterion that was checked.

    A note is on the trace, or on the run's own span where the trace is not the run's alone: one of ``inner_runs``
    (which another run started), or of several of ``runs`` in one trace. Empty where there is no verdict.
    """
    inner = set(inner_runs)
    on_trace = Counter(run["trace_id"] for run in runs)
    metadata = {"judge_model": judge_model, "report_id": str(report_id)}
    notes: list[Note] = []
    for run in runs:
        if not run["trace_id"] or run["verdict"] not in _WORDS:
            continue
        is_shared = run["run_id"] in inner or on_trace[run["trace_id"]] > 1
        span_id = _span_of(run) if is_shared else None
        if is_shared and span_id is None:
            # On the whole trace, it would be a verdict on others too.
            continue
        for name, verdict, explanation in _verdicts(run):
            notes.append(
                Note(
                    trace_id=run["trace_id"],
                    name=name,
                    label=_WORDS[verdict],
                    score=_SCORES.get(verdict),
                    explanation=explanation[:_LONGEST],
                    span_id=span_id,
                    metadata=metadata,
                )
            )
    return notes


def write_notes(store: NoteStore | None, notes: Sequence[Note]) -> str:
    """Write ``notes``, and what happened as a sentence.

    Raises:
        SourceError: the store does not answer, or refuses.
    """
    if store is None:
        raise SourceError("the source keeps no verdicts")
    if not notes:
        return "No verdict was published: no run has both a verdict and a trace"
    written = store.write(notes)
    runs = len({(note.trace_id, note.span_id) for note in notes})
    lost = f"; {counted(written.missing, 'verdict')} had no trace there" if written.missing else ""
    return (
        f"{counted(written.notes, 'verdict')} on {counted(runs, 'run')} {was_were(written.notes)} published to "
        f"{store.describe()}{lost}"
    )


def _verdicts(run: RunRow) -> Iterator[tuple[str, str, str]]:
    """The name, the verdict and the explanation of each note on a run."""
    parts = [run["failure_mode"] or ""]
    if run["failure_step"]:
        parts.append(f"perhaps at step {run['failure_step'].rpartition('.')[2]}")
    quotes = [f"“{citation['quote']}”" for citation in (run["verdict_evidence"] or ())[:1] if citation["quote"]]
    if run["unstable"]:
        parts.append("the judge's samples disagree")
    yield SUCCESS_NOTE, run["verdict"] or "", "; ".join(part for part in [*parts, *quotes] if part)
    for criterion, check in (run["checks"] or {}).items():
        if check in _WORDS:
            yield f"{_PREFIX}.{criterion}", check, ""


def _span_of(run: RunRow) -> str | None:
    """The run's own span, where its id holds it (see ``tasks.sources.spans.runs.run_id_of``)."""
    match = _SPAN_ID.fullmatch(run["run_id"].removeprefix(run["trace_id"] or ""))
    return match[1] if match else None
