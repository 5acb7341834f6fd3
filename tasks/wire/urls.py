"""URLs with credentials: what can be read in two ways is refused, as every error would show a part of the password."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from tasks.errors import ConfigurationError

_AUTHORITY_END = re.compile(r"[/?#]")
_USERINFO = re.compile(r"[^:/?#@]*(?::[^:/?#@]*)?")


def refuse_ambiguous(url: str, name: str) -> None:
    """Refuse a URL, of a database or of HTTP, whose user, password and host cannot be distinguished for certain.

    That is one with @, /, #, ? or : in its password that is not percent-encoded; also, for a database, a # or
    an & in its query, and for HTTP a bracket in its password, and a host or port that is none. ``name`` is what the
    URL is called. URLs of SQLite name a file, and have no password.

    Raises:
        RefusedError: names ``name`` and no part of the URL.
    """
    if _is_ambiguous(url):
        raise ConfigurationError(
            f"{name} can be read in more than one way: in user, password and path, @ / # ? : & must be percent-encoded "
            "(%40 %2F %23 %3F %3A %26). It is not shown, as it may hold a password"
        )
    if _is_http(url) and not _is_readable(url):
        raise ConfigurationError(
            f"{name} is no URL such as http://localhost:8000/v1: its host or port cannot be read; in user and "
            "password, [ and ] must be percent-encoded (%5B %5D). It is not shown, as it may hold a password"
        )


def without_user(url: str) -> str:
    """``url`` of HTTP without user and password; "" when they cannot be distinguished from the rest."""
    if _is_ambiguous(url) or not _is_readable(url):
        return ""
    parts = urlsplit(url.strip())
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _is_http(url: str) -> bool:
    return url.strip().partition("://")[0].lower() in ("http", "https")


def _is_readable(url: str) -> bool:
    """Whether the host and the port of a URL of HTTP can be read, and every character may stand in a URL."""
    try:
        # The port raises when it is none.
        return url.strip().isprintable() and urlsplit(url.strip()).port != 0
    except ValueError:
        return False


def _is_ambiguous(url: str) -> bool:
    scheme, mark, rest = url.strip().partition("://")
    if not mark or scheme.lower().startswith("sqlite"):
        return False
    end = _AUTHORITY_END.search(rest)
    authority, behind = (rest[: end.start()], rest[end.start() :]) if end else (rest, "")
    userinfo = authority.rpartition("@")[0]
    if not _USERINFO.fullmatch(userinfo) or "@" in behind:
        return True
    if scheme.lower() in ("http", "https"):
        return False
    query = behind.partition("?")[2]
    return "#" in behind or any("=" not in part for part in query.split("&") if query)
