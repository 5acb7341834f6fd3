"""URLs whose password could be taken for something else: refused by all who read one, without a part of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from deployments.setup.blocks import _components
from tasks.errors import ParquetError, RefusedError
from tasks.sources.jaeger.http import open_http
from tasks.sources.sql.connection import open_database
from tasks.warehouse.engine import connect_database
from tasks.warehouse.parquet import check_place
from tasks.wire.urls import refuse_ambiguous, without_user

PASSWORDS = [
    "TOPp@a/SECRETq",
    "TOPp@SECRETq",
    "TOPp/SECRETq",
    "TOPp#SECRETq",
    "TOPp?SECRETq",
    "TOPp:SECRETq",
    "1/SECRETq",
    "1?TOPp=SECRETq",
    "TOPp@SECRETq:1/x",
    "@SECRETq",
    "SECRETq@",
    "TOPp%40@SECRETq",
    "TOPp#@/?:SECRETq",
]


def _jaeger(url: str) -> object:
    return open_http(url, max_concurrent=1, timeout_seconds=1)


@pytest.mark.parametrize(
    ("read", "url"),
    [
        (open_database, "postgresql://me:{}@db.example.com:5432/station"),
        (open_database, "postgres://me:{}@db.example.com/station?sslmode=require"),
        (connect_database, "postgresql://me:{}@db.example.com:5432/station"),
        (connect_database, "postgresql+psycopg://:{}@db.example.com/station"),
        (lambda url: _components(url, "AGENT_REPORT_SOURCE_URL"), "postgresql://me:{}@db.example.com/station"),
        (_jaeger, "http://me:{}@jaeger.example.com:16686/base"),
        (lambda url: refuse_ambiguous(url, "OPENAI_BASE_URL"), "https://me:{}@llm.example.com/v1"),
    ],
)
@pytest.mark.parametrize("password", PASSWORDS)
def test_a_password_that_is_not_encoded_is_refused_and_not_shown(
    read: Callable[[str], Any], url: str, password: str
) -> None:
    with pytest.raises(RefusedError, match="percent-encoded") as caught:
        read(url.format(password))
    shown = str(caught.value)
    assert not any(part in shown for part in ("SECRET", "TOP", "example.com", "me:"))


@pytest.mark.parametrize(
    ("read", "url"),
    [
        (_jaeger, "http://me:{}@jaeger.example.com:16686/base"),
        (lambda url: refuse_ambiguous(url, "OPENAI_BASE_URL"), "https://me:{}@llm.example.com/v1"),
        (lambda url: refuse_ambiguous(url, "PREFECT_API_URL"), "http://me:{}@prefect.example.com/api"),
    ],
)
@pytest.mark.parametrize(
    "password", ["[TOPp]SECRETq", "TOPp]SECRETq", "TOPp[SECRETq", "TOPp\nSECRETq", "TOPp\x00SECRETq", "SECRETq]"]
)
def test_so_is_one_of_http_that_no_client_reads(read: Callable[[str], Any], url: str, password: str) -> None:
    """Their errors show a part of the password, as that which takes ``[TOPp]`` for an address."""
    with pytest.raises(RefusedError, match="not shown") as caught:
        read(url.format(password))
    assert not any(part in str(caught.value) for part in ("SECRET", "TOP", "example.com", "me:"))


@pytest.mark.parametrize("url", ["http://host:port/v1", "http://host:99999/v1", "http://[::1/v1", "https://[nope]/v1"])
def test_a_host_or_port_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(RefusedError, match="OPENAI_BASE_URL is no URL such as"):
        refuse_ambiguous(url, "OPENAI_BASE_URL")


@pytest.mark.parametrize("password", [*PASSWORDS, "[TOPp]SECRETq", "TOPp?SECRETq", "TOPp\nSECRETq"])
@pytest.mark.parametrize("url", ["s3://KEYme:{}@bucket/x", "ftp://me:{}@127.0.0.1:1/x", "nope://me:{}@host/x"])
def test_a_password_of_the_files_is_not_shown(url: str, password: str) -> None:
    with pytest.raises(ParquetError, match=r"\*\*\*") as caught:
        check_place(url.format(password))
    assert not any(part in str(caught.value) for part in ("SECRET", "TOPp", "me:"))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:p%40w@jaeger.example.com:1/ui?a=b", "https://jaeger.example.com:1/ui?a=b"),
        ("http://jaeger:16686", "http://jaeger:16686"),
        ("http://[::1]:1/x", "http://[::1]:1/x"),
        ("http://me:p@w@host/x", ""),
        ("http://me:[p]w@host/x", ""),
    ],
)
def test_a_link_has_no_user(url: str, shown: str) -> None:
    assert without_user(url) == shown


@pytest.mark.parametrize(
    "query", ["password=TOP#SECRET", "password=TOP@SECRET", "password=TOP&SECRET", "user=a&password=TOP&"]
)
def test_so_is_one_in_the_query_of_a_database(query: str) -> None:
    for read in (open_database, connect_database):
        with pytest.raises(RefusedError, match="percent-encoded") as caught:
            read(f"postgresql://db.example.com/station?{query}")
        assert "TOP" not in str(caught.value)
        assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://db/station",
        "postgresql://me@db:5432/station",
        "postgresql://me:TOPp%40a%2FSECRETq%3A%23%3F@[::1]:5432/station?sslmode=require&application_name=a:b/c",
        "postgresql:///station?host=/run/postgresql",
        "postgresql://:p w@/station",
        "sqlite:///folder@home/a#b?.db",
        "sqlite:///file:/x/y.db?mode=ro&uri=true",
        "http://jaeger:16686/base?tenant=a&flag",
        "https://me:p%40w@llm.example.com/openai/deployments/x?api-version=2024-10-21",
        "",
        "not a url",
    ],
)
def test_what_can_be_read_in_one_way_only_is_left_to_its_reader(url: str) -> None:
    refuse_ambiguous(url, "The URL")
