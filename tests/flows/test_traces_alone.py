"""A report from traces alone: files of the OpenTelemetry Collector, without a database and without Jaeger."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.settings import ReportOptions

_SHOP = {"service.name": "shop", "deployment.environment.name": "production"}


def _line(number: int, agent: str, began: datetime, *, error: str = "") -> str:
    """A run of ``agent`` that asks an LLM, calls a tool and answers; with an error it fails."""
    start = int(began.timestamp() * 1_000_000_000)

    def span(span_id: int, parent: int, name: str, seconds: tuple[int, int], **attributes: Any) -> dict[str, Any]:
        return {
            "traceId": f"{number:032x}",
            "spanId": f"{span_id:016x}",
            "parentSpanId": f"{parent:016x}" if parent else "",
            "name": name,
            "startTimeUnixNano": str(start + seconds[0] * 10**9),
            "endTimeUnixNano": str(start + seconds[1] * 10**9),
            "attributes": _attributes({f"gen_ai.{key}": value for key, value in attributes.items()}),
        }

    asked = [{"role": "user", "parts": [{"type": "text", "content": f"What of order {number}?"}]}]
    answered = [{"role": "assistant", "parts": [{"type": "text", "content": f"Order {number} is on its way."}]}]
    messages = {"input.messages": json.dumps(asked), "output.messages": json.dumps(answered)}
    root = span(
        1, 0, f"invoke_agent {agent}", (0, 9), **_operation("invoke_agent"), **{"agent.name": agent}, **messages
    )
    if error:
        root["status"] = {"code": 2, "message": error}
    usage = {"request.model": "test-model-1", "usage.input_tokens": 100, "usage.output_tokens": 10}
    tool = {"tool.name": "find_order", "tool.call.arguments": "{}", "tool.call.result": "sent"}
    spans = [
        root,
        span(2, 1, "chat test-model-1", (1, 4), **_operation("chat"), **usage),
        span(3, 1, "execute_tool find_order", (4, 6), **_operation("execute_tool"), **tool),
    ]
    scope = {"scope": {"name": "own"}, "spans": spans}
    return json.dumps({"resourceSpans": [{"resource": {"attributes": _attributes(_SHOP)}, "scopeSpans": [scope]}]})


def _operation(operation: str) -> dict[str, str]:
    return {"operation.name": operation}


def _attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}
        for key, value in values.items()
    ]


def test_a_report_needs_no_database(make_world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.generate_report import generate_report

    world = make_world()
    folder = world.folder / "traces"
    folder.mkdir()
    began = datetime.now(UTC) - timedelta(days=60)
    lines = [_line(number, "orders", began + timedelta(minutes=number)) for number in range(1, 4)]
    lines += [_line(9, "refunds", began, error="the card is unknown"), "{not JSON}"]
    (folder / "traces.json").write_text("\n".join(lines) + "\n")
    monkeypatch.setenv("AGENT_REPORT_SOURCE_URL", f"otlp:{folder}/*.json")
    monkeypatch.delenv("AGENT_REPORT_JAEGER_URL")

    report_id = generate_report("production", options=ReportOptions(judge_model="simulated-judge"))

    (report,) = world.warehouse.list_reports()
    assert (report["id"], report["status"], report["total_agents"]) == (report_id, "completed", 2)
    agents = world.agents(report)
    assert {name: (row["agent_id"], row["status"], row["runs_analyzed"]) for name, row in agents.items()} == {
        "orders": ("production/shop/orders", "evaluated", 3),
        "refunds": ("production/shop/refunds", "evaluated", 1),
    }
    assert any("cannot be read" in warning for warning in agents["orders"]["warnings"])
    (failed,) = [row for row in world.warehouse.load_runs(report_id) if row["status"] == "failed"]
    assert failed["error"] == "the card is unknown"
    for row in world.warehouse.load_runs(report_id):
        assert (row["trace_state"], row["model_name"], row["tokens"]) == ("complete", "test-model-1", 110)
        assert row["run_id"] == f"{row['trace_id']}-{1:016x}"
        assert row["telemetry"]["tool_calls"][0]["name"] == "find_order"
    # The spans came with the runs.
    assert world.jaeger.requests == []
