"""Names in the queries that ``init`` proposes."""

from __future__ import annotations

import pytest

from deployments.init.tables import quote


@pytest.mark.parametrize(
    ("dialect", "quoted"),
    [("mysql", "`userId`"), ("mariadb", "`userId`"), ("postgresql", '"userId"'), ("sqlite", '"userId"')],
)
def test_names_are_quoted_as_the_database_reads_them(dialect: str, quoted: str) -> None:
    assert quote("userId", dialect) == quoted
    assert quote("reply", dialect) == "reply"
