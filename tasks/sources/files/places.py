"""Which files a source's URL names, what format each has, and the table that it belongs to."""

from __future__ import annotations

import glob
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import fsspec

from tasks.errors import AgentReportError, ConfigurationError, SourceError, scrub

Format = Literal["parquet", "lines", "json", "csv"]

FORMATS: Mapping[str, Format] = {
    ".parquet": "parquet",
    ".jsonl": "lines",
    ".ndjson": "lines",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
}
_SQLITE = (".db", ".sqlite", ".sqlite3")
_COMPRESSED: Mapping[str, str] = {".gz": "gzip", ".zst": "zstd"}
RUNS = "runs"
OTHER_TABLES = ("agents", "steps", "signals")
_GLOB = frozenset("*?[")
_MOST_FILES = 10_000


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file: ``path`` as its file system knows it, ``compression`` "none", "gzip" or "zstd".

    ``files`` is the fsspec file system of a remote one, None on this machine.
    """

    path: str
    table: str
    format: Format
    compression: str = "none"
    files: Any = field(default=None, compare=False)

    @property
    def own_name(self) -> str:
        """The file's name without its endings."""
        return posixpath.basename(self.path).partition(".")[0]

    @property
    def delimiter(self) -> str | None:
        """The delimiter that the name implies: a tab of ``.tsv``, None where it has to be found."""
        return "\t" if ".tsv" in Path(self.path).suffixes[-2:] else None


def find_files(url: str, tables: Sequence[str] = ()) -> list[DataFile]:
    """The files that ``url`` names, by path: a file, a folder (with those in it), a glob, each local or behind fsspec.

    A file or folder named agents, steps or signals is that table. All others are ``runs``, or only those named so where
    there are any. With ``tables`` (what an export calls its folders) only those are taken; where nothing is named so,
    every file is the first of them.

    Raises:
        ConfigurationError: the package for the URL's scheme is not installed, or its format is not one that is read.
        SourceError: there is no such file, or the place cannot be read; named without credentials.
    """
    place = describe(url)
    files, base, paths = list_files(url)
    found = list(_data_files(base, paths, files, tables or (RUNS, *OTHER_TABLES)))
    first = tables[0] if tables else RUNS
    if any(file.table == first for file in found):
        found = [file for file in found if file.table]
    else:
        found = [file if file.table else replace(file, table=first) for file in found]
    if not found:
        raise SourceError(_nothing(place, paths))
    if len(found) > _MOST_FILES:
        raise ConfigurationError(
            f"The source {place} is {len(found):,} files: at most {_MOST_FILES:,} are read; name fewer by a glob"
        )
    return found


class Listing(NamedTuple):
    """The files that a URL names, by path, below the folder ``base``.

    ``files`` is the fsspec file system of remote ones, None on this machine.
    """

    files: Any
    base: str
    paths: Sequence[str]

    def open(self, path: str) -> Any:
        """One of them, to read its bytes."""
        return Path(path).open("rb") if self.files is None else self.files.open(path, "rb")


def list_files(url: str) -> Listing:
    """All files that ``url`` names, whatever is in them: a file, a folder (with those in it), a glob.

    Raises:
        ConfigurationError: the package for the URL's scheme is not installed.
        SourceError: there is no such file or folder, or the place cannot be read; named without credentials.
    """
    place = describe(url)
    try:
        if "://" in url and not url.startswith("file://"):
            files, root = fsspec.core.url_to_fs(url)
            return Listing(files, *_list_remote(files, root))
        return Listing(None, *_list_local(Path(url.removeprefix("file://")).expanduser().absolute()))
    except (ImportError, ValueError) as error:
        # fsspec's words name the package to install, or the schemes that it knows.
        raise ConfigurationError(f"The source {place} cannot be read: {scrub(str(error))}") from None
    except AgentReportError:
        raise
    except Exception as error:  # noqa: BLE001 - a file system of any package raises errors of its own
        raise SourceError(f"The source {place} cannot be read: {scrub(str(error) or type(error).__name__)}") from None


def describe(url: str) -> str:
    """``url`` for people: without user, password and query."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        return url
    rest = rest if scheme == "file" else rest.partition("?")[0]
    authority, slash, path = rest.partition("/")
    # The last @ of all: a password can hold a slash that is not percent-encoded.
    if "@" in path:
        authority, slash, path = "", "", rest.rpartition("@")[2]
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"


def format_of(name: str) -> tuple[Format, str] | None:
    """The format and the compression ("none", "gzip", "zstd") of a file by its name; None for one that is not read."""
    rest, suffix = posixpath.splitext(name.lower())
    compression = _COMPRESSED.get(suffix, "none")
    if compression != "none":
        suffix = posixpath.splitext(rest)[1]
    found = FORMATS.get(suffix)
    return None if found is None or (found == "parquet" and compression != "none") else (found, compression)


def _list_local(path: Path) -> tuple[str, list[str]]:
    """The folder that the names of tables are looked for below, and the files."""
    text = str(path)
    if path.is_file():
        return str(path.parent), [text]
    if path.is_dir():
        return text, sorted(str(found) for found in path.rglob("*") if found.is_file())
    if _GLOB & set(text):
        found = sorted(name for name in glob.iglob(text, recursive=True) if Path(name).is_file())  # noqa: PTH207
        return _fixed_part(text), found
    raise SourceError(
        f"The source {text} does not exist: give a file, a folder, a glob or a URL such as postgresql://host/database"
    )


def _list_remote(files: Any, root: str) -> tuple[str, list[str]]:
    if _GLOB & set(root) and not files.exists(root):
        return _fixed_part(root), sorted(name for name in files.glob(root) if files.isfile(name))
    if files.isdir(root):
        return root, sorted(files.find(root))
    # A server of HTTP lists nothing: what it is asked for is a file.
    return posixpath.dirname(root), [root]


def _fixed_part(pattern: str) -> str:
    """The folder before the first part of ``pattern`` that has a wildcard."""
    parts = pattern.split("/")
    fixed = next((at for at, part in enumerate(parts) if _GLOB & set(part)), len(parts))
    return "/".join(parts[:fixed])


def _data_files(base: str, paths: Iterable[str], files: Any, tables: Sequence[str]) -> Iterator[DataFile]:
    for path in paths:
        inner = path[len(base) :].strip("/").split("/") if path.startswith(base) else [posixpath.basename(path)]
        if any(part.startswith((".", "_")) for part in inner):
            # What writers of data keep beside it: _SUCCESS, _delta_log, .part files.
            continue
        if (found := format_of(inner[-1])) is not None:
            yield DataFile(path, _table(inner, tables), *found, files)


def _table(inner: Sequence[str], tables: Sequence[str]) -> str:
    """The table that the file or a folder that it is in is named after; "" when none is."""
    names = [part.lower() for part in inner[:-1]] + [inner[-1].lower().partition(".")[0]]
    return next((name for name in reversed(names) if name in tables), "")


def _nothing(place: str, paths: Sequence[str]) -> str:
    kinds = ", ".join(FORMATS)
    if not paths:
        return f"The source {place} has no files: {kinds} are read, also as .gz and .zst, and OTLP as otlp:{place}"
    if database := next((path for path in paths if path.endswith(_SQLITE)), None):
        return f"The source {place} is a database: write sqlite:///{database}"
    shown = ", ".join(posixpath.basename(path) for path in paths[:3]) + (", …" if len(paths) > 3 else "")
    return f"The source {place} has no file that can be read: it has {shown}; {kinds} are read, also as .gz and .zst"
