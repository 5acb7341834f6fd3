"""Presets: rubrics by name, in files, in the flow's parameters and on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.errors import RefusedError
from tasks.judge.criteria.presets import PRESETS, default_rubric, station_rubric
from tasks.judge.rubric import Criteria, open_criteria, parse_criteria


def test_station_scores_what_station_scores() -> None:
    assert list(station_rubric()) == ["hallucination", "relevancy", "task completion", "faithfulness", "toxicity"]


@pytest.mark.parametrize("name", PRESETS)
def test_a_name_stands_for_a_rubric(name: str) -> None:
    criteria = parse_criteria({"default": name, "agents": {"id:7": name}})
    assert criteria.default == criteria.agents["id:7"] == PRESETS[name]()
    assert Criteria.model_validate_json(f'{{"default": "{name}"}}', strict=True).default == PRESETS[name]()
    assert Criteria.model_validate(criteria.model_dump(mode="json")) == criteria


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(RefusedError, match=r"default: there is no preset of this name; there are default, station"):
        parse_criteria({"default": "stations"})
    with pytest.raises(RefusedError, match=r"team\.criteria"):
        parse_criteria({"team": {"criteria": "station"}})


def test_a_form_and_a_webhook_know_the_names() -> None:
    field = Criteria.model_json_schema()["properties"]["default"]
    assert {"enum": list(PRESETS), "type": "string"} in field["anyOf"]


def test_a_command_takes_a_preset_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "station"
    path.write_text("default: {care: {}}\n", encoding="utf-8")
    assert open_criteria("station").default == station_rubric()
    assert list(open_criteria("./station").default) == ["care"]
    assert open_criteria("station").team == Criteria().team
    path.write_text("default: default\n", encoding="utf-8")
    assert open_criteria("./station").default == default_rubric()
    with pytest.raises(RefusedError, match=r"'sation' is neither a file nor a preset \(default, station\)"):
        open_criteria("sation")
