"""One tiny question to the judge: whether it answers at all costs a few tokens."""

from __future__ import annotations

import time

from deployments.doctor.finding import Finding
from tasks.clients import Clients
from tasks.judge.endpoint.stop_signal import StopSignal
from tasks.settings import ReportOptions
from tasks.wording.counts import counted
from tasks.wording.durations import format_duration

_MESSAGES = (
    {"role": "system", "content": "You check a connection. Answer with a JSON object."},
    {"role": "user", "content": 'Answer with {"ok": true}.'},
)
_SCHEMA = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}},
    "required": ["ok"],
    "additionalProperties": False,
}
# A reasoning model spends some before it writes; what it does not need is not paid for.
_OUTPUT_TOKENS = 1000


def call_judge(clients: Clients, *, limit_seconds: float) -> list[Finding]:
    """What the judge answers to one question of some 40 tokens.

    Raises:
        JudgeError: no answer, in the words that a report would show.
    """
    client = clients.judge_client(clients.settings.options(ReportOptions()))
    reply = client.complete(
        _MESSAGES,
        _SCHEMA,
        deadline=time.monotonic() + limit_seconds,
        stop=StopSignal(),
        output_tokens=_OUTPUT_TOKENS,
    )
    if not reply.paid:
        return [Finding("judge call", "failed", reply.problem, "compare OPENAI_BASE_URL with your endpoint's manual")]
    summary = f"{reply.model} answered in {format_duration(reply.latency_seconds)}"
    if reply.prompt_tokens is not None and reply.completion_tokens is not None:
        summary += f" ({counted(reply.prompt_tokens + reply.completion_tokens, 'token')})"
    if not reply.text.strip():
        return [
            Finding(
                "judge call",
                "note",
                f"{summary}, but without text ({reply.finish_reason or 'no reason given'})",
                "a model that reasons at length needs AGENT_REPORT_JUDGE_EXTRA to reason less",
            )
        ]
    return [Finding("judge call", "ok", summary)]
