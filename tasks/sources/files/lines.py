"""The lines of a text file: its first, the first that is no JSON, and whether the last is still being written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import orjson
import pyarrow as pa

from tasks.errors import SourceError
from tasks.sources.files.places import DataFile

_LONGEST_HEADER = 2**20
_LONGEST_TAIL = 32 * 2**20


def read_first_line(file: DataFile) -> str:
    """The first line of a text file, "" of an empty one.

    Raises:
        SourceError: it is no UTF-8.
    """
    with _opened(file) as lines:
        line = next(iter(lines), b"")[:_LONGEST_HEADER]
    try:
        return line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise SourceError(f"{file.path}: its header is not in UTF-8") from None


def find_broken_line(file: DataFile) -> int | None:
    """The number (from 1) of the first line that holds no JSON object; None when every line does."""
    with _opened(file) as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip() and not _is_object(line):
                return number
    return None


def has_open_line(file: DataFile) -> bool:
    """Whether the file ends in the middle of a line, as one does that is being appended to."""
    if file.files is not None or file.compression != "none":
        # Objects of a store are written whole, and a compressed file that is cut cannot be read at all.
        return False
    with open(file.path, "rb") as opened:  # noqa: PTH123 - the path of a file system
        size = opened.seek(0, 2)
        if size == 0:
            return False
        opened.seek(size - 1)
        if opened.read(1) == b"\n":
            return False
        opened.seek(max(0, size - _LONGEST_TAIL))
        return not _is_object(opened.read().rpartition(b"\n")[2])


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


@contextmanager
def _opened(file: DataFile) -> Iterator[IO[bytes] | Any]:
    raw = file.files.open(file.path, "rb") if file.files is not None else open(file.path, "rb")  # noqa: PTH123, SIM115
    with raw:
        if file.compression == "none":
            yield raw
        else:
            yield _lines(pa.CompressedInputStream(raw, "gzip" if file.compression == "gzip" else "zstd"))


def _lines(stream: Any) -> Iterator[bytes]:
    rest = b""
    while block := stream.read(2**20):
        *whole, rest = (rest + block).split(b"\n")
        yield from whole
    yield rest
