"""Texts of the contract's optional columns are redacted like the others."""

from __future__ import annotations

from collections.abc import Callable

from tasks.evidence.types import Agent, AgentRuns, Run
from tasks.redaction.redaction_batch import RedactionBatch
from tasks.redaction.redactor import Redactor

KEY = "sk-proj-Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z"


def test_no_optional_text_keeps_a_secret(make_run: Callable[..., Run]) -> None:
    names = ("expected", "context", "messages", "session_id", "version", "owner")
    run = make_run(1, **{name: f"{name} {KEY}" for name in names}, tags=("plain", f"tag {KEY}"))
    [changed] = RedactionBatch(Redactor()).redact_runs(AgentRuns(runs=(run,))).runs
    assert {name: getattr(changed, name) for name in names} == {name: f"{name} [api key]" for name in names}
    assert changed.tags == ("plain", "tag [api key]")
    agent = RedactionBatch(Redactor()).redact_agent(Agent(id="1", name="a", environment="e", owner=KEY))
    assert agent.owner == "[api key]"
