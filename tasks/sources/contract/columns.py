"""The source contract: the kinds of records that every reader gives, with the names and types of their columns.

Ids are text. Unknown columns are ignored, absent ones read as None.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

ColumnType = Literal["id", "text", "status", "time", "duration", "count", "money", "flag", "json", "tags"]
"""id: text, an integer, a UUID · status: a word · time: a time, UTC where it has no zone, or a number since the epoch ·
duration: seconds or an interval · count: a whole number, not negative · money: US dollars · flag: true or false ·
json: JSON, as text or as a native type · tags: a list, as JSON, an array or text with commas."""


class Column(NamedTuple):
    """One column: its name, its type, what it holds, and whether a record without it cannot be read."""

    name: str
    type: ColumnType
    description: str
    is_required: bool = False


RUN: tuple[Column, ...] = (
    Column("id", "id", "Unique among the runs of its agent.", True),
    Column("agent", "id", "The id of its agent; without a list of agents, its name too.", True),
    Column("environment", "text", "The set of agents that one report covers."),
    Column("status", "status", "How it ended, as a word.", True),
    Column("started_at", "time", "When it started; without it, `completed_at` counts."),
    Column("completed_at", "time", "When it ended."),
    Column("duration_seconds", "duration", "How long it took; without it, the time between the two dates."),
    Column("task", "text", "What the agent was asked to do."),
    Column("final_response", "text", "What it answered."),
    Column("expected", "text", "What a correct answer holds; the judge is shown it, the agent was not."),
    Column("context", "text", "What the agent was given beside its task, such as retrieved documents."),
    Column("error", "text", "Why it failed."),
    Column("tool_calls", "json", "Its tool calls, in their order."),
    Column("execution_steps", "json", "Its messages along the way, in their order."),
    Column("messages", "json", "The whole conversation; fills in what is absent above."),
    Column("steps_taken", "count", "How many steps it took."),
    Column("input_tokens", "count", "Tokens that the models were given."),
    Column("output_tokens", "count", "Tokens that the models wrote."),
    Column("total_tokens", "count", "Both together, where they are not known by themselves."),
    Column("cost_usd", "money", "What it cost; comes before the price list."),
    Column("model_name", "text", "The model that the agent used."),
    Column("session_id", "text", "The conversation that it is a part of."),
    Column("parent_run_id", "id", "The run that started it."),
    Column("trace_id", "text", "The id of its trace."),
    Column("version", "text", "The agent's version."),
    Column("succeeded", "flag", "Whether it did its task, where that is known."),
    Column("owner", "text", "Who answers for it."),
    Column("tags", "tags", "Words for filtering."),
)

SLIM = frozenset(
    {"id", "agent", "status", "started_at", "completed_at", "duration_seconds", "error", "model_name", "session_id"}
    | {"input_tokens", "output_tokens", "total_tokens", "cost_usd", "succeeded", "trace_id"}
)
"""The columns of a run that are read of every run of a window."""

STEP: tuple[Column, ...] = (
    Column("run_id", "id", "The run that it is a part of.", True),
    Column("seq", "count", "Its place in the run; without it, `started_at` counts."),
    Column("kind", "status", "llm, tool, agent or message.", True),
    Column("name", "text", "The tool, the model, the agent; of a message, its role."),
    Column("input", "json", "What it was given."),
    Column("output", "json", "What it gave back."),
    Column("error", "text", "Why it failed."),
    Column("started_at", "time", "When it started."),
    Column("completed_at", "time", "When it ended."),
)

AGENT: tuple[Column, ...] = (
    Column("id", "id", "What the runs' `agent` names.", True),
    Column("name", "text", "Its name; without it, the id."),
    Column("environment", "text", "Without it, the environments are those of its runs."),
    Column("description", "text", "What it is for."),
    Column("prompt", "text", "The instructions that it is given."),
    Column("owner", "text", "Who answers for it."),
    Column("max_steps", "count", "How many steps it may take."),
)

SIGNAL: tuple[Column, ...] = (
    Column("run_id", "id", "The run that it is about.", True),
    Column("name", "text", "What was observed, such as `outcome` or `thumbs`.", True),
    Column("value", "text", "A number, a word, true or false.", True),
    Column("source", "status", "user, check or outcome."),
)

ENVIRONMENT: tuple[Column, ...] = (Column("environment", "text", "Its name.", True),)


def names(columns: Sequence[Column]) -> tuple[str, ...]:
    """The columns' names, in their order."""
    return tuple(column.name for column in columns)


def required(columns: Sequence[Column]) -> tuple[str, ...]:
    """The names of those that have to be there."""
    return tuple(column.name for column in columns if column.is_required)
