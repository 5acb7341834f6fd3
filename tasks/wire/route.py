"""The way to a server: which settings of the environment a connection goes through, for the message when it fails."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx

from tasks.errors import ConfigurationError, scrub

NO_PROXY = ("NO_PROXY", "no_proxy")
_PROXIES = {"http": ("HTTP_PROXY", "ALL_PROXY"), "https": ("HTTPS_PROXY", "ALL_PROXY")}
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def describe_route(url: str, environment: Mapping[str, str]) -> str:
    """What of ``environment`` a connection to ``url`` goes through, in parentheses, without credentials; "" if nothing.

    ``" (through HTTP_PROXY=http://proxy:3128)"``.
    """
    parts = urlsplit(url)
    named = []
    no_proxy = _value("NO_PROXY", environment)
    if not _is_excepted(parts.hostname or "", no_proxy):
        proxies = ((name, _value(name, environment)) for name in _PROXIES.get(parts.scheme, ()))
        named += [f"through {name}={_shown(proxy)}" for name, proxy in proxies if proxy][:1]
    if parts.scheme == "https" or any("=https://" in text for text in named):
        named += [f"with {name}={value}" for name in _CERTIFICATES if (value := environment.get(name))]
    return f" ({', '.join(named)})" if named else ""


def check_route(environment: Mapping[str, str]) -> None:
    """Refuse certificates and proxies in ``environment`` that no connection can be made with.

    Raises:
        RefusedError: naming the variable and its value, without credentials.
    """
    if path := environment.get("SSL_CERT_FILE"):
        try:
            ssl.create_default_context(cafile=path)
        except OSError as error:
            raise ConfigurationError(
                f"SSL_CERT_FILE={path}: cannot be read as certificates ({error.strerror or type(error).__name__}); "
                "name a file in PEM form, or unset it"
            ) from None
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        value = _value(name, environment)
        if not value:
            continue
        try:
            scheme = httpx.URL(_with_scheme(value)).scheme
        except httpx.InvalidURL:
            raise ConfigurationError(f"{name}={_shown(value)}: not a URL such as http://proxy:3128; unset it") from None
        if scheme not in ("http", "https"):
            raise ConfigurationError(
                f"{name}={_shown(value)}: only proxies at http:// and https:// can be used; unset it"
            )


def readable_no_proxy(value: str) -> str:
    """NO_PROXY as httpx can read it: of IPv6 addresses in brackets or with a prefix length the address alone.

    Entries that mean nothing are left out; on them every client of httpx would raise.
    """
    return ",".join(host for entry in value.split(",") if (host := _readable(entry.strip())))


def describe_cause(error: BaseException) -> str:
    """The operating system's words for what broke, else the error's type: its text could hold a header's value."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror
        seen = seen.__cause__ or seen.__context__
    return type(error).__name__


def describe_place(location: str) -> str:
    """``" to https://host/path"`` of a redirect's location, without credentials and query; "" when it names none."""
    try:
        parts = urlsplit(location)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    if not host and not parts.path:
        return ""
    scheme = f"{parts.scheme}:" if parts.scheme else ""
    return f" to {scheme}//{host}{port}{parts.path}"[:200] if host else f" to {parts.path}"[:200]


def _with_scheme(proxy: str) -> str:
    # As httpx has it.
    return proxy if "://" in proxy else f"http://{proxy}"


def _shown(proxy: str) -> str:
    """``proxy`` without credentials, which it may hold without a scheme too."""
    shown = scrub(_with_scheme(proxy))
    return shown if "://" in proxy else shown.removeprefix("http://")


def _readable(host: str) -> str:
    try:
        return str(ipaddress.IPv6Address(host.partition("/")[0].strip("[]").partition("%")[0]))
    except ValueError:
        pass
    try:
        httpx.URL(host if "://" in host else f"all://*{host}")
    except httpx.InvalidURL:
        # As curl and Go do with what cannot be parsed.
        return ""
    return host


def _is_excepted(host: str, no_proxy: str) -> bool:
    """Whether httpx goes to ``host`` directly: a name in the list stands for all that end in it."""
    entries = [entry.strip().lower() for entry in no_proxy.split(",") if entry.strip()]
    return "*" in entries or any(host == entry or host.endswith(entry) for entry in entries)


def _value(name: str, environment: Mapping[str, str]) -> str:
    # As curl and httpx have it, which take both; the lower case first.
    return environment.get(name.lower()) or environment.get(name) or ""
