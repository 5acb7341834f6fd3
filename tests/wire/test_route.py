"""What a connection goes through is named when it fails, and what nothing can go through is refused before."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tasks.errors import RefusedError
from tasks.wire.route import check_route, describe_place, describe_route, readable_no_proxy


@pytest.mark.parametrize(
    ("url", "environment", "described"),
    [
        ("http://judge:1/v1", {}, ""),
        ("http://judge:1/v1", {"HTTP_PROXY": "http://127.0.0.1:9"}, " (through HTTP_PROXY=http://127.0.0.1:9)"),
        ("http://judge/v1", {"http_proxy": "http://a:9", "ALL_PROXY": "http://b"}, " (through HTTP_PROXY=http://a:9)"),
        ("https://judge/v1", {"HTTP_PROXY": "http://a:9", "ALL_PROXY": "http://b"}, " (through ALL_PROXY=http://b)"),
        ("https://judge/v1", {"HTTPS_PROXY": "http://me:s3cret/x@p:1"}, " (through HTTPS_PROXY=http://***@p:1)"),
        ("http://judge/v1", {"HTTP_PROXY": "me:s3cret/@x@p:1"}, " (through HTTP_PROXY=***@p:1)"),
        ("http://judge/v1", {"HTTP_PROXY": "http://a:9", "NO_PROXY": "other,judge"}, ""),
        ("http://api.judge.example", {"HTTP_PROXY": "http://a:9", "no_proxy": ".judge.example"}, ""),
        ("http://judge/v1", {"HTTP_PROXY": "http://a:9", "NO_PROXY": "*"}, ""),
        ("https://judge/v1", {"SSL_CERT_FILE": "/ca.pem"}, " (with SSL_CERT_FILE=/ca.pem)"),
        ("http://judge/v1", {"SSL_CERT_FILE": "/ca.pem"}, ""),
    ],
)
def test_the_way_is_named(url: str, environment: dict[str, str], described: str) -> None:
    assert describe_route(url, environment) == described


def test_certificates_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    missing = tmp_path / "ca.pem"
    with pytest.raises(RefusedError, match=rf"^SSL_CERT_FILE={missing}: .*No such file.*unset it$"):
        check_route({"SSL_CERT_FILE": str(missing)})
    missing.write_text("no certificate")
    with pytest.raises(RefusedError, match="SSL_CERT_FILE"):
        check_route({"SSL_CERT_FILE": str(missing)})
    check_route({})


def test_proxies_that_cannot_be_used_are_refused() -> None:
    with pytest.raises(RefusedError, match=r"^ALL_PROXY=socks5://\*\*\*@proxy:1080: only proxies at http"):
        check_route({"ALL_PROXY": "socks5://me:s3cret@proxy:1080"})
    with pytest.raises(RefusedError, match=r"^HTTP_PROXY=http://\*\*\*@\[::1: not a URL such as "):
        check_route({"HTTP_PROXY": "http://me:s3cret@[::1"})
    check_route({"HTTP_PROXY": "me:s3cret@proxy:3128", "HTTPS_PROXY": "http://proxy:3128"})


@pytest.mark.parametrize(
    ("value", "readable"),
    [
        ("::1/128", "::1"),
        ("[::1]", "::1"),
        ("[::1]/128,[fe80::1], localhost", "::1,fe80::1,localhost"),
        ("127.0.0.0/8,.corp.example,*.x,host:3000", "127.0.0.0/8,.corp.example,*.x,host:3000"),
        ("::1%eth0, ,a b:c:d,ok", "::1,ok"),
        ("*", "*"),
    ],
)
def test_no_proxy_is_made_readable(value: str, readable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert readable_no_proxy(value) == readable
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", readable)
    monkeypatch.delenv("no_proxy", raising=False)
    with httpx.Client():
        pass


@pytest.mark.parametrize(
    ("location", "place"),
    [
        ("https://me:s3cret@evil.example:8443/v1?key=s3cret", " to https://evil.example:8443/v1"),
        ("/v1/", " to /v1/"),
        ("//evil.example/x", " to //evil.example/x"),
        ("", ""),
        ("http://[", ""),
    ],
)
def test_where_a_redirect_leads(location: str, place: str) -> None:
    assert describe_place(location) == place
