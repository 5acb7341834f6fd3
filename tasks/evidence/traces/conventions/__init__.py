"""What a span is (a call of an LLM or a tool, an agent, anything else) and holds, whichever convention it follows.

``convention`` is the interface, a module of ``standards``, ``frameworks`` or ``platforms`` one convention, ``catalog``
the list of them. CONTRIBUTING.md explains how to add one.
"""

from tasks.evidence.traces.conventions.agent_names import AgentMark
from tasks.evidence.traces.conventions.convention import SpanKind
from tasks.evidence.traces.conventions.messages import Message
from tasks.evidence.traces.conventions.reading import SpanReading, read, same_tool
from tasks.evidence.traces.conventions.tool_parts import ToolAnswer, ToolRequest
from tasks.evidence.traces.conventions.usage import UNKNOWN_USAGE, Usage

__all__ = [
    "UNKNOWN_USAGE",
    "AgentMark",
    "Message",
    "SpanKind",
    "SpanReading",
    "ToolAnswer",
    "ToolRequest",
    "Usage",
    "read",
    "same_tool",
]
