"""The tables of the documentation are complete: settings, statuses, tables, views, columns, functions, HTTP."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from typing import Any, get_args

import pytest
from pydantic import SecretStr

import agent_report
from deployments.cli import app
from tasks.evidence.traces.conventions.catalog import OWN, SHARED
from tasks.judge.criteria.criterion import FIELD_OF, KINDS
from tasks.judge.criteria.presets import PRESETS
from tasks.judge.evaluation import AgentStatus
from tasks.settings import ReportOptions, Settings
from tasks.sources.contract.columns import AGENT, RUN, SIGNAL, STEP, Column, ColumnType
from tasks.sources.contract.mapping import SourceMapping
from tasks.sources.contract.statuses import BUILT_IN
from tasks.warehouse.schema import ENDED, REPORT_TABLES
from tasks.warehouse.views.definitions import VIEWS


def _names() -> dict[str, str]:
    """Field by the name of its environment variable, in lower case."""
    return {name if name.startswith("openai_") else f"agent_report_{name}": name for name in Settings.model_fields}


def _default(name: str) -> str:
    value = Settings.model_fields[name].get_default(call_default_factory=True)
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value in (None, "", [], {}):
        return ""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _options() -> set[str]:
    """Every option of every command."""
    return {
        option
        for name in app
        if not name.startswith("-")
        for argument in app[name].assemble_argument_collection()
        for option in argument.names
    }


def test_every_setting_is_in_a_table_once_with_its_default(pages: dict[str, Any]) -> None:
    rows = pages["docs/reference/settings.md"].rows("setting")
    named = [row[0].strip("`").lower() for row in rows]
    assert sorted(named) == sorted(_names())
    for variable, (_, *option, default, what) in zip(named, rows, strict=True):
        name = _names()[variable]
        assert default.strip("`") == _default(name), variable
        if name in ReportOptions.model_fields:
            assert option[0].strip("`") in _options(), variable
        else:
            assert not any(option), variable
        assert what


def test_settings_that_are_named_exist(page: Any) -> None:
    named = re.findall(r"\b((?:AGENT_REPORT|OPENAI)_[A-Z_]+[A-Z])\b", page.text)
    assert {name.lower() for name in named} - set(_names()) == set()


def test_options_that_are_named_exist(page: Any) -> None:
    lines = re.findall(r"`(--[a-z][a-z-]+)[^`]*`", page.prose)
    # Options of other programs.
    assert set(lines) - _options() - {"--help", "--host"} == set()


def test_every_status_is_explained(pages: dict[str, Any]) -> None:
    page = pages["docs/guide/reports.md"]
    assert {row[0].strip("`") for row in page.rows("status of an agent")} == set(get_args(AgentStatus))
    for status in ("pending", "generating_team", "generating_agents", *ENDED):
        assert f"`{status}`" in page.text


def test_every_table_and_view_is_explained(pages: dict[str, Any]) -> None:
    tables = {row[0].strip("`") for row in pages["docs/guide/reports.md"].rows("table")}
    assert tables >= {*REPORT_TABLES, "judge_calls", "labels", "report_comparisons"}
    assert {row[0].strip("`") for row in pages["docs/guide/warehouse.md"].rows("view")} == set(VIEWS)


def test_every_function_of_the_module_is_explained_with_its_arguments(pages: dict[str, Any]) -> None:
    shown = {row[0].strip("`") for row in pages["docs/guide/warehouse.md"].rows("function")}
    functions = [name for name in agent_report.__all__ if name.startswith("read_")]
    assert {line.partition("(")[0] for line in shown} == set(functions)
    for line in shown:
        name, _, arguments = line.rstrip(")").partition("(")
        parameters = inspect.signature(getattr(agent_report, name)).parameters.values()
        optional = [parameter.default is not inspect.Parameter.empty for parameter in parameters]
        assert ["=" in argument for argument in arguments.split(", ")] == optional, line


def test_every_kind_of_criterion_is_in_the_guide_with_its_field(pages: dict[str, Any]) -> None:
    page = pages["docs/guide/criteria.md"]
    rows = {row[0].strip("`"): row[2].strip("`") for row in page.rows("kind")}
    assert rows == {kind: FIELD_OF.get(kind, "") for kind in KINDS}
    assert [row[0].strip("`") for row in page.rows("preset")] == list(PRESETS)


def test_the_source_has_the_columns_that_are_read(pages: dict[str, Any]) -> None:
    rows = pages["docs/guide/your-agents.md"].rows("table")
    assert [row[0].strip("`") for row in rows] == ["environments", "agents", "agent_runs"]


@pytest.mark.parametrize(
    ("title", "columns"),
    [
        ("column of a run", RUN),
        ("column of a step", STEP),
        ("column of an agent", AGENT),
        ("column of a signal", SIGNAL),
    ],
)
def test_every_column_of_the_contract_is_explained(
    pages: dict[str, Any], title: str, columns: Sequence[Column]
) -> None:
    rows = pages["docs/reference/source-contract.md"].rows(title)
    assert rows == [
        [f"`{column.name}`", column.type, f"{'required. ' if column.is_required else ''}{column.description}"]
        for column in columns
    ]


def test_every_type_of_the_contract_and_every_key_and_word_of_the_mapping_is_explained(pages: dict[str, Any]) -> None:
    types = pages["docs/reference/source-contract.md"].rows("type")
    assert [row[0] for row in types] == list(get_args(ColumnType))
    page = pages["docs/guide/own-tables.md"]
    assert sorted(row[0].strip("`") for row in page.rows("key")) == sorted(SourceMapping.model_fields)
    assert {row[0]: row[1] for row in page.rows("meaning")} == {key: ", ".join(of) for key, of in BUILT_IN.items()}


def test_every_convention_of_spans_is_named(pages: dict[str, Any]) -> None:
    text = pages["docs/guide/your-agents.md"].text
    assert [convention.name for convention in (*OWN, *SHARED) if convention.name not in text] == []
