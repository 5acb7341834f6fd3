"""The agent or the workflow that a span is the run of, and its name without what instrumentations put around it."""

from __future__ import annotations

import re
from typing import NamedTuple

_PREFIXES = ("invoke_agent ", "invoke_workflow ", "agent_run ", "agent run ", "invocation ")
_SUFFIXES = (
    *(".run", ".arun", ".run_sync", ".run_stream", ".arun_stream", "._run", "._arun", ".agent", ".workflow"),
    *("._execute_core", ".execute_task", ".on_messages_stream", ".on_messages", ".kickoff", ".kickoff_async"),
    *(".forward", ".aforward", ".__call__", ".acall", ".invoke", ".ainvoke", ".stream", ".astream", ".step"),
)
# What differs from run to run would make every run an agent of its own.
_VARYING = re.compile(
    r"[_\-./: ]?(?<![0-9A-Za-z])"
    r"(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{16,64}|[0-9]{4,40})(?![0-9A-Za-z])"
)
_LONGEST = 120


class AgentMark(NamedTuple):
    """That a span is the run of an agent; ``name`` is empty where the span does not name the agent.

    A workflow is a span around agents, which is an agent itself where it holds none.
    """

    name: str = ""
    is_workflow: bool = False


def name_of(operation: str) -> str:
    """The agent's name in the ``operation`` of a span: without the method that runs it, ids and long numbers.

    ``invoke_agent travel``, ``travel.run`` and ``agent_run [travel]`` are "travel". Nothing but that is empty.
    """
    name = operation.strip()
    for prefix in _PREFIXES:
        if name.startswith(prefix) or name == prefix.strip():
            name = name[len(prefix) :].strip()
            break
    name = name.removeprefix("[").removesuffix("]")
    for suffix in _SUFFIXES:
        if name.endswith(suffix):
            name = name.removesuffix(suffix)
            break
    return _VARYING.sub("", name[: 4 * _LONGEST]).strip()[:_LONGEST]
