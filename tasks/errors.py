"""The one tree of exceptions. A message names the thing, the value and the way out, and never holds a secret.

Each class defines how a command that it ends exits: ``exit_code``, and the word before its message on stderr.
"""

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar


class AgentReportError(Exception):
    """The base of every error that this project raises on purpose."""

    exit_code: ClassVar[int] = 1
    prefix: ClassVar[str] = "Failed"


class RefusedError(AgentReportError):
    """The request was refused before anything was paid for."""

    exit_code = 2
    prefix = "Refused"


class UsageError(RefusedError):
    """A wrong option, argument, parameter or input file."""


class ConfigurationError(RefusedError):
    """A wrong or missing setting, environment variable, block or prefect.yaml."""


class NotFoundError(RefusedError):
    """There is no such report, environment or agent."""


class ReportNotFoundError(NotFoundError):
    """The warehouse (``warehouse``: its URL without credentials) has no report with this id."""

    def __init__(self, report_id: int, warehouse: str) -> None:
        super().__init__(
            f"there is no report {report_id} in {warehouse}: `agent-report list` shows those there are, "
            "AGENT_REPORT_WAREHOUSE_URL names another warehouse"
        )


class ConflictError(RefusedError):
    """The request conflicts with what is there: a stored parameter, a running report, an existing file."""


class UnreachableError(AgentReportError):
    """A server or database that is needed cannot be reached, or did not start."""


class SourceError(UnreachableError):
    """The source cannot be read, or an agent's rows in it cannot."""


class LargeAnswerError(SourceError):
    """A store of traces answers more than is read: ask for less."""


class BadRequestError(SourceError):
    """A store of traces does not understand what it is asked for."""


class WarehouseError(UnreachableError):
    """The warehouse cannot be read or written. ``passing``: a retry may help (unreachable, locked, full, read-only)."""

    passing: bool = False


class ParquetError(WarehouseError):
    """The warehouse's Parquet files cannot be read or written."""


class PrefectApiError(UnreachableError):
    """Prefect's API became unreachable during a report and did not come back in time."""


class PrefectServerError(UnreachableError):
    """A Prefect server cannot be reached, or did not start."""


class PostgresError(UnreachableError):
    """The embedded PostgreSQL is not installed, or did not start."""


class AddressError(AgentReportError):
    """An address cannot be listened on."""


class StackError(AgentReportError):
    """The stack could not start, or one of its processes kept ending."""


class DeployError(AgentReportError):
    """A deployment could not be created or updated."""


class RedactionError(AgentReportError):
    """An agent's texts could not be redacted, so none of them is used."""


class JudgeError(AgentReportError):
    """The judge gave no usable answer. ``unanswered`` calls were sent and may be charged, but were not answered."""

    unanswered: int = 0


class JudgingEndedError(JudgeError):
    """No further call is made for this report: quota, authentication, fail-fast, time-out or cancellation."""


class DeadlineError(JudgeError):
    """The time for this agent is up."""


class BudgetError(JudgeError):
    """The next call could cost more than is left of ``max_report_cost_usd``; it was not made."""


class EndpointError(JudgeError):
    """The endpoint refused the call or kept failing; nothing was judged."""


class ContextLengthError(EndpointError):
    """The request exceeds the model's or the endpoint's context length; a shorter one may succeed.

    ``words`` are the endpoint's, one line, and ``figures`` the whole numbers that it names, such as ``n_ctx``: the
    limits may stand there.
    """

    def __init__(self, message: str, words: str = "", figures: Mapping[str, int] | None = None) -> None:
        super().__init__(message)
        self.words = words
        self.figures = dict(figures or {})


class UnusableAnswerError(JudgeError):
    """An answer that holds no judgement; ``problems`` are the reasons, one sentence each."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(problems))


class ReportFailedError(AgentReportError):
    """The report ended as ``failed``; its rows are in the warehouse."""


class ReportAbandonedError(AgentReportError):
    """A report in progress is gone, or its process is."""


_MOST_READ = 10_000
_SECRETS = (
    # To the last @ of the word: a password may hold @ and / that are not percent-encoded.
    (re.compile(r"://[^\s]*@"), "://***@"),
    (re.compile(r"(?i)(\bbearer\s+|authorization[\"']?\s*[:=]\s*[\"']?basic\s+)[^\s,;\"']+"), r"\1***"),
    (
        re.compile(r"(?i)(passw(?:or)?d|pwd|secret|api[-_ ]?key|access[-_]?token)([\"']?\s*[:=]\s*[\"']?)[^\s,;&\"']+"),
        r"\1\2***",
    ),
    (re.compile(r"\bsk-[\w*.-]{4,}"), "***"),
)


def scrub(text: str) -> str:
    """``text`` on one line, at most 500 characters, without what can be a credential in it.

    That is the user information of URLs, whatever stands behind ``password=``, ``api_key:`` and the like, bearer
    tokens, and keys that begin as OpenAI's do.
    """
    # Cut last: half a secret is one too.
    line = " ".join(text[:_MOST_READ].split())
    for pattern, replacement in _SECRETS:
        line = pattern.sub(replacement, line)
    return line[:500]
