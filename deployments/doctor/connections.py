"""The checks of what a report connects to: source, warehouse, Parquet files, Jaeger, judge, Prefect server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from deployments.doctor.finding import Finding
from tasks.clients import Clients
from tasks.settings import ReportOptions
from tasks.wording.counts import counted

_RUNS_READ = 20
_MOST_PROBLEMS = 3


def check_source(clients: Clients, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> list[Finding]:
    """The source: whether it can be read, and what is in the environment that is configured.

    Raises:
        RefusedError, SourceError: it is missing, or cannot be read.
    """
    from deployments.source_survey import choose_environment, count_environments, survey_source, word_counts

    settings = clients.settings
    if settings.source_url is None and not settings.source_block:
        return [
            Finding(
                "source",
                "failed",
                "not configured",
                "run `agent-report init` with your database, files or trace store, or set AGENT_REPORT_SOURCE_URL",
            )
        ]
    source = clients.source()
    source.check_filter(settings.filter_model)
    known = source.list_environments()
    environment = settings.environment
    if environment not in known:
        environment = choose_environment(known, count_environments(source, known))
    survey = survey_source(source, known, environment, limit=_RUNS_READ, now=now())
    detail = f"{survey.places}; in {survey.environment} {counted(len(survey.agents), 'agent')}, {survey.newest_run}"
    if not survey.runs:
        return [
            Finding("source", "note", detail, "a report has nothing to judge: is this the environment with the runs?"),
            *_problems(survey.problems),
        ]
    found = [Finding("source", "ok", f"{detail}; {word_counts(survey.statuses)}")]
    if len(survey.unfinished) == len(survey.statuses):
        found.append(
            Finding(
                "source",
                "note",
                "no run counts as finished",
                "map the words of the statuses under `statuses` in the mapping file (AGENT_REPORT_SOURCE_MAPPING)",
            )
        )
    return [*found, *_problems(survey.problems)]


def _problems(problems: Sequence[str]) -> list[Finding]:
    return [Finding("source", "note", problem) for problem in problems[:_MOST_PROBLEMS]]


def check_stored(clients: Clients) -> list[Finding]:
    """The warehouse: reachable, writable, of which schema; nothing is created or migrated.

    Raises:
        RefusedError, WarehouseError: it cannot be used.
    """
    from tasks.warehouse.sql import describe_warehouse

    place = clients.warehouse_place()
    return [Finding("warehouse", "ok", describe_warehouse(place))]


def check_files(clients: Clients) -> list[Finding]:
    """The folder of Parquet files: whether one can be written; no folder is made.

    Raises:
        ParquetError: none can.
    """
    from tasks.warehouse.parquet import check_writable, show_place

    url = clients.settings.parquet_url
    check_writable(url)
    return [Finding("parquet", "ok", f"{show_place(url, '')} can be written")]


def check_jaeger(clients: Clients) -> list[Finding]:
    """Jaeger's query service: whether it answers.

    Raises:
        ConfigurationError: its URL or a header is none.
    """
    from tasks.wire.urls import without_user

    url = clients.settings.jaeger_url
    client = clients.jaeger(1)
    if client is None or url is None:
        return [
            Finding(
                "jaeger",
                "skipped",
                "not configured (AGENT_REPORT_JAEGER_URL): traces are those of the source, if it has any",
            )
        ]
    problem = client.check()
    if problem:
        return [Finding("jaeger", "failed", problem, "without Jaeger, a report is made without traces")]
    return [Finding("jaeger", "ok", f"{without_user(url.get_secret_value())} answers")]


def check_judge(clients: Clients) -> list[Finding]:
    """The judge's settings and its price, without calling it.

    Raises:
        ConfigurationError: as ``Clients.judge_client``, and a file of guidance that cannot be used.
    """
    from tasks.evidence.prices import Tokens
    from tasks.judge.endpoint.access.address import OPENAI_URL
    from tasks.judge.runs.guidance import find_guidance
    from tasks.wire.urls import without_user

    settings = clients.settings
    options = settings.options(ReportOptions())
    clients.judge_client(options)
    place = without_user(settings.openai_base_url or OPENAI_URL).partition("?")[0]
    found = [
        Finding(
            "judge",
            "ok",
            f"settings complete, nothing sent yet: {options.judge_model} at {place}",
        )
    ]
    warning = clients.judge_warning(options)
    if warning:
        found.append(Finding("judge", "note", warning))
    price = clients.prices().cost_usd(options.judge_model, Tokens(1, 1), datetime.now(UTC), settings.service_tier)
    if price is None:
        unknown = f"the price of {options.judge_model} is unknown, so costs are too"
        found.append(Finding("judge", "note", unknown, "set AGENT_REPORT_PRICES if you want to limit them"))
    if (guidance := find_guidance(settings.judge_guidance)) is not None:
        found.append(Finding("judge", "ok", guidance.describe()))
    return found


def check_redaction(clients: Clients) -> list[Finding]:
    """The patterns and the hook of redaction.

    Raises:
        ConfigurationError: one is wrong.
    """
    if clients.redactor() is None:
        off = "is off: secrets and personal data in agents' texts go to the judge and into reports"
        return [Finding("redaction", "note", off, "unset AGENT_REPORT_REDACT unless that is what you want")]
    return [Finding("redaction", "ok", "is on")]


def check_prefect() -> list[Finding]:
    """The Prefect server that reports run on.

    Raises:
        PrefectServerError: the configured one cannot be used.
        ConfigurationError: its URL is none.
    """
    from prefect.settings import PREFECT_API_URL

    from deployments.local.runner import check_api
    from deployments.stack.beside import at_stack
    from tasks.wire.urls import refuse_ambiguous, without_user

    refuse_ambiguous(PREFECT_API_URL.value() or "", "PREFECT_API_URL")
    with at_stack() as is_stack:
        url = PREFECT_API_URL.value()
        if not url:
            return [Finding("prefect", "ok", "no server is configured (PREFECT_API_URL): each report starts its own")]
        check_api()
        beside = ", of the stack that runs in this folder" if is_stack else ""
        return [Finding("prefect", "ok", f"{without_user(url)} answers{beside}")]
