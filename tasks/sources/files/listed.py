"""Remote files as DuckDB reads them: through fsspec, these and no others, and only for reading."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, BinaryIO

import fsspec
from fsspec.implementations.local import LocalFileSystem

from tasks.sources.files.places import DataFile

_PROTOCOL = "agent-report"
_WILD = re.compile(r"[*?\[\]]")


class ListedFiles(fsspec.AbstractFileSystem):  # type: ignore[misc] # fsspec has no types
    """A file system of files that are known, each under a name of ours, which has no wildcard in it.

    Names keep the folders of the files: those of a partitioned data set (``day=2026-01-01``) are columns.
    """

    protocol = _PROTOCOL
    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self._listed: dict[str, DataFile] = {}

    def add(self, file: DataFile) -> str:
        """The name of ``file`` for DuckDB."""
        if file.files is None:
            file = replace(file, files=LocalFileSystem())
        name = f"{len(self._listed)}/{_WILD.sub('_', file.path.lstrip('/'))}"
        self._listed[name] = file
        return f"{_PROTOCOL}://{name}"

    def real_names(self) -> Iterable[tuple[str, str]]:
        """Each name that DuckDB knows, with the file's own path."""
        return ((f"{_PROTOCOL}://{name}", file.path) for name, file in self._listed.items())

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path.removeprefix(f"{_PROTOCOL}://")

    def _open(self, path: str, mode: str = "rb", **_: Any) -> BinaryIO:
        if mode != "rb":
            raise PermissionError(f"{path} is only read")
        file = self._listed[self._strip_protocol(path)]
        opened: BinaryIO = file.files.open(file.path, "rb")
        return opened

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """What the file's own file system reports about it."""
        file = self._listed[self._strip_protocol(path)]
        return {**file.files.info(file.path), "name": path}

    def glob(self, path: str, **_: Any) -> list[str]:
        """The one file that ``path`` names: DuckDB asks for each."""
        return [path] if self._strip_protocol(path) in self._listed else []

    def modified(self, path: str) -> Any:
        """When the file was written, by its file system; 1970 where that does not know."""
        file = self._listed[self._strip_protocol(path)]
        try:
            found = file.files.modified(file.path)
        except (NotImplementedError, KeyError, AttributeError):
            found = None
        return found or datetime(1970, 1, 1, tzinfo=UTC)
