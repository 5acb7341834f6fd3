"""A report whose judge follows guidance from people's labels: sent with verdicts alone, and stated by the report."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tasks.judge.runs.guidance import Guidance, LabelledExample, Measured, dump_guidance


def test_a_report_follows_guidance_and_states_it(
    make_world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world()
    before = world.report_directly(runs_per_agent=3)
    guidance = Guidance(
        guidance="A refund needs a receipt.",
        examples=(LabelledExample(task="a labelled task", succeeded=False),),
        measured=Measured(report_id=before["id"], runs=20, kappa_before=0.4, kappa_after=0.6),
    )
    path = world.folder / "guidance.yaml"
    path.write_text(dump_guidance(guidance), encoding="utf-8")
    monkeypatch.setenv("AGENT_REPORT_JUDGE_GUIDANCE", str(path))
    asked = len(world.judge.requests)
    report = world.report_directly(runs_per_agent=3)
    assert report["status"] == "completed"
    assert any("kappa of judge and people was 0.40 without it and 0.60 with it" in text for text in report["warnings"])
    assert report["judge_settings"]["guidance"]["guidance"] == guidance.guidance
    assert report["judge_fingerprint"] != before["judge_fingerprint"]
    prompts = [json.loads(request.body)["messages"] for request in world.judge.requests[asked:]]
    guided = [messages for messages in prompts if guidance.guidance in messages[0]["content"]]
    # The four agents, and neither the team nor the issues.
    assert len(guided) == 4
    assert all("| a labelled task" in messages[1]["content"] for messages in guided)
    assert len(prompts) > len(guided)
