"""The body of ``agent-report init``: look at a source, write the settings for it, estimate the first report."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from rich.console import Console

from deployments.init.env_file import render_env
from deployments.init.files import WrittenFile, write_beside
from deployments.init.looking import Look, look_at
from deployments.init.mapping.mapping_file import render_mapping
from deployments.init.place import Place, find_place
from deployments.init.printing import ENV_FILE, next_steps, print_files, print_found, print_look, print_next
from deployments.source_survey import Survey, choose_environment, count_environments, survey_source
from deployments.stack.beside import at_stack, stack_warehouse
from deployments.terminal.console import open_console, print_json
from tasks.clients import Clients
from tasks.connecting import open_clients
from tasks.errors import ConfigurationError, UsageError
from tasks.evidence.left_out import FOR_STATUS
from tasks.settings import NO_ENV_FILE, ReportOptions, Settings, read_settings
from tasks.sources.source import Source, SourceCounts

MAPPING_FILE = "source.yaml"
_SOURCE, _MAPPING = "AGENT_REPORT_SOURCE_URL", "AGENT_REPORT_SOURCE_MAPPING"
_PRESET = "AGENT_REPORT_SOURCE_PRESET"
_OF_SOURCE = {_SOURCE, _MAPPING, _PRESET, "AGENT_REPORT_SOURCE_BLOCK"}
_RUNS_READ = 20


@dataclass(frozen=True, slots=True)
class Start:
    """What ``init`` did: what it found, the files it wrote, and the estimate of the first report."""

    look: Look
    survey: Survey
    files: list[WrittenFile]
    estimate: Mapping[str, Any]
    next_steps: Sequence[str]


def start(given: str | None, *, environment: str, output: Path, as_json: bool) -> int:
    """Look at ``given``, write the files into ``output`` and print it all; the exit code.

    Raises:
        RefusedError: nothing can be found there, or a setting is wrong.
        SourceError: the source cannot be read.
    """
    settings = read_settings()
    console = open_console(stderr=as_json)
    place = _place(given, settings)
    if not output.is_dir():
        raise UsageError(f"--output {output}: there is no such folder")
    look = look_at(place, settings)
    print_look(console, look)
    # What the user's shell has set, which takes precedence over .env.
    is_overridden = os.environ.get(_SOURCE, "") not in ("", given, place.url)
    files: list[WrittenFile] = []
    mapping: Path | None = None
    if look.proposal is not None:
        written = write_beside(output / MAPPING_FILE, render_mapping(look.proposal, look.shown))
        files.append(written)
        mapping = written.path
    with (
        _source_settings(place.url, mapping, look.preset),
        stack_warehouse(),
        at_stack(),
        # The estimate uses them too: the source is opened once.
        open_clients() as clients,
    ):
        survey, counts = _survey(clients.source(), environment)
        own = "" if place.kind == "traces" or look.preset else f"a file that {_MAPPING} names"
        print_found(
            console,
            survey,
            counts,
            limit=_RUNS_READ,
            may_choose=not environment,
            mapping=mapping.name if mapping else own,
            explained=look.proposal.statuses.words if look.proposal else (),
        )
        text = render_env(
            place.seen_from(output),
            mapping.name if mapping else "",
            survey.environment,
            has_traces=place.kind == "traces" or bool(look.preset),
            preset=look.preset,
        )
        files.append(write_beside(output / ENV_FILE, text, private=True))
        print_files(console, files, is_overridden=is_overridden)
        estimate = _estimate(survey.environment, console, as_json=as_json)
        steps = next_steps(survey, files, _judge_problem(clients))
    print_next(console, survey, estimate, output, steps)
    if as_json:
        _print_json(Start(look, survey, files, estimate, steps if estimate["calls"] else []))
    return int(estimate["nothing_to_judge"] or not estimate["calls"])


def _place(given: str | None, settings: Settings) -> Place:
    if given is None and settings.source_url is not None:
        given = settings.source_url.get_secret_value()
    if given is None and sys.stdin.isatty() and sys.stderr.isatty():
        given = _ask("Where are your agents' runs? A database's URL, a file, a folder or a trace store's URL: ")
    if not given:
        raise UsageError(
            "no source: give a database's URL, a file, a folder or a trace store's URL, "
            "such as `agent-report init sqlite:///agents.db`"
        )
    place = find_place(given)
    if place.probe:
        from deployments.init.store_probe import name_store

        headers = {name: value.get_secret_value() for name, value in settings.source_headers.items()}
        place = replace(place, url=name_store(place.url, headers), probe=False)
    return place


@contextmanager
def _source_settings(url: str, mapping: Path | None, preset: str) -> Iterator[None]:
    """Within the block, the settings lead to the source that was found; all others are as they were.

    The settings of another source in ``.env`` must not apply to this one, and an empty variable would not hide them: so
    the rest of the file is read here.
    """
    before = dict(os.environ)
    from_file = {} if NO_ENV_FILE in before else dotenv_values(ENV_FILE)
    try:
        os.environ.update(
            {name: value for name, value in from_file.items() if value is not None and name not in before}
        )
        for name in [name for name in os.environ if name.upper() in _OF_SOURCE]:
            del os.environ[name]
        given = {_SOURCE: url, _MAPPING: str(mapping.absolute()) if mapping else "", _PRESET: preset}
        os.environ.update({name: value for name, value in given.items() if value} | {NO_ENV_FILE: "1"})
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _survey(source: Source, environment: str) -> tuple[Survey, SourceCounts | None]:
    known = source.list_environments()
    counts = count_environments(source, known)
    wanted = environment or _chosen(known, counts)
    return survey_source(source, known, wanted, limit=_RUNS_READ, now=datetime.now(UTC)), counts


def _judge_problem(clients: Clients) -> str:
    """Why the judge cannot be called with these settings; "" where it can."""
    try:
        clients.judge_client(clients.settings.options(ReportOptions()))
    except ConfigurationError as error:
        return str(error)
    return ""


def _chosen(known: list[str], counts: SourceCounts | None) -> str:
    usual = choose_environment(known, counts)
    if len(known) < 2 or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return usual
    return _ask(f"Environment of the first report ({', '.join(known[:10])}) [{usual}]: ") or usual


def _ask(question: str) -> str:
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def _estimate(environment: str, console: Console, *, as_json: bool) -> Mapping[str, Any]:
    from deployments.commands.dry_run import estimate_report, print_estimate
    from deployments.local.runner import Order
    from tasks.judge.rubric import Criteria

    estimate = estimate_report(Order(environment, "", Criteria(), ReportOptions(), None), provisional=True)
    if not as_json:
        # What is left out is shown above; here it is the reason where nothing can be judged.
        shown = () if estimate["nothing_to_judge"] else FOR_STATUS
        others = [text for text in estimate["warnings"] if not any(phrase in text for phrase in shown)]
        print_estimate(console, {**estimate, "warnings": others})
    return estimate


def _print_json(done: Start) -> None:
    survey, look = done.survey, done.look
    print_json(
        {
            "found": {
                "source": look.shown,
                "tables": [{"name": table.name, "rows": table.rows} for table in look.tables],
                "runs_table": look.proposal.runs.name if look.proposal else None,
                "environments": list(survey.environments),
                "environment": survey.environment,
                "agents": list(survey.agents),
                "runs": survey.runs,
                "newest_run": survey.newest,
                "statuses": dict(survey.statuses),
                "conventions": dict(survey.conventions),
                "problems": list(survey.problems),
            },
            "mapping": {name: guess.column.name for name, guess in look.proposal.guesses.items()}
            if look.proposal
            else None,
            "files": [{"path": str(file.path), "state": file.state} for file in done.files],
            "estimate": done.estimate,
            "next": list(done.next_steps),
        }
    )
