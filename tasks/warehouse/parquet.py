"""The warehouse in Parquet: one file per table and report, in a folder or behind any fsspec URL."""

from __future__ import annotations

import errno
import hashlib
import io
import posixpath
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Column, Table

from tasks.errors import AgentReportError, ParquetError, WarehouseError
from tasks.warehouse.columns import Clean
from tasks.warehouse.schema import LEASE, REPORT_TABLES, arrow_schema, arrow_type, complete_rows, reports

# Most file systems take names of 255 bytes.
_LONGEST_NAME = 200
# A disk that is full, over its quota, read-only or broken for a while.
_PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
# Found by hand: URLs can be chained (simplecache::s3://…), which no parser of URLs knows.
# Behind a user's colon to the last @: a password may hold @ / ? # that are not percent-encoded.
_CREDENTIALS = re.compile(r"://([^/?#:@]*:(?!:).*|[^/?#]*)@", re.DOTALL)
# Between these an error can show a part of a password alone.
_RESERVED = re.compile(r"[@/?#:\[\]]")
_SHORTEST_PART = 3
# By table, the names under which files of earlier versions hold a column: what has such a name now is something else.
_EARLIER_NAMES = {
    "agent_report_details": {
        "completion_rate": "success_rate",
        "completion_rate_low": "success_rate_low",
        "completion_rate_high": "success_rate_high",
    },
    "report_runs": {"completed": "succeeded"},
}


def write_parquet(
    url: str, environment: str, report_id: int, tables: Mapping[str, Sequence[Mapping[str, Any]]]
) -> list[str]:
    """Write a report's four tables, replacing its files of before; returns where they are.

    All files are written under temporary names first, so that an error leaves the old ones as they were; readers never
    see a temporary name, nor one that a killed writer left behind.

    Args:
        url: A folder, or an fsspec URL (``s3://bucket/folder``) whose package is installed.
        environment: Names the folder, percent-encoded.
        tables: Rows by table name, with the values that SQL gets. A table without rows, or absent, becomes a file
            without rows. The row of ``reports`` has to be whole: ``{**warehouse.load_report(id), **report}``.

    Raises:
        WarehouseError: for an unknown table or column, a value that does not fit, or a place that cannot be written,
            named without credentials.
    """
    unknown = tables.keys() - REPORT_TABLES.keys()
    if unknown:
        raise WarehouseError(f"No Parquet table {', '.join(sorted(unknown))}: there are {', '.join(REPORT_TABLES)}.")
    children = {name: rows for name, rows in tables.items() if name != reports.name}
    with stage_parquet(url, environment, report_id, children) as files:
        return files.publish(tables.get(reports.name, ()))


def _encode_table(name: str, report_id: int, rows: Sequence[Mapping[str, Any]]) -> bytes:
    with io.BytesIO() as file:
        pq.write_table(_build_table(REPORT_TABLES[name], report_id, rows), file, compression="zstd")
        return file.getvalue()


@contextmanager
def stage_parquet(
    url: str, environment: str, report_id: int, children: Mapping[str, Sequence[Mapping[str, Any]]]
) -> Iterator[StagedFiles]:
    """Write all tables but ``reports`` under temporary names; ``publish`` adds that one and gives all their names.

    For a report whose own row is known last. Left without ``publish``, the old files are as they were.
    Arguments and errors as in ``write_parquet``.
    """
    with translate_errors(url, "cannot be written"):
        staged = StagedFiles(url, environment, report_id)
    try:
        with translate_errors(url, "cannot be written"):
            for name in REPORT_TABLES:
                if name != reports.name:
                    staged.write(name, children.get(name, ()))
        # Outside of the translation: what the caller does meanwhile fails in its own words.
        yield staged
    finally:
        staged.remove()


class StagedFiles:
    """A report's files while they have temporary names."""

    def __init__(self, url: str, environment: str, report_id: int) -> None:
        self._files, self._root = open_folder(url)
        self._url = url
        self._folder = encode_environment(environment)
        self._report_id = report_id
        self._pending: dict[str, str] = {}

    def write(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write one table's file under a temporary name."""
        content = _encode_table(name, self._report_id, rows)
        folder = posixpath.join(self._root, name, self._folder)
        temporary = posixpath.join(folder, f".{self._report_id}.{uuid.uuid4().hex}.tmp")
        self._pending[temporary] = posixpath.join(folder, f"{self._report_id}.parquet")
        self._files.makedirs(folder, exist_ok=True)
        with self._files.open(temporary, "wb") as file:
            file.write(content)

    def publish(self, report: Sequence[Mapping[str, Any]]) -> list[str]:
        """Write the table ``reports`` (one whole row) and rename every file; returns where they are."""
        with translate_errors(self._url, "cannot be written"):
            self.write(reports.name, report)
            written = sorted(self._pending.values())
            for temporary, final in list(self._pending.items()):
                self._files.mv(temporary, final)
                del self._pending[temporary]
            is_local = "file" in _protocols(self._files)
            return written if is_local else [str(self._files.unstrip_protocol(path)) for path in written]

    def remove(self) -> None:
        """Remove what was not published."""
        for temporary in self._pending:
            with suppress(Exception):  # The error that brought us here is the one to report.
                self._files.rm_file(temporary)


def write_file(url: str, names: Sequence[str], content: bytes) -> str:
    """Write one file of another kind beside the tables, at ``names`` below ``url``; returns where it is.

    Under a temporary name first, like the tables, so that no reader sees half of it. Errors as in ``write_parquet``.
    """
    with translate_errors(url, "cannot be written"):
        files, root = open_folder(url)
        final = posixpath.join(root, *names)
        folder = posixpath.dirname(final)
        # With the report's id in it, as the tables' have: which shows of which report a killed writer left one.
        stem = posixpath.splitext(names[-1])[0]
        temporary = posixpath.join(folder, f".{stem}.{uuid.uuid4().hex}.tmp")
        files.makedirs(folder, exist_ok=True)
        try:
            files.pipe_file(temporary, content)
            files.mv(temporary, final)
        except Exception:
            with suppress(Exception):  # The error that brought us here is the one to report.
                files.rm_file(temporary)
            raise
        return final if "file" in _protocols(files) else str(files.unstrip_protocol(final))


def is_file(url: str, names: Sequence[str]) -> bool:
    """Whether there is a file at ``names`` below ``url``; errors as in ``read_parquet``."""
    with translate_errors(url, "cannot be read"):
        files, root = open_folder(url)
        files.invalidate_cache()
        return bool(files.isfile(posixpath.join(root, *names)))


def check_place(url: str) -> None:
    """Raise a ParquetError when files cannot be written to ``url``: one is, and removed again."""
    with translate_errors(url, "cannot be written"):
        files, root = open_folder(url)
        files.makedirs(root, exist_ok=True)
        probe = posixpath.join(root, f".probe-{uuid.uuid4().hex}")
        files.pipe_file(probe, b"")
        files.rm_file(probe)
        # The writer's own modules, and pandas, which Arrow looks for when it is given a list, are loaded here rather
        # than while a report waits for them.
        pa.array([0])
        pq.write_table(arrow_schema(reports).empty_table(), io.BytesIO(), compression="zstd")


def check_writable(url: str) -> None:
    """As ``check_place``, but no folder is made: where there is none yet, the file is in the nearest one above.

    Raises:
        ParquetError: files cannot be written there.
    """
    with translate_errors(url, "cannot be written"):
        files, root = open_folder(url)
        while not files.exists(root) and (above := posixpath.dirname(root)) not in ("", root):
            root = above
        probe = posixpath.join(root, f".probe-{uuid.uuid4().hex}")
        files.pipe_file(probe, b"")
        files.rm_file(probe)


def list_files(url: str, environment: str, report_id: int) -> list[str]:
    """The places of a report's files as they may be shown: local ones from the root on, no credentials in URLs."""
    name = f"{encode_environment(environment)}/{report_id}.parquet"
    return [show_place(url, f"{table}/{name}") for table in REPORT_TABLES]


def show_place(url: str, name: str) -> str:
    """The place of the file ``name`` below ``url`` as it may be shown; see ``list_files``."""
    shown, _ = _without_credentials(url)
    folder = shown if "://" in shown else Path(shown).resolve().as_posix()
    return f"{folder.rstrip('/')}/{name}"


def read_parquet(url: str, table: str, environment: str | None = None) -> pa.Table:
    """All rows of a table in the current schema, by report id, of one environment or of all; empty when there are none.

    Files of older versions are read as well: what they lack is null.

    Raises:
        WarehouseError: for an unknown table, or files that cannot be read.
    """
    if table not in REPORT_TABLES:
        raise WarehouseError(f"No Parquet table {table}: there are {', '.join(REPORT_TABLES)}.")
    with translate_errors(url, "cannot be read"):
        files, root = open_folder(url)
        files.invalidate_cache()
        parts = []
        for path in _report_files(files, posixpath.join(root, table), environment):
            with files.open(path, "rb") as file:
                # A ParquetFile, not a data set: that would read columns out of folder names.
                parts.append(_to_current(REPORT_TABLES[table], pq.ParquetFile(file).read()))
        schema = arrow_schema(REPORT_TABLES[table])
        return pa.concat_tables(parts) if parts else schema.empty_table()


def update_parquet(url: str) -> list[str]:
    """Rewrite the files of earlier versions below ``url`` in today's schema; returns where they are.

    What they lack becomes null, and ids that were integers become text. Empty when there is nothing to rewrite. Each
    file is replaced as soon as the new one is whole.

    Raises:
        WarehouseError: a file cannot be read or written.
    """
    written = []
    with translate_errors(url, "cannot be rewritten"):
        files, root = open_folder(url)
        files.invalidate_cache()
        for name, table in REPORT_TABLES.items():
            for path in _report_files(files, posixpath.join(root, name), None):
                with files.open(path, "rb") as file:
                    stored = pq.ParquetFile(file).read()
                if stored.schema.equals(arrow_schema(table)):
                    continue
                content = io.BytesIO()
                pq.write_table(_to_current(table, stored), content, compression="zstd")
                folder, last = posixpath.split(path)
                temporary = posixpath.join(folder, f".{last.removesuffix('.parquet')}.{uuid.uuid4().hex}.tmp")
                files.pipe_file(temporary, content.getvalue())
                files.mv(temporary, path)
                written.append(path)
    return written


def encode_environment(environment: str) -> str:
    """The folder name of an environment: percent-encoded, never hidden, never "." or "..", at most 200 characters.

    Readers of Parquet folders skip names that begin with "." or "_", so these are encoded too. An empty name becomes
    "%", which no other name does.
    """
    name = quote(environment, safe="", errors="replace") or "%"
    if name[0] in "._":
        name = f"%{ord(name[0]):02X}{name[1:]}"
    if len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(environment.encode("utf-8", "replace")).hexdigest()[:16]
    start = name[: _LONGEST_NAME - len(digest) - 1]
    cut = start.rfind("%", len(start) - 2)
    return f"{start[:cut] if cut != -1 else start}%{digest}"


def _report_files(files: Any, folder: str, environment: str | None) -> list[str]:
    """The files of finished writes below ``folder``, by report id. No glob: a folder's name may hold its wildcards."""
    if environment is not None:
        folder = posixpath.join(folder, encode_environment(environment))
    found = {}
    for path in files.find(folder):
        stem, extension = posixpath.splitext(posixpath.basename(path))
        if extension == ".parquet" and stem.isdecimal():
            found[path] = int(stem)
    return sorted(found, key=lambda path: (found[path], path))


def _build_table(table: Table, report_id: int, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    complete = complete_rows(table, report_id, [dict(row) for row in rows])
    arrays = []
    for column in table.columns:
        # A report that is written has no owner.
        is_lease = table is reports and column.name in LEASE
        arrays.append(_build_array(column, [None if is_lease else row[column.name] for row in complete]))
    return pa.Table.from_arrays(arrays, schema=arrow_schema(table))


def _build_array(column: Column[Any], values: list[Any]) -> pa.Array[Any]:
    try:
        if isinstance(column.type, Clean):
            values = [column.type.to_parquet(value) for value in values]
        if not column.nullable and None in values:
            raise ValueError("it cannot be empty")
        return pa.array(values, type=arrow_type(column))
    except (TypeError, ValueError, pa.ArrowException) as error:
        raise WarehouseError(f"{column.table.name}.{column.name} cannot be stored: {error}") from error


def _to_current(table: Table, stored: pa.Table) -> pa.Table:
    """What a file of any version holds, in today's schema."""
    schema = arrow_schema(table)
    if stored.schema.equals(schema):
        return stored
    count = stored.num_rows
    earlier = _EARLIER_NAMES.get(table.name, {})
    if earlier.keys() & set(stored.column_names):
        earlier = {}
    arrays = []
    for column in table.columns:
        name = earlier.get(column.name, column.name)
        is_there = name in stored.column_names and column.name not in earlier.values()
        values = stored[name].to_pylist() if is_there else [None] * count
        if isinstance(column.type, Clean):
            values = [column.type.to_parquet(column.type.from_parquet(value)) for value in values]
        arrays.append(pa.array(values, type=arrow_type(column)))
    return pa.Table.from_arrays(arrays, schema=schema)


def open_folder(url: str) -> tuple[Any, str]:
    """The fsspec file system behind ``url``, and the path there; ``translate_errors`` reports what either raises."""
    files, root = fsspec.core.url_to_fs(url)
    return files, str(root).rstrip("/") or "/"


def _protocols(files: Any) -> tuple[str, ...]:
    return (files.protocol,) if isinstance(files.protocol, str) else tuple(files.protocol)


@contextmanager
def translate_errors(url: str, what: str) -> Iterator[None]:
    """Every file system raises errors of its own kind, and some name the URL as it was given."""
    try:
        yield
    except AgentReportError:
        raise
    except Exception as error:  # noqa: BLE001
        shown, secrets = _without_credentials(url)
        reason = str(error) or type(error).__name__
        for secret in secrets:
            reason = reason.replace(secret, "***")
        raised = ParquetError(f"The Parquet folder {shown} {what}: {reason}")
        raised.passing = isinstance(error, OSError) and error.errno in _PASSING
        raise raised from None


def _without_credentials(url: str) -> tuple[str, list[str]]:
    """``url`` as it may be shown, and the parts of it that may not: what stands before "@", and the query."""
    if "://" not in url:
        return url, []
    secrets = []
    for found in _CREDENTIALS.finditer(url):
        name, _, password = found[1].partition(":")
        parts = [part for part in _RESERVED.split(password) if len(part) >= _SHORTEST_PART]
        secrets += [found[1], password, name, *sorted(parts, key=len, reverse=True)]
    place, _, query = _CREDENTIALS.sub("://***@", url).partition("?")
    shown = f"{place}?***" if query else place
    return shown, [secret for secret in (query, *secrets) if secret]
