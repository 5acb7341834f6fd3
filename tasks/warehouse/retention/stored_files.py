"""The files that reports left in the Parquet folder: tables, pages, and what a killed writer left behind."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fsspec.implementations.local import LocalFileSystem

from tasks.warehouse.parquet import encode_environment, open_folder, translate_errors
from tasks.warehouse.schema import REPORT_TABLES

PAGES = "pages"
FOLDERS = (*REPORT_TABLES, PAGES)
"""The folders below the Parquet URL that hold a folder for every environment."""

_FINAL = re.compile(r"([1-9]\d{0,17})\.(?:parquet|html)")
_TEMPORARY = re.compile(r"\.([1-9]\d{0,17})\.[0-9a-f]{32}\.tmp")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of a report, or one that its writer had begun and not finished."""

    path: str
    report_id: int
    size_bytes: int
    is_temporary: bool
    is_page: bool = False


def list_stored(url: str, environments: Iterable[str]) -> list[StoredFile]:
    """The files of these environments' reports, whatever SQL holds about them; empty where there is no folder.

    What has a name of another kind is none of ours, and left out, as is a folder that is a link to another place.

    Raises:
        ParquetError: a place that cannot be read, named without credentials.
    """
    with translate_errors(url, "cannot be read"):
        files, root = open_folder(url)
        files.invalidate_cache()
        found: list[StoredFile] = []
        for environment in environments:
            for name in FOLDERS:
                folder = posixpath.join(root, name, encode_environment(environment))
                if isinstance(files, LocalFileSystem) and Path(folder).is_symlink():
                    # What it leads to is not ours.
                    continue
                try:
                    entries = files.ls(folder, detail=True)
                except FileNotFoundError:
                    continue
                for entry in entries:
                    base = posixpath.basename(entry["name"])
                    final, temporary = _FINAL.fullmatch(base), _TEMPORARY.fullmatch(base)
                    if entry["type"] == "file" and (match := final or temporary):
                        size = int(entry["size"] or 0)
                        found.append(StoredFile(entry["name"], int(match[1]), size, final is None, name == PAGES))
        return found


def remove_stored(url: str, stored: Iterable[StoredFile]) -> Iterator[StoredFile]:
    """Remove files one by one, and give each that was there when it is gone.

    Raises:
        ParquetError: one that cannot be removed; those before it are gone.
    """
    with translate_errors(url, "cannot be cleaned"):
        files, _ = open_folder(url)
        for each in stored:
            try:
                files.rm_file(each.path)
            except FileNotFoundError:  # Another process was faster.
                continue
            yield each
