"""The demo: the real flow over real HTTP, on a sample environment, with nothing but this process's own servers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, chdir, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dotenv import dotenv_values
from rich.console import Console
from rich.text import Text

from deployments.demo.judge import SimulatedJudge
from deployments.demo.sample import ENVIRONMENT
from deployments.local.prefect_server import reach_directly
from deployments.terminal.console import Row, open_console
from deployments.terminal.invocation import printed_command
from tasks.errors import ConfigurationError, UsageError
from tasks.settings import DEFAULT_JUDGE_MODEL, SIMULATED_JUDGE_MODEL, ReportOptions
from tasks.wording.counts import counted

if TYPE_CHECKING:
    from deployments.demo.history import Past
    from tasks.warehouse.sql import Warehouse

AGENT_SECONDS, TEAM_SECONDS = 2.0, 3.0
_LETS_IN = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "AGENT_REPORT_JUDGE_ENTRA_SCOPE", "AGENT_REPORT_JUDGE_HEADERS")
_ENDPOINT = (*_LETS_IN, "AGENT_REPORT_JUDGE_EXTRA", "AGENT_REPORT_JUDGE_MODEL")


def run_demo(*, judge: str, agents: int, runs_per_agent: int, folder: Path, as_json: bool) -> int:
    """Make the sample, its services and a report on it; print the report, its files and its time. The exit code.

    Raises:
        RefusedError: an unknown ``judge``, too few agents, or no key for the real endpoint.
    """
    if judge not in ("simulated", "openai"):
        raise UsageError(f"--judge {judge!r}: simulated or openai")
    if not 1 <= agents <= 1000 or not 1 <= runs_per_agent <= 1000:
        raise UsageError("--agents and --runs-per-agent take 1 to 1000")
    if judge == "openai" and not judge_environment().keys() & {*_LETS_IN}:
        raise ConfigurationError("--judge openai needs OPENAI_API_KEY, or OPENAI_BASE_URL for another endpoint")
    folder = folder.resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--folder {folder} cannot be made: {error.strerror}") from None
    where = Path(os.path.relpath(folder))
    shown = folder if where.parts[:1] == ("..",) else where
    with _services(folder, judge, agents, runs_per_agent):
        # Only now, as Prefect reads its settings when it is imported.
        from deployments.commands.run import make_report
        from deployments.demo.history import open_past
        from deployments.local.runner import Order, quiet_prefect
        from tasks.connecting import open_clients
        from tasks.judge.rubric import Criteria

        quiet_prefect()
        own = os.environ.get("AGENT_REPORT_JUDGE_MODEL", DEFAULT_JUDGE_MODEL)
        model = SIMULATED_JUDGE_MODEL if judge == "simulated" else own
        options = ReportOptions(judge_model=model, runs_per_agent=runs_per_agent)
        with open_clients() as clients, open_past(clients.warehouse(), model) as past:
            order = Order("demo", "Demo", Criteria(), options, None)
            code = make_report(order, as_json=as_json, made=lambda report_id: _write_past(past, report_id))
            if not as_json:
                _print_files(clients.warehouse(), shown, simulated=judge == "simulated")
        return code


def _write_past(past: Past, report_id: int) -> None:
    """The weeks before a first report, what changed since, and its page once more, which was made without them."""
    if not past.weeks:
        return
    from tasks.clients import current_clients
    from tasks.render.html.html import render_html
    from tasks.stored.page import load_page
    from tasks.stored.reports import compare_stored
    from tasks.warehouse.pages import write_page_file

    past.write(report_id)
    if current_clients().warehouse().load_report(past.weeks[-1]) is not None:
        compare_stored(report_id, past.weeks[-1])
        url = current_clients().settings.parquet_url
        write_page_file(url, ENVIRONMENT, report_id, render_html(load_page(report_id)))


def judge_environment() -> dict[str, str]:
    """What leads to the real judge, from the environment or ``.env``, as the settings read it."""
    given = {**dotenv_values(".env"), **os.environ}
    return {name: value for name in _ENDPOINT if (value := given.get(name))}


@contextmanager
def _services(folder: Path, judge: str, agents: int, runs_per_agent: int) -> Iterator[None]:
    """The sample as a database, Jaeger and the judge on loopback, and the environment variables that lead to them."""
    from deployments.demo.jaeger import SimulatedJaeger
    from deployments.demo.sample import build_sample

    sample = build_sample(datetime.now(UTC), agents=agents, runs_per_agent=runs_per_agent)
    source = folder / "source.db"
    source.unlink(missing_ok=True)
    sample.write_sqlite(source)
    openai = judge_environment()
    for name in list(os.environ):
        # The user's profiles, servers and settings are not the demo's.
        if name.startswith(("PREFECT_", "AGENT_REPORT_")):
            del os.environ[name]
    with ExitStack() as stack:
        # Nor are the .env, prefect.toml and pyproject.toml where the command was called.
        stack.enter_context(chdir(folder))
        reach_directly("127.0.0.1")
        jaeger = stack.enter_context(SimulatedJaeger(sample.traces))
        os.environ |= {
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_PROFILES_PATH": str(folder / "prefect" / "profiles.toml"),
            "AGENT_REPORT_SOURCE_URL": f"sqlite:///{source}",
            "AGENT_REPORT_WAREHOUSE_URL": f"sqlite:///{folder / 'warehouse.db'}",
            "AGENT_REPORT_PARQUET_URL": str(folder / "parquet"),
            "AGENT_REPORT_JAEGER_URL": jaeger.url,
        }
        if judge == "simulated":
            endpoint = stack.enter_context(SimulatedJudge(agent_seconds=AGENT_SECONDS, team_seconds=TEAM_SECONDS))
            openai = {"OPENAI_BASE_URL": endpoint.base_url, "OPENAI_API_KEY": "simulated"}
        os.environ |= openai
        yield


def print_time(console: Console, report: Row, agents: Sequence[Row]) -> None:
    """How long a report by the simulated judge took, against the same answers one after the other."""
    seconds, asked = report["generation_duration_seconds"], sum(1 for row in agents if row["runs_analyzed"])
    if seconds is not None:
        console.print(
            f"{seconds:.1f} s, against {asked * AGENT_SECONDS + TEAM_SECONDS:.0f} s one after the other "
            f"({counted(asked, 'agent')} of {AGENT_SECONDS:g} s and the team of {TEAM_SECONDS:g} s)."
        )


def _print_files(warehouse: Warehouse, folder: Path, *, simulated: bool) -> None:
    console = open_console()
    report = next(iter(warehouse.list_reports("demo", limit=1)), None)
    if report is None:
        return
    console.print()
    if simulated:
        print_time(console, report, warehouse.load_agents(report["id"]))
    console.print(
        Text(
            f"SQL: {folder / 'warehouse.db'}   Parquet: {folder / 'parquet'}\n"
            f"Again: {printed_command('show', report['id'])}"
        ),
        soft_wrap=True,
    )
