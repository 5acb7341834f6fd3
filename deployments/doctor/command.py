"""The body of ``agent-report doctor``: every check, a line for each finding."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from functools import partial

from rich.console import Console
from rich.text import Text

from deployments.doctor.bounded import Check, run_checks
from deployments.doctor.connections import (
    check_files,
    check_jaeger,
    check_judge,
    check_prefect,
    check_redaction,
    check_source,
    check_stored,
)
from deployments.doctor.finding import Finding
from deployments.doctor.judge_call import call_judge
from deployments.doctor.routes import check_routes
from deployments.terminal.console import one_line
from deployments.terminal.invocation import fill_in_program
from tasks.clients import Clients
from tasks.connecting import open_clients
from tasks.errors import ConfigurationError
from tasks.settings import ReportOptions, Settings, read_settings, variable_of

LIMIT_SECONDS = 30.0
_JAEGER_SECONDS = 8.0
_WORDS = {"ok": "ok", "note": "note", "failed": "FAILED", "skipped": "-"}
_COLOURS = {"ok": "green", "note": "yellow", "failed": "bold red", "skipped": "dim"}


def examine(*, ask: Callable[[str], bool] | None, limit_seconds: float = LIMIT_SECONDS) -> Iterator[Finding]:
    """Check every setting and connection; a finding each, as they are known. Nothing is created or changed.

    ``ask`` is asked whether the judge may be called, which costs a few tokens; None: it is not called.
    """
    try:
        settings = read_settings()
    except ConfigurationError as error:
        yield Finding("settings", "failed", str(error), "correct it, then run `agent-report doctor` again")
        yield from run_checks({"prefect": check_prefect}, limit_seconds=limit_seconds)
        return
    yield _describe(settings)
    bounded = settings.model_copy(
        update={"jaeger_timeout_seconds": min(settings.jaeger_timeout_seconds, _JAEGER_SECONDS)}
    )
    with open_clients(bounded) as clients:
        judge_works = True
        for finding in run_checks(_checks(clients), limit_seconds=limit_seconds):
            judge_works &= not (finding.what == "judge" and finding.state == "failed")
            yield finding
        if judge_works:
            yield from _ask_judge(clients, ask, limit_seconds)


def _describe(settings: Settings) -> Finding:
    given = sorted(variable_of(name) for name in settings.model_fields_set)
    files = "the environment and .env" if os.path.exists(".env") else "the environment"  # noqa: PTH110 - as read
    names = f": {', '.join(given)}" if given else ""
    return Finding("settings", "ok", f"{len(given)} set in {files}{names}; the others have their defaults")


def _checks(clients: Clients) -> dict[str, Check]:
    def routes() -> list[Finding]:
        from prefect.settings import PREFECT_API_URL

        return check_routes(clients.settings, os.environ, PREFECT_API_URL.value() or "")

    return {
        "source": partial(check_source, clients),
        "redaction": partial(check_redaction, clients),
        "warehouse": partial(check_stored, clients),
        "parquet": partial(check_files, clients),
        "jaeger": partial(check_jaeger, clients),
        "prefect": check_prefect,
        "proxies": routes,
        "judge": partial(check_judge, clients),
    }


def _ask_judge(clients: Clients, ask: Callable[[str], bool] | None, limit_seconds: float) -> Iterator[Finding]:
    model = clients.settings.options(ReportOptions()).judge_model
    if ask is None or not ask(f"Send one small question to {model}, which may cost a fraction of a cent? [y/N] "):
        yield Finding("judge call", "skipped", "the judge was not called", "`agent-report doctor --yes` calls it once")
        return
    call: Check = partial(call_judge, clients, limit_seconds=limit_seconds)
    # Its own deadline first: its message has more detail.
    yield from run_checks({"judge call": call}, limit_seconds=limit_seconds + 5)


def may_call(*, yes: bool, no_judge: bool) -> Callable[[str], bool] | None:
    """How it is decided whether the judge is called: by an option, or by the user at a terminal, else not."""
    if no_judge:
        return None
    if yes:
        return lambda question: True
    return _ask_user if sys.stdin.isatty() and sys.stderr.isatty() else None


def _ask_user(question: str) -> bool:
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def print_finding(console: Console, finding: Finding) -> None:
    """Print one line."""
    advice = f" → {finding.advice}" if finding.advice else ""
    message = one_line(fill_in_program(f"{finding.detail}{advice}"))
    state = (f"{_WORDS[finding.state]:<7}", _COLOURS[finding.state])
    text = Text.assemble(state, f"{finding.what:<11}", message)
    console.print(text, soft_wrap=True)
