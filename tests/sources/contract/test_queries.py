"""One SELECT: what is taken, and what is refused with which words."""

from __future__ import annotations

import pytest

from tasks.sources.contract.queries import read_select


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("SELECT 1", "SELECT 1"),
        ("  select 1 ;  -- done; really\n", "select 1"),
        ("-- first; this\nSELECT 1; /* ; */", "-- first; this\nSELECT 1"),
        ("WITH a AS (SELECT 1) SELECT * FROM a", "WITH a AS (SELECT 1) SELECT * FROM a"),
        ("(SELECT 1) UNION (SELECT 2)", "(SELECT 1) UNION (SELECT 2)"),
        ("SELECT ';)' AS \";(\", `)`, $a$;)$a$, $$;$$ FROM t", "SELECT ';)' AS \";(\", `)`, $a$;)$a$, $$;$$ FROM t"),
        ("SELECT 'it''s; ok'", "SELECT 'it''s; ok'"),
        (r"SELECT E'it\'s; ok', '\' FROM t;", r"SELECT E'it\'s; ok', '\' FROM t"),
        ("SELECT 1 -- a comment at the end", "SELECT 1 -- a comment at the end"),
    ],
)
def test_one_select(text: str, query: str) -> None:
    assert read_select(text) == query


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SELECT 1; SELECT 2", "one SELECT, without a second statement"),
        ("SELECT 1; 'x'", "one SELECT, without a second statement"),
        ("SELECT 1) AS q; DROP TABLE runs; SELECT * FROM (SELECT 1", "do not match"),
        (r"SELECT E'\'') AS q; DELETE FROM runs; SELECT * FROM (SELECT E'\''", "do not match"),
        ("SELECT 1 AS a$b$) AS q; DELETE FROM runs; SELECT * FROM (SELECT 1", "do not match"),
        ("SELECT 1 /* /* */ ' */) AS q; DELETE FROM runs; -- '", r"no /\* in a comment"),
        ("SELECT (1", "do not match"),
        ("DELETE FROM runs", "write a SELECT .*not DELETE"),
        ("insert into runs values (1)", "not INSERT"),
        ("'text'", "write a SELECT"),
        ("-- nothing", "write a SELECT"),
        ("", "write a SELECT"),
        ("SELECT " + "1" * 100_000, "at most 100,000 characters"),
    ],
)
def test_everything_else_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_select(text)
