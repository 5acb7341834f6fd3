"""Makes ``docs/reference/tables.md`` from the definitions of tables and views: run this file."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from sqlalchemy import Column, Table

from tasks.warehouse.columns import FreeJson, Nested
from tasks.warehouse.schema import REPORT_TABLES, arrow_type, metadata
from tasks.warehouse.views.definitions import VIEWS

_ABOUT = {
    "reports": "A row for every report, from the moment it is ordered.",
    "agent_report_details": "A row for every agent of the environment, whatever happened to it.",
    "criterion_scores": "A row for every criterion of every agent that was judged, and of the team.",
    "report_runs": "A row for every run that was read.",
    "report_issues": "A row for every issue that a report found: a failure mode across runs and agents.",
    "judge_calls": "The ledger: a row for every paid answer of the judge, and for calls in flight.",
    "reused_answers": "A row for every answer of the ledger that a report reused.",
    "report_comparisons": "A row for every metric of every agent, and of the team, in a comparison of two reports.",
    "labels": "A row for every person's verdict on an agent or a run, on one criterion.",
    "issue_decisions": "A row for every decision of a person on an issue; the newest of an issue holds.",
    "run_verdicts": "A row for every run that was judged by itself, for no report.",
}
_HEAD = """\
# Tables and views

Made by `docs/make_tables.py` from `tasks/warehouse/tables/` and `tasks/warehouse/views/definitions.py`.

- SQL is authoritative: a report is done when its `status` is `completed`. Views hold completed reports only, except for
  `judge_costs`.
- NULL is not measured or not known, never zero. Times are UTC; SQLite keeps them as text without a zone.
- Scores are 0 to 10, rates and shares 0 to 1, durations in seconds, costs in USD.
- Columns of JSON are nested types in Parquet (named here), those marked *JSON text* are a string that holds JSON.
  SQLite keeps truth values as 0 and 1.
- Ids of agents and runs are those of the source. The id of a report is never used twice.
"""


def render() -> str:
    """The page."""
    parts = [_HEAD, "## Views\n"]
    parts += [_section(view.table, view.about) for view in VIEWS.values()]
    parts.append("## Tables\n")
    parts += [_section(table, _about(table)) for table in (metadata.tables[name] for name in _ABOUT)]
    return "\n".join(parts).rstrip() + "\n"


def _about(table: Table) -> str:
    return _ABOUT[table.name] + (" Also in Parquet." if table.name in REPORT_TABLES else " SQL only.")


def _section(table: Table, about: str) -> str:
    lines = [f"### {table.name}\n", f"{about}\n", "| column | type | |", "|---|---|---|"]
    lines += [f"| `{each.name}` | {_type(each)} | {_cell(each.comment or '')} |" for each in table.columns]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _type(column: Column[object]) -> str:
    if isinstance(column.type, Nested):
        return f"JSON: {_cell(_shape(column.type.arrow_type))}"
    if isinstance(column.type, FreeJson):
        return "JSON, *JSON text* in Parquet"
    kind = arrow_type(column)
    if pa.types.is_timestamp(kind):
        return "time"
    names = {pa.int64(): "integer", pa.float64(): "double", pa.string(): "text", pa.bool_(): "boolean"}
    return names[kind]


def _shape(kind: pa.DataType) -> str:
    """A nested type in short: lists as […], structs as {…}, maps as {key: …}."""
    if isinstance(kind, pa.MapType):
        return f"{{key: {_shape(kind.item_type)}}}"
    if isinstance(kind, pa.ListType):
        return f"[{_shape(kind.value_type)}]"
    if isinstance(kind, pa.StructType):
        fields = (kind.field(index) for index in range(kind.num_fields))
        return f"{{{', '.join(f'{each.name}: {_shape(each.type)}' for each in fields)}}}"
    return {pa.int64(): "integer", pa.float64(): "double", pa.string(): "text", pa.bool_(): "boolean"}[kind]


def main() -> None:
    """Write ``docs/reference/tables.md``."""
    (Path(__file__).parent / "reference" / "tables.md").write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
