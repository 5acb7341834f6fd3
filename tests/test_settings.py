"""Settings: every option has one, what is given wins, and a wrong one is one line."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from tasks.errors import RefusedError
from tasks.redaction.optional import KINDS
from tasks.settings import AlsoRedacted, ReportOptions, read_settings
from tasks.wording.since import parse_since


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_an_option_that_is_not_given_takes_the_settings_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_REPORT_RUNS_PER_AGENT", "7")
    monkeypatch.setenv("AGENT_REPORT_FAIL_FAST", "true")
    options = read_settings().options(ReportOptions(fail_fast=False))
    assert options.runs_per_agent == 7
    assert options.fail_fast is False


def test_dotenv_is_read_anew_when_it_changes(tmp_path: Path) -> None:
    assert read_settings().runs_per_agent == 20
    (tmp_path / ".env").write_text("AGENT_REPORT_RUNS_PER_AGENT=9\n", encoding="utf-8")
    assert read_settings().runs_per_agent == 9


def test_the_width_of_a_model_holds_unless_another_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_REPORT_MAX_CONCURRENT_EVALS_BY_MODEL", '{"large": 3}')
    settings = read_settings()
    assert settings.options(ReportOptions(judge_model="large")).max_concurrent_evals == 3
    assert settings.options(ReportOptions(judge_model="small")).max_concurrent_evals == 10
    assert settings.options(ReportOptions(judge_model="large", max_concurrent_evals=5)).max_concurrent_evals == 5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AGENT_REPORT_JAEGER_HEADERS", "hunter2"),
        ("AGENT_REPORT_SINCE", "hunter2 ago"),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_is_not_shown(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(RefusedError) as caught:
        read_settings()
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    if name != "AGENT_REPORT_SINCE":
        assert "hunter2" not in str(caught.value)


def test_since_is_a_span_or_a_time() -> None:
    until = datetime(2026, 2, 8, tzinfo=UTC)
    assert parse_since("7d", until) == datetime(2026, 2, 1, tzinfo=UTC)
    assert parse_since("2026-01-31T08:00:00", until) == datetime(2026, 1, 31, 8, tzinfo=UTC)
    assert parse_since("2026-01-31T08:00:00+02:00", until) == datetime(2026, 1, 31, 6, tzinfo=UTC)
    with pytest.raises(ValueError, match="yesterday"):
        parse_since("yesterday", until)


def test_what_a_form_sends_for_empty_fields_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_REPORT_JUDGE_MODEL", "ours")
    monkeypatch.setenv("AGENT_REPORT_SINCE", "7d")
    empty = dict.fromkeys(ReportOptions.model_fields)
    for sent in ({}, empty, empty | {"judge_model": "", "since": " \n", "agents": []}, {"agents": [""]}):
        options = read_settings().options(ReportOptions.model_validate(sent))
        assert (options.judge_model, options.since, options.runs_per_agent, options.agents) == ("ours", "7d", 20, [])
    typed = ReportOptions.model_validate(
        {"judge_model": "mine\n", "agents": [" billing-bot ", ""], "runs_per_agent": 5.0}
    )
    assert (typed.judge_model, typed.agents, typed.runs_per_agent) == ("mine", ["billing-bot"], 5)


def test_options_that_are_read_back_are_those_that_were_given() -> None:
    options = ReportOptions(since="7d", fresh=False)
    assert options.model_dump(mode="json") == {"since": "7d", "fresh": False}
    assert ReportOptions.model_validate(options.model_dump()).model_fields_set == {"since", "fresh"}
    # What is stored with a report is all of them, whatever the settings are when it is resumed.
    assert set(read_settings().options(options).model_dump()) == set(ReportOptions.model_fields)


def test_the_form_names_defaults_and_fills_in_none() -> None:
    fields = ReportOptions.model_json_schema()["properties"]
    assert not [name for name, field in fields.items() if "default" in field]
    assert all(field["title"] and field["description"] for field in fields.values())
    assert sorted(field["position"] for field in fields.values()) == list(range(len(fields)))
    assert fields["runs_per_agent"]["description"].endswith("Default: 20.")
    assert (fields["runs_per_agent"]["minimum"], fields["runs_per_agent"]["maximum"]) == (1, 1000)


@pytest.mark.parametrize("given", ['["ip_addresses", "dates_of_birth"]', "ip_addresses,dates_of_birth"])
def test_more_kinds_to_redact_are_a_list(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings().redact_also == []
    monkeypatch.setenv("AGENT_REPORT_REDACT_ALSO", given)
    assert read_settings().redact_also == ["ip_addresses", "dates_of_birth"]


def test_an_unknown_kind_to_redact_is_refused_with_those_that_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_REPORT_REDACT_ALSO", "ip_adresses")
    with pytest.raises(RefusedError, match=r"REDACT_ALSO\.0: .*'ip_addresses', .*\(value: 'ip_adresses'\)"):
        read_settings()
    assert get_args(AlsoRedacted) == KINDS
