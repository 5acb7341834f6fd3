"""What the spans of a trace store look like before there are runs: how many, of which services and conventions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from deployments.source_survey import named, word_counts
from tasks.evidence.traces.conventions.catalog import conventions_of
from tasks.evidence.traces.spans import Span
from tasks.wording.counts import counted

_TRACES_READ = 50


@dataclass(frozen=True, slots=True)
class SpanLook:
    """The newest traces of a store: ``conventions`` counts their spans by the name of the first that each follows."""

    traces: int
    spans: int
    services: Sequence[str]
    conventions: dict[str, int]

    @property
    def sentence(self) -> str:
        """``48 traces read (the newest), 610 spans of agents-api; conventions: OpenInference 402``."""
        if not self.traces:
            return "no trace"
        of_services = f" of {named(self.services)}" if self.services else ""
        known = word_counts(self.conventions) if self.conventions else "none that is known"
        return (
            f"{counted(self.traces, 'trace')} read (the newest), {counted(self.spans, 'span')}{of_services}; "
            f"conventions: {known}"
        )


def look_at_spans(traces: Iterable[Sequence[Span]], most: int = _TRACES_READ) -> SpanLook:
    """What the first ``most`` of ``traces`` hold."""
    conventions: Counter[str] = Counter()
    services: Counter[str] = Counter()
    read = spans = 0
    for trace in islice(traces, most):
        read += 1
        for span in trace:
            spans += 1
            services[span.service] += 1
            conventions.update(convention.name for convention in conventions_of(span)[:1])
    return SpanLook(read, spans, [name for name, _ in services.most_common() if name], dict(conventions.most_common()))
