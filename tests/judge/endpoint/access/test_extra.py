"""What may be merged into every request, and what may not."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.errors import ConfigurationError
from tasks.judge.endpoint.access.extra import check_extra, named_extra


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"reasoning_effort": "low", "service_tier": "flex", "seed": 7, "top_p": 0.5},
        {"provider": {"order": ["azure"], "allow_fallbacks": False}},
        {"extra_body": {"google": {"thinking_config": {"thinking_budget": 0}}}},
        {"chat_template_kwargs": {"enable_thinking": False}},
    ],
)
def test_what_endpoints_take_beside_the_question_is_taken(extra: dict[str, Any]) -> None:
    check_extra(extra)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"model": "x"}, "set AGENT_REPORT_JUDGE_MODEL"),
        ({"max_tokens": 5}, "set AGENT_REPORT_JUDGE_MAX_OUTPUT_TOKENS"),
        ({"max_completion_tokens": 5}, "set AGENT_REPORT_JUDGE_MAX_OUTPUT_TOKENS"),
        ({"temperature": 0}, "set AGENT_REPORT_JUDGE_TEMPERATURE"),
        *(({name: None}, f"'{name}' is set by this program") for name in ("messages", "stream", "n", "tools")),
        ({"response_format": {"type": "text"}}, "'response_format' is set by this program"),
        ({"Stream": True}, "'Stream' is set by this program"),
        ({"service_tier": 1}, "service_tier must be a text"),
        ({"provider": {"max_price": [float("nan")]}}, "NaN or Infinity"),
    ],
)
def test_what_is_ours_is_refused(extra: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^wrong setting: AGENT_REPORT_JUDGE_EXTRA: ") as caught:
        check_extra(extra)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("param", "message", "named"),
    [
        ("reasoning_effort", "", "reasoning_effort"),
        ("provider.order[0]", "", "provider"),
        ("", "Unrecognized request argument supplied: reasoning_effort", "reasoning_effort"),
        ("", "Unsupported parameter: 'reasoning_effort' is not supported with this model.", "reasoning_effort"),
        ("", "`reasoning_effort` is not supported with this model", "reasoning_effort"),
        ("", 'Invalid JSON payload received. Unknown name "reasoning_effort": Cannot find field.', "reasoning_effort"),
        ("", "property 'reasoning_effort' is unsupported", "reasoning_effort"),
        ("", "reasoning_effort: Extra inputs are not permitted", "reasoning_effort"),
        ("max_tokens", "max_tokens is too large", ""),
        # Fields can have the names of other things.
        ("", "The provider does not support response_format", ""),
        ("", "Provider returned error", ""),
        ("", "", ""),
    ],
)
def test_which_field_a_refusal_names(param: str, message: str, named: str) -> None:
    assert named_extra({"reasoning_effort": "low", "provider": {}}, param, message) == named
