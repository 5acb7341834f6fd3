"""The progress of a report, in its row and as an artifact, from a thread that also keeps the owner's heartbeat."""

from __future__ import annotations

import contextvars
import threading
from types import TracebackType
from typing import Self
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.logging import get_run_logger

from tasks.errors import WarehouseError, scrub
from tasks.render.markdown import escape
from tasks.report.build import ReportRows
from tasks.warehouse.sql import Warehouse
from tasks.wording.counts import counted

_BEAT_SECONDS = 10.0
_LEAST_SECONDS = 0.25
_RETRY_SECONDS = 1.0
_EVIDENCE, _JUDGED = 30, 90


class Progress:
    """What has been reached. Writing it never holds the flow up: steps that come faster than they can be written merge.

    Neither a warehouse that stumbles nor a Prefect server that does is a reason to lose the report: both are logged.
    """

    def __init__(self, warehouse: Warehouse, report_id: int) -> None:
        self._warehouse = warehouse
        self._report_id = report_id
        self._changed = threading.Condition()
        self._latest: tuple[float, str, str] | None = None
        self._closed = False
        self._reached = 0.0
        self._last: tuple[float, str] | None = None
        self._artifact: UUID | None = None
        self._complained: set[str] = set()
        self._logger = get_run_logger()
        # The context holds the flow run that the artifact belongs to.
        self._thread = threading.Thread(
            target=contextvars.copy_context().run, args=(self._work,), name="progress", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()
        if self._last is None and error is not None:
            self._last = (
                self._reached,
                "Stopped" if not isinstance(error, Exception) else f"Failed: {scrub(str(error))}",
            )
        if self._last is not None:
            self._write_artifact(*self._last)

    def reading(self, agents: int) -> None:
        """The agents are known, their runs and traces are being read."""
        self._advance(5, "generating_team", f"Reading runs and traces of {counted(agents, 'agent')}")

    def evaluated(self, done: int, total: int) -> None:
        """``done`` of ``total`` agents have an evaluation, or a reason why not."""
        share = done / total if total else 1.0
        progress = _EVIDENCE + (_JUDGED - _EVIDENCE) * share
        step = f"Evaluated {done}/{counted(total, 'agent')}"
        self._advance(progress, "generating_agents", step if done < total else f"{step}, waiting for the team's")

    def writing(self) -> None:
        """Everything is judged, the report is being written."""
        self._advance(95, "generating_agents", "Writing the report")

    def ended(self, rows: ReportRows) -> None:
        """The report is written, and with it its row; the artifact ends as it does."""
        report = rows.report
        progress = 100.0 if report["status"] == "completed" else self._reached
        step = report["current_step"]
        self._last = (progress, f"{step}: {report['error']}" if report["error"] else step or "")

    def _advance(self, progress: float, status: str, step: str) -> None:
        with self._changed:
            self._latest = (progress, status, step)
            self._reached = progress
            self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                if self._latest is None and not self._closed:
                    self._changed.wait(_BEAT_SECONDS)
                latest, self._latest = self._latest, None
                if self._closed and latest is None:
                    return
            self._write_row(latest)
            if latest is not None:
                self._write_artifact(latest[0], latest[2])
                self._pause()

    def _pause(self) -> None:
        """Let steps that come in a burst merge: no one sees each of ten that come at once, and each costs two calls."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed, _LEAST_SECONDS)

    def _write_row(self, latest: tuple[float, str, str] | None) -> None:
        try:
            if latest is None:
                self._warehouse.beat(self._report_id)
            else:
                progress, status, step = latest
                self._warehouse.record_progress(self._report_id, progress=progress, status=status, current_step=step)
        except WarehouseError as error:
            self._complain("row", error)
            self._write_later(latest)

    def _write_later(self, latest: tuple[float, str, str] | None) -> None:
        """A step that could not be written is tried again, unless there is a newer one by then, or none is to come."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._latest is not None, _RETRY_SECONDS)
            if not self._closed:
                self._latest = self._latest or latest

    def _write_artifact(self, reached: float, step: str) -> None:
        # The UI shows every digit that there is.
        progress = float(round(reached))
        # It renders the description as Markdown; steps can hold error texts.
        description = escape(step)
        try:
            if self._artifact is None:
                key = f"report-{self._report_id}-progress"
                created = create_progress_artifact(progress=progress, key=key, description=description)
                self._artifact = created if isinstance(created, UUID) else None
            else:
                update_progress_artifact(artifact_id=self._artifact, progress=progress, description=description)
        except Exception as error:  # noqa: BLE001 - whatever the API's client raises, the report goes on
            self._complain("artifact", error)

    def _complain(self, what: str, error: Exception) -> None:
        if what not in self._complained:
            self._complained.add(what)
            self._logger.warning("The progress %s of report %s is not kept: %s", what, self._report_id, error)
