"""The tier flex is given up where it is not available, and for no other reason."""

from __future__ import annotations

import json

import pytest

from tasks.judge.endpoint.access.tier import ServiceTier
from tasks.judge.endpoint.refusals.refusal import Refusal, read_refusal


def _refusal(status: int, message: str, **fields: str) -> Refusal:
    return read_refusal(status, json.dumps({"error": {"message": message, **fields}}).encode(), {})


@pytest.mark.parametrize(
    ("status", "message", "body"),
    [
        (429, "Resource Unavailable. Please try again later.", {}),
        (429, "no capacity now", {"code": "resource_unavailable"}),
        (400, "Flex is not available for this model.", {}),
        (400, "Unsupported service_tier: flex", {}),
        (400, "Invalid value", {"param": "service_tier"}),
        (422, "service_tier: Extra inputs are not permitted", {}),
        (403, "The service tier is not enabled for this organization", {}),
        (498, "capacity exceeded", {}),
        (503, "The flex tier is at capacity, try again", {}),
    ],
)
def test_flex_is_refused(status: int, message: str, body: dict[str, str]) -> None:
    refusal = _refusal(status, message, **body)
    assert ServiceTier("flex").is_refused("flex", refusal)
    # Another tier is what the user pays for: it is not left silently.
    assert not ServiceTier("priority").is_refused("priority", refusal)
    assert not ServiceTier().is_refused("", refusal)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (429, "Rate limit reached for gpt-5.4-mini on tokens per min (service tier flex)"),
        (429, "Resource has been exhausted (e.g. check quota)."),
        (400, "Unsupported parameter: 'temperature'"),
        (503, "Loading model"),
        (500, "service_tier"),
        (401, "bad key"),
    ],
)
def test_another_refusal_does_not_cost_the_tier(status: int, message: str) -> None:
    assert not ServiceTier("flex").is_refused("flex", _refusal(status, message))


def test_it_is_given_up_for_good_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    tier = ServiceTier("flex")
    extra = {"service_tier": "flex", "seed": 1}
    assert tier.body(extra, tier.current) == extra
    tier.give_up("HTTP 429: Resource Unavailable")
    tier.give_up("HTTP 429: Resource Unavailable")
    assert tier.body(extra, tier.current) == {"seed": 1}
    assert [record.message for record in caplog.records] == [
        "AGENT_REPORT_JUDGE_EXTRA asks for the service tier flex, which is not available here (HTTP 429: Resource "
        "Unavailable): calls use the standard tier, at its price"
    ]
