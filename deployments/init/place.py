"""What a person gives ``init``, a URL or a path, as the URL of a source."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from tasks.errors import NotFoundError, UsageError
from tasks.sources.files.places import FORMATS, format_of
from tasks.sources.opening import DATABASES, STORES

Kind = Literal["sql", "files", "traces"]
_SQLITE_MAGIC = b"SQLite format 3\0"
_OTLP_MARKS = (b'"resourceSpans"', b'"resource_spans"')
_BINARY = (".pb", ".bin", ".otlp", ".proto")
_MOST_FILES = 2000
_READ_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Place:
    """A source's URL, and of which kind it is. ``probe``: a web address of which the kind of store is not known."""

    url: str
    kind: Kind
    probe: bool = False

    def seen_from(self, folder: Path) -> str:
        """The URL for a file of settings in ``folder``: a path below it is relative."""
        for scheme in ("sqlite:///", "otlp:", ""):
            path = self.url.removeprefix(scheme)
            if self.url.startswith(scheme + "/"):
                base = os.path.abspath(folder).rstrip("/") + "/"  # noqa: PTH100 - links stay as they are
                return scheme + path.removeprefix(base)
        return self.url


def find_place(given: str) -> Place:
    """The source that ``given`` names; paths become absolute.

    Raises:
        NotFoundError: no such file or folder, or a folder without any file that can be read.
        UsageError: a URL of an unknown kind.
    """
    given = given.strip()
    scheme, mark, rest = given.partition("://")
    if mark:
        kind = scheme.lower().partition("+")[0]
        if kind == "sqlite":
            return Place(_sqlite(rest) or given, "sql")
        if kind in DATABASES:
            return Place(given, "sql")
        if kind in STORES:
            return Place(given, "traces")
        if kind in ("http", "https"):
            return Place(given, "traces", probe=format_of(rest.partition("?")[0]) is None)
        return Place(given, "files")
    if given.startswith("otlp:"):
        return Place(f"otlp:{_near(Path(given.removeprefix('otlp:')))}", "traces")
    return _of_path(given)


def _sqlite(rest: str) -> str:
    """A SQLite URL with the whole path; "" where the URL is of a kind of its own."""
    path, _, query = rest.removeprefix("/").partition("?")
    if not path or path.startswith("file:") or path == ":memory:":
        return ""
    return f"sqlite:///{_near(Path(path))}{'?' + query if query else ''}"


def _of_path(given: str) -> Place:
    path = Path(given).expanduser()
    if any(char in given for char in "*?[") and not path.exists():
        found = list(islice(_globbed(path), _MOST_FILES))
        if not found:
            raise NotFoundError(f"{given}: no file matches")
        if _is_otlp(found[0]):
            return Place(f"otlp:{_near(path)}", "traces")
        return Place(_near(path), "files")
    if path.is_dir():
        return _of_folder(path)
    if not path.exists():
        raise NotFoundError(
            f"{given} does not exist: give a file, a folder, a glob or a URL such as postgresql://host/database"
        )
    with path.open("rb") as file:
        if file.read(len(_SQLITE_MAGIC)) == _SQLITE_MAGIC:
            return Place(f"sqlite:///{_near(path)}", "sql")
    if _is_otlp(path):
        return Place(f"otlp:{_near(path)}", "traces")
    if format_of(path.name) is None:
        raise UsageError(
            f"{given}: is neither a SQLite database nor a file of a known format "
            f"({', '.join(FORMATS)}, also gzip or zstd)"
        )
    return Place(_near(path), "files")


def _of_folder(folder: Path) -> Place:
    files = list(islice(_below(folder), _MOST_FILES))
    databases = [path for path in files if path.suffix in (".db", ".sqlite", ".sqlite3")]
    first = next((path for path in files if format_of(path.name) or (path.suffix in _BINARY and _is_otlp(path))), None)
    if first is None:
        if len(databases) == 1:
            return _of_path(str(databases[0]))
        several = f"; give one of the databases in it, such as {databases[0]}" if databases else ""
        raise NotFoundError(
            f"{folder}: holds no file that can be read ({', '.join(FORMATS)}, traces as OTLP, also as .gz or .zst)"
            f"{several}"
        )
    if _is_otlp(first):
        return Place(f"otlp:{_near(folder)}", "traces")
    return Place(_near(folder), "files")


def _below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def _globbed(path: Path) -> Iterator[Path]:
    anchor = Path(path.anchor) if path.is_absolute() else Path()
    pattern = str(path.relative_to(anchor)) if path.is_absolute() else str(path)
    yield from (found for found in sorted(anchor.glob(pattern)) if found.is_file())


def _is_otlp(path: Path) -> bool:
    """Whether a file is what the OpenTelemetry Collector's file exporter writes, as JSON or in its binary form."""
    start = _start(path)
    if start.lstrip()[:1] in (b"{", b"["):
        return any(mark in start for mark in _OTLP_MARKS)
    # Binary: a length of four bytes, then a message whose first field (1, of bytes) is resource_spans.
    return len(start) > 5 and start[4] == 0x0A and path.suffix in _BINARY


def _start(path: Path) -> bytes:
    """The beginning of a file; of one that is packed otherwise than with gzip, what is there."""
    try:
        if path.suffix == ".gz":
            import gzip

            with gzip.open(path, "rb") as unpacked:
                return unpacked.read(_READ_BYTES)
        with path.open("rb") as file:
            return file.read(_READ_BYTES)
    except OSError:
        # The reader of the files reports what is wrong with this one.
        return b""


def _near(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - links stay as they are, and a pattern names no file
