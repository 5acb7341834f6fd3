"""DuckDB as a database of SQLAlchemy: what reading needs of a dialect.

duckdb-engine has had no release since March 2025 and does not import with SQLAlchemy 2.1; duckdb-sqlalchemy asks for a
DuckDB below 2. Both make a PostgreSQL of it, for reflection that is not needed here.
"""

from __future__ import annotations

from typing import Any

import duckdb
from sqlalchemy import TryCast
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.sql.compiler import SQLCompiler


class _Compiler(SQLCompiler):
    def visit_try_cast(self, cast: TryCast[Any], **kw: Any) -> str:
        return f"TRY_{self.visit_cast(cast, **kw)}"  # type: ignore[no-untyped-call]


class DuckDBDialect(DefaultDialect):
    """Queries only: there is nothing to commit, and an empty transaction cannot be rolled back in DuckDB."""

    name = "duckdb"
    driver = "duckdb"
    statement_compiler = _Compiler
    default_paramstyle = "qmark"
    supports_statement_cache = True
    supports_native_boolean = True

    @classmethod
    def import_dbapi(cls) -> Any:
        return duckdb

    def do_begin(self, dbapi_connection: Any) -> None:
        pass

    def do_commit(self, dbapi_connection: Any) -> None:
        pass

    def do_rollback(self, dbapi_connection: Any) -> None:
        pass

    def has_table(self, connection: Any, table_name: str, schema: str | None = None, **kw: Any) -> bool:
        found = connection.exec_driver_sql(
            "SELECT 1 FROM information_schema.tables WHERE table_name = ?", (table_name,)
        )
        return found.first() is not None
