"""What a computed criterion asks of a run, in the words of a report."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.judge.criteria.criterion import Criterion


def describe_rule(criterion: Criterion) -> str:
    """What runs that meet ``criterion`` did: "took at most 30 s"; to stand behind "18 of 20 runs"."""
    limit, tools = criterion.limit or 0.0, criterion.tools or ()
    match criterion.kind:
        case "success":
            return "did their task"
        case "completion":
            return "completed"
        case "max_duration_seconds":
            return f"took at most {limit:g} s"
        case "max_cost_usd":
            return f"cost at most ${limit:g}"
        case "max_tool_calls":
            return f"made at most {limit:g} tool call{'s' if limit != 1 else ''}"
        case "tool_must":
            return f"called {_listed(tools, 'and')}"
        case "tool_never":
            return f"did not call {_listed(tools, 'or')}"
        case "tool_order":
            return f"called {', then '.join(tools)} in this order, as far as they called them"
        case "no_repeats":
            return "called no tool twice with the same arguments"
        case "response_matches":
            return f"have a final response that matches {criterion.pattern}"
        case "response_equals_expected":
            return "gave the expected answer"
        case _:
            return f"meet {criterion.function}"


def _listed(names: Sequence[str], joint: str) -> str:
    return f" {joint} ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
