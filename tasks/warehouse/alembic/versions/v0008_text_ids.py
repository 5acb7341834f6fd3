"""Ids of agents and runs are text: columns, and what stands in JSON.

Views on PostgreSQL depend on the type of a column: ours and those of others are dropped and made again as they were.
SQLite cannot change the type of a column: each table is copied. Its views find columns by name and stay.
"""

from __future__ import annotations

import json
import re
from typing import Any

from alembic import op
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from tasks.errors import WarehouseError

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_COLUMNS = {
    "agent_report_details": ("agent_id",),
    "criterion_scores": ("agent_id",),
    "report_runs": ("agent_id", "run_id"),
    "judge_calls": ("agent_id",),
    "report_comparisons": ("agent_id",),
    "labels": ("agent_id", "run_id"),
}
# With a field run_id somewhere in them.
_WITH_RUN = {
    "agent_report_details": ("best_run", "worst_run", "typical_run", "contradictions", "suspicions"),
    "criterion_scores": ("examples",),
}


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        _upgrade_sqlite(connection)
    else:
        _upgrade_postgresql(connection)


def _upgrade_sqlite(connection: Connection) -> None:
    driver: Any = connection.connection.driver_connection
    driver.create_function("ids_as_text", 1, _ids_as_text, deterministic=True)
    # Otherwise a view that names the table while it is not there fails its renaming.
    connection.exec_driver_sql("PRAGMA legacy_alter_table = ON")
    for table, columns in _COLUMNS.items():
        _copy_table(connection, table, columns)
    connection.exec_driver_sql("PRAGMA legacy_alter_table = OFF")


def _copy_table(connection: Connection, table: str, columns: tuple[str, ...]) -> None:
    def query(statement: str, *values: Any) -> list[Any]:
        return list(connection.exec_driver_sql(statement, values).all())

    [(created,)] = query("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", table)
    others = query(
        "SELECT sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND tbl_name = ? AND sql IS NOT NULL", table
    )
    # An id that was given out is never given again.
    last = query("SELECT seq FROM sqlite_sequence WHERE name = ?", table)
    copy = f"{table}_0008"
    for column in columns:
        created = re.sub(rf"\b{column} BIGINT\b", f"{column} TEXT", created)
    created = re.sub(rf'^CREATE TABLE "?{table}"?', f"CREATE TABLE {copy}", created)
    connection.exec_driver_sql(created)
    names = [row[1] for row in query(f"PRAGMA table_info({table})")]
    changed = {name: f"CAST({name} AS TEXT)" for name in columns}
    if table in _WITH_RUN:
        changed |= {name: f"ids_as_text({name})" for name in (*_WITH_RUN[table], "run_ids", "failure_patterns")}
    values = ", ".join(changed.get(name, f'"{name}"') for name in names)
    listed = ", ".join(f'"{name}"' for name in names)
    connection.exec_driver_sql(f"INSERT INTO {copy} ({listed}) SELECT {values} FROM {table}")  # noqa: S608
    connection.exec_driver_sql(f"DROP TABLE {table}")
    connection.exec_driver_sql(f"ALTER TABLE {copy} RENAME TO {table}")
    for (statement,) in others:
        connection.exec_driver_sql(statement)
    for (number,) in last:
        connection.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
        connection.exec_driver_sql("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, number))


def _ids_as_text(text: str | None) -> str | None:
    if text is None:
        return None
    value = json.loads(text)
    if isinstance(value, list) and all(isinstance(one, int) for one in value):
        return json.dumps([str(one) for one in value])
    return json.dumps(_changed(value), ensure_ascii=False)


def _changed(value: Any) -> Any:
    if isinstance(value, list):
        return [_changed(one) for one in value]
    if not isinstance(value, dict):
        return value
    changed = {key: _changed(one) for key, one in value.items()}
    if isinstance(changed.get("run_id"), int):
        changed["run_id"] = str(changed["run_id"])
    if isinstance(changed.get("run_ids"), list):
        changed["run_ids"] = [str(one) for one in changed["run_ids"]]
    return changed


# In text that PostgreSQL writes of jsonb, a quote within a string has a backslash before it: this is a key.
_RUN_ID = r"""regexp_replace({0}::text, '"run_id": (-?[0-9]+)', '"run_id": "\1"', 'g')::jsonb"""
_RUN_IDS = r"""regexp_replace({0}::text, '(-?[0-9]+)', '"\1"', 'g')::jsonb"""
_PATTERNS = f"""
UPDATE agent_report_details SET failure_patterns = (
    SELECT jsonb_agg(
        CASE WHEN jsonb_typeof(pattern -> 'run_ids') = 'array'
        THEN jsonb_set(pattern, '{{run_ids}}', {_RUN_IDS.format("(pattern -> 'run_ids')")})
        ELSE pattern END ORDER BY place
    ) FROM jsonb_array_elements(failure_patterns) WITH ORDINALITY AS patterns (pattern, place)
) WHERE jsonb_typeof(failure_patterns) = 'array' AND jsonb_array_length(failure_patterns) > 0
"""  # noqa: S608
_VIEWS = """
WITH RECURSIVE dependent (oid, depth) AS (
    SELECT rewrite.ev_class, 1 FROM pg_depend AS depend JOIN pg_rewrite AS rewrite ON rewrite.oid = depend.objid
    WHERE depend.classid = 'pg_rewrite'::regclass AND depend.refclassid = 'pg_class'::regclass
    AND depend.refobjid IN ({tables}) AND depend.deptype = 'n'
    UNION
    SELECT rewrite.ev_class, dependent.depth + 1 FROM dependent
    JOIN pg_depend AS depend ON depend.refobjid = dependent.oid AND depend.refclassid = 'pg_class'::regclass
    JOIN pg_rewrite AS rewrite ON rewrite.oid = depend.objid
    WHERE depend.classid = 'pg_rewrite'::regclass AND rewrite.ev_class <> dependent.oid AND dependent.depth < 100
)
SELECT class.oid, class.oid::regclass::text AS name, class.relkind, pg_get_viewdef(class.oid) AS definition,
pg_get_userbyid(class.relowner) AS owner, quote_literal(obj_description(class.oid, 'pg_class')) AS comment,
array_to_string(class.reloptions, ', ') AS options, max(dependent.depth) AS depth
FROM dependent JOIN pg_class AS class ON class.oid = dependent.oid GROUP BY class.oid ORDER BY depth, name
"""
_GRANTS = """
SELECT CASE WHEN granted.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(granted.grantee)) END,
granted.privilege_type, granted.is_grantable
FROM pg_class AS class, aclexplode(class.relacl) AS granted
WHERE class.oid = {oid} AND granted.grantee <> class.relowner
"""


def _upgrade_postgresql(connection: Connection) -> None:
    tables = ", ".join(f"'{table}'::regclass" for table in _COLUMNS)
    views = connection.exec_driver_sql(_VIEWS.format(tables=tables)).mappings().all()
    grants = {view["oid"]: connection.exec_driver_sql(_GRANTS.format(oid=view["oid"])).all() for view in views}
    for view in reversed(views):
        if view["relkind"] != "v":
            raise WarehouseError(
                f"{view['name']} is made of the warehouse's ids, which become text: drop it, and make it again "
                "after the update"
            )
        _try(connection, f"DROP VIEW {view['name']}", view["name"])
    for table, columns in _COLUMNS.items():
        changes = ", ".join(f"ALTER COLUMN {column} TYPE TEXT" for column in columns)
        connection.exec_driver_sql(f"ALTER TABLE {table} {changes}")
    for table, columns in _WITH_RUN.items():
        values = ", ".join(f"{column} = {_RUN_ID.format(column)}" for column in columns)
        connection.exec_driver_sql(f"UPDATE {table} SET {values}")  # noqa: S608
    connection.exec_driver_sql(
        f"UPDATE agent_report_details SET run_ids = {_RUN_IDS.format('run_ids')}"  # noqa: S608
    )
    connection.exec_driver_sql(_PATTERNS)
    for view in views:
        options = f" WITH ({view['options']})" if view["options"] else ""
        _try(connection, f"CREATE VIEW {view['name']}{options} AS {view['definition']}", view["name"])
        owner = connection.dialect.identifier_preparer.quote(view["owner"])
        _try(connection, f"ALTER VIEW {view['name']} OWNER TO {owner}", view["name"])
        for whom, privilege, grantable in grants[view["oid"]]:
            more = " WITH GRANT OPTION" if grantable else ""
            _try(connection, f"GRANT {privilege} ON {view['name']} TO {whom}{more}", view["name"])
        if view["comment"] is not None:
            _try(connection, f"COMMENT ON VIEW {view['name']} IS {view['comment']}", view["name"])


def _try(connection: Connection, statement: str, view: str) -> None:
    """Run a statement about a view that may be of others."""
    try:
        # Not as text(): nothing in it is a parameter. To the driver a per cent sign begins one.
        connection.exec_driver_sql(statement.replace("%", "%%"))
    except DBAPIError as error:
        reason = str(error.orig).splitlines()[0]
        raise WarehouseError(
            f"The view {view} cannot be made again for ids that are text ({reason}): drop it, and make it again after "
            "the update"
        ) from None
