"""MLflow 3: the traces of each experiment are listed without their spans, which are then loaded once, many at a time.

https://mlflow.org/docs/latest/api_reference/rest-api.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from tasks.errors import LargeAnswerError
from tasks.evidence.traces.spans import Span
from tasks.sources.mlflow.spans import read_spans
from tasks.sources.spans.api import StoreApi, dicts
from tasks.sources.spans.pages import Page, read_pages

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_EXPERIMENTS_AT_ONCE = 1000
_TRACES_AT_ONCE = 500
_SPANS_OF_AT_ONCE = 50
_PREFIX = "tr-"


class MlflowStore:
    """The experiments of an MLflow server as a store of spans (see ``SpanStore``).

    What spans have for a service is their resource's, or the experiment's name.
    """

    def __init__(self, api: StoreApi) -> None:
        self._api = api
        self._at_once = _SPANS_OF_AT_ONCE

    def check(self) -> None:
        """Raises SourceError when MLflow does not answer, or refuses."""
        self._api.get("/api/2.0/mlflow/experiments/search", [("max_results", "1")])

    def describe(self) -> str:
        """Where MLflow is, without credentials."""
        return f"MLflow at {self._api.base_url}"

    def traces(self, since: datetime | None, until: datetime) -> Iterator[Sequence[Span]]:
        """The traces that began from ``since`` until before ``until``, those of each experiment newest first."""
        times = [f"timestamp_ms < {_milliseconds(until)}"]
        if since:
            times.insert(0, f"timestamp_ms >= {_milliseconds(since)}")
        for experiment_id, name in self._experiments().items():
            location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment_id}}
            asked: dict[str, Any] = {
                "locations": [location],
                "filter": " AND ".join(times),
                "order_by": ["timestamp_ms DESC"],
                "max_results": _TRACES_AT_ONCE,
            }
            for page in read_pages(partial(self._trace_page, asked)):
                yield from self._load(page, name)

    def fetch(self, trace_ids: Sequence[str]) -> Mapping[str, Sequence[Span]]:
        """The spans of each of ``trace_ids`` that MLflow has."""
        infos = [
            {"trace_id": trace_id if trace_id.startswith(_PREFIX) else _PREFIX + trace_id} for trace_id in trace_ids
        ]
        names = self._experiments()
        return {spans[0].trace_id: spans for spans in self._load(infos, "", names)}

    def close(self) -> None:
        """Ends the connections."""
        self._api.close()

    def _experiments(self) -> dict[str, str]:
        """The name of each experiment by its id."""
        found: dict[str, str] = {}
        for page in read_pages(self._experiment_page):
            for row in page:
                if isinstance(row.get("experiment_id"), str):
                    found[row["experiment_id"]] = str(row.get("name") or row["experiment_id"])
        return found

    def _experiment_page(self, token: str | None) -> Page:
        asked = [("max_results", str(_EXPERIMENTS_AT_ONCE)), *([("page_token", token)] if token else [])]
        answer = self._api.get("/api/2.0/mlflow/experiments/search", asked)
        return dicts(answer.get("experiments")), answer.get("next_page_token")

    def _trace_page(self, asked: Mapping[str, Any], token: str | None) -> Page:
        answer = self._api.post("/api/3.0/mlflow/traces/search", {**asked, **({"page_token": token} if token else {})})
        return dicts(answer.get("traces")), answer.get("next_page_token")

    def _load(
        self, infos: Sequence[Mapping[str, Any]], experiment: str, names: Mapping[str, str] | None = None
    ) -> Iterator[list[Span]]:
        """The spans of each trace of ``infos``; one without spans is left out."""
        by_id = {str(info["trace_id"]): info for info in infos if info.get("trace_id")}
        waiting = list(by_id)
        while waiting:
            batch, waiting = waiting[: self._at_once], waiting[self._at_once :]
            asked = [("trace_ids", trace_id) for trace_id in batch]
            try:
                answer = self._api.find("/api/3.0/mlflow/traces/batchGet", asked)
            except LargeAnswerError:
                if self._at_once == 1:
                    raise
                self._at_once = max(1, self._at_once // 4)
                waiting = batch + waiting
                continue
            if answer is None:
                traces = {trace_id: (by_id[trace_id], self._file(trace_id)) for trace_id in batch}
            else:
                traces = {}
                for row in dicts(answer.get("traces")):
                    info = row.get("trace_info")
                    if isinstance(info, dict):
                        traces[str(info.get("trace_id"))] = (info, row.get("spans"))
            for trace_id in batch:
                info, raw = traces.get(trace_id, ({}, None))
                name = experiment or (names or {}).get(_experiment_id(info), "")
                if spans := read_spans(raw or self._file(trace_id), info, name):
                    yield spans

    def _file(self, trace_id: str) -> object:
        """The spans in the file that older versions wrote beside the runs' artifacts."""
        found = self._api.find("/ajax-api/2.0/mlflow/get-trace-artifact", [("request_id", trace_id)])
        return found.get("spans") if found else None


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND


def _experiment_id(info: Mapping[str, Any]) -> str:
    location = info.get("trace_location")
    experiment = location.get("mlflow_experiment") if isinstance(location, dict) else None
    return str(experiment.get("experiment_id")) if isinstance(experiment, dict) else ""
