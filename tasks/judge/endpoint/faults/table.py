"""The table: what an endpoint returns, and what is done then. ``docs/make_judge_endpoint.py`` prints it.

The rows stand in the order in which they are tried. Where the remedy of a row is used up (there is no simpler format
left), the next row that matches counts.
"""

from __future__ import annotations

from tasks.judge.endpoint.faults.account import ACCOUNT_FAULTS
from tasks.judge.endpoint.faults.fault import Cause, Fault
from tasks.judge.endpoint.faults.request import REQUEST_FAULTS
from tasks.judge.endpoint.faults.server import SERVER_FAULTS
from tasks.judge.endpoint.refusals.refusal import Refusal
from tasks.wire.route import describe_place

FAULTS: tuple[Fault, ...] = (*ACCOUNT_FAULTS, *REQUEST_FAULTS, *SERVER_FAULTS)

REMEDIES: frozenset[Cause] = frozenset(
    {"role", "generation", "schema", "format", "limit", "temperature", "stream", "unnamed"}
)
"""What another form of the request may help against."""

ENDINGS: frozenset[Cause] = frozenset({"redirect", "scheme", "proxy", "quota", "key", "model"})
"""What no other call can survive either."""


def why_judging_ends(cause: Cause, refusal: Refusal, key_name: str = "OPENAI_API_KEY") -> str:
    """Why no other call can succeed either, for a cause of ``ENDINGS``; ``key_name`` is the setting with the key."""
    if cause == "redirect":
        where = describe_place(refusal.location)
        return f"the judge's endpoint redirects{where}, which is not followed: set OPENAI_BASE_URL to the final address"
    if cause == "scheme":
        return "the judge's endpoint speaks https: OPENAI_BASE_URL must begin with https://"
    if cause == "proxy":
        return "the proxy does not let the call through: HTTP_PROXY or HTTPS_PROXY needs its user and password"
    if cause == "quota":
        return "the judge's quota is used up"
    if cause == "key":
        return f"the judge's endpoint does not accept the key ({key_name})"
    if refusal.status == 403:
        return f"the judge's endpoint does not let this key use the model (AGENT_REPORT_JUDGE_MODEL, {key_name})"
    return "the judge's endpoint does not know this model or path (AGENT_REPORT_JUDGE_MODEL, OPENAI_BASE_URL)"
