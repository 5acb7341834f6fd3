"""Which parameters a deployment has after setup: those of prefect.yaml, and those that a person set in the UI."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.setup.parameters import merge

FORM = {
    "type": "object",
    "required": ["environment"],
    "properties": {
        "environment": {"type": "string"},
        "name": {"type": "string"},
        "options": {"$ref": "#/definitions/Options"},
    },
    "definitions": {
        "Options": {"type": "object", "properties": {"fresh": {"type": "boolean"}}, "additionalProperties": False}
    },
}


@pytest.mark.parametrize(
    ("known", "merged"),
    [
        ({}, {"name": "Nightly"}),
        ({"name": "Mine", "environment": "staging"}, {"name": "Nightly", "environment": "staging"}),
        ({"options": {"fresh": True}}, {"name": "Nightly", "options": {"fresh": True}}),
        # With these, which an earlier version took, Prefect would refuse the deployment.
        ({"options": {"quick": True}, "dropped": 1, "environment": 7}, {"name": "Nightly"}),
    ],
)
def test_the_file_comes_before_what_a_person_set(known: dict[str, Any], merged: dict[str, Any]) -> None:
    assert merge({"name": "Nightly"}, known, FORM, deployed=["name"]) == merged


def test_what_is_removed_from_the_file_is_removed_and_what_a_person_set_is_not() -> None:
    known = {"name": "Nightly", "options": {"fresh": True}}
    assert merge({}, known, FORM, deployed=["name"]) == {"options": {"fresh": True}}
    # Of an earlier version it is unknown which ones the file had.
    assert merge({}, known, FORM, deployed=()) == known
