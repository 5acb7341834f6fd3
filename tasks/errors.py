"""The one tree of exceptions. A message names the thing, the value and the way out, and never holds a secret."""

import re


class AgentReportError(Exception):
    """The base of every error that this project raises on purpose."""


class RefusedError(AgentReportError):
    """Bad input (a setting, an option, criteria, an unknown environment): refused before anything is paid."""


class NoReportError(RefusedError):
    """There is no report of this id in the warehouse, which is shown without credentials."""

    def __init__(self, report_id: int, warehouse: str) -> None:
        super().__init__(
            f"there is no report {report_id} in {warehouse}: `agent-report list` shows those there are, "
            "AGENT_REPORT_WAREHOUSE_URL names another warehouse"
        )


class SourceError(AgentReportError):
    """The source of agents and runs cannot be read, or an agent's rows in it cannot."""


class RedactionError(AgentReportError):
    """An agent's texts could not be redacted, so nothing of it is used."""


class WarehouseError(AgentReportError):
    """The warehouse cannot be read or written. ``passing``: it may be soon (it is away, locked, full or read-only)."""

    passing: bool = False


class ParquetError(WarehouseError):
    """The warehouse's files cannot be read or written."""


class JudgeError(AgentReportError):
    """The judge gave no usable answer. ``unanswered`` calls were sent and may be charged, though nothing came back."""

    unanswered: int = 0


class JudgingEndedError(JudgeError):
    """No further call is made for this report: quota, authentication, fail-fast, time-out or cancel."""


class PrefectApiError(AgentReportError):
    """Prefect's API was away in the middle of a report, and did not come back in time."""


class ReportFailedError(AgentReportError):
    """The report ended as ``failed``; its rows are in the warehouse."""


_MOST_READ = 10_000
_SECRETS = (
    # To the last @ of the word: a password may hold @ and / where nobody has percent-encoded it.
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
