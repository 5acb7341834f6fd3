"""Checks that run side by side, each for a bounded time: a server that does not answer must not hold up the others."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from deployments.doctor.finding import Finding
from tasks.errors import AgentReportError, scrub

Check = Callable[[], Sequence[Finding]]


def run_checks(checks: Mapping[str, Check], *, limit_seconds: float) -> Iterator[Finding]:
    """The findings of all ``checks``, in their order. A check that raises, or takes longer, becomes a finding.

    The checks start together. One that exceeds the limit is left behind in a daemon thread, which ends with the
    process.
    """
    deadline = time.monotonic() + limit_seconds
    pending = [(name, _Pending(name, check)) for name, check in checks.items()]
    for name, begun in pending:
        found = begun.wait(deadline - time.monotonic())
        if found is None:
            found = [Finding(name, "failed", f"no answer within {limit_seconds:g} s", "check its address and network")]
        yield from found


class _Pending:
    def __init__(self, name: str, check: Check) -> None:
        self._name = name
        self._check = check
        self._found: Sequence[Finding] | None = None
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._run,), name=f"doctor-{name}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._found = self._check()
        except AgentReportError as error:
            self._found = [Finding(self._name, "failed", str(error))]
        except Exception as error:  # noqa: BLE001 - one check that breaks must not hide what the others found
            self._found = [Finding(self._name, "failed", scrub(f"{type(error).__name__}: {error}"))]

    def wait(self, seconds: float) -> Sequence[Finding] | None:
        """What was found, or None when there is nothing after ``seconds``."""
        self._thread.join(max(0.0, seconds))
        return self._found
