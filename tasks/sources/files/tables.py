"""The queries that read files as tables: Parquet with its own types, JSON and CSV as their text is written."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

import duckdb

from tasks.errors import SourceError
from tasks.sources.files.lines import find_broken_line, has_open_line, read_first_line
from tasks.sources.files.places import DataFile

# Bytes of one object of JSON, of one row of CSV.
_LARGEST_OBJECT = 32 * 2**20
_LARGEST_ROW = 20 * 2**20
_DELIMITERS = ",;\t|"
_NESTED = ("STRUCT", "MAP", "UNION")
# Whole numbers keep their digits; a number with more than those of 64 bits would not.
_KEPT = {"BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT", "BOOLEAN"}
Names = Mapping[DataFile, str]


def build_query(connection: duckdb.DuckDBPyConnection, files: Sequence[DataFile], names: Names) -> str | None:
    """The query of all rows of ``files``, by the names that DuckDB knows them by; None when they have no columns.

    Columns of all files are united by name; what a file lacks is NULL. Parquet keeps its types. Of JSON, strings stay
    as they are written (no text becomes a date), numbers and booleans are such where every row has them, objects and
    arrays are JSON. Of CSV, everything is text.

    Raises:
        SourceError: a file that is not what its name promises, with the line where that is known.
        duckdb.Error: another file that cannot be read.
    """
    queries = list(_queries(connection, sorted(files, key=_kind), names))
    return " UNION ALL BY NAME ".join(queries) or None


def _kind(file: DataFile) -> tuple[str, str]:
    return file.format, file.compression


def _queries(connection: duckdb.DuckDBPyConnection, files: Sequence[DataFile], names: Names) -> Iterator[str]:
    for (format_, compression), group in groupby(files, key=_kind):
        found = list(group)
        if format_ == "parquet":
            options = "union_by_name=true, hive_types_autocast=false"
            yield f"FROM read_parquet({_listed(found, names)}, {options})"
        elif format_ == "csv":
            yield from _csv(found, compression, names)
        else:
            yield from _json(connection, found, names)


def _json(connection: duckdb.DuckDBPyConnection, files: Sequence[DataFile], names: Names) -> Iterator[str]:
    lines = files[0].format == "lines"
    options = [
        f"format='{'newline_delimited' if lines else 'auto'}'",
        f"compression='{files[0].compression}'",
        f"maximum_object_size={_LARGEST_OBJECT}",
        "hive_types_autocast=false",
        "union_by_name=true",
    ]
    # The end of a file that is being written can be half a line; elsewhere, what is no JSON ends the report.
    unfinished = {file for file in files if lines and has_open_line(file)}
    columns: dict[str, str] = {}
    for part in (unfinished, set(files) - unfinished):
        if part:
            inferred = _infer(connection, sorted(part, key=lambda file: file.path), names, options, part is unfinished)
            for name, kind in inferred.items():
                columns[name] = kind if columns.setdefault(name, kind) == kind else "VARCHAR"
    if not columns:
        return
    shape = "columns={" + ", ".join(f"{_quoted(name)}: {_quoted(kind)}" for name, kind in columns.items()) + "}"
    # A file can grow after its columns were inferred.
    options += [shape, "ignore_errors=true"] if lines else [shape]
    yield f"FROM read_json({_listed(files, names)}, {', '.join(options)})"


def _infer(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[DataFile],
    names: Names,
    options: Sequence[str],
    unfinished: bool,
) -> dict[str, str]:
    """The columns of JSON files with the types to read them as; of every row."""
    every = [*options, "sample_size=-1", f"maximum_sample_files={len(files)}", "maximum_depth=2"]
    every += ["map_inference_threshold=-1", *(["ignore_errors=true"] if unfinished else [])]
    read = f"read_json({_listed(files, names)}, {', '.join(every)})"
    try:
        described = connection.execute(f"DESCRIBE FROM {read}").fetchall()
        if [row[0] for row in described] == ["json"] and connection.execute(f"FROM {read} LIMIT 1").fetchone():
            raise SourceError(_no_object(files))
    except duckdb.InvalidInputException as error:
        if (place := _broken(files)) is None:
            raise
        raise SourceError(place) from error
    kinds = {str(name): _text_type(str(name), str(kind)) for name, kind, *_ in described}
    return {} if list(kinds) == ["json"] else kinds


def _text_type(name: str, kind: str) -> str:
    if kind.startswith(_NESTED) or kind.endswith("[]"):
        return "JSON"
    if kind == "DOUBLE":
        return "VARCHAR" if name.lower().endswith(("id", "key")) else kind
    return kind if kind in _KEPT else "VARCHAR"


def _broken(files: Iterable[DataFile]) -> str | None:
    for file in files:
        if file.format == "lines" and (line := find_broken_line(file)) is not None:
            return f"{file.path}: line {line} is not a JSON object; correct or remove it"
    return None


def _no_object(files: Sequence[DataFile]) -> str:
    shown = files[0].path if len(files) == 1 else f"one of {files[0].path}, …"
    return _broken(files) or f"{shown} holds JSON that is no object: a row is an object, with the columns as its keys"


def _csv(files: Sequence[DataFile], compression: str, names: Names) -> Iterator[str]:
    shapes: dict[tuple[str, tuple[str, ...]], list[DataFile]] = {}
    for file in files:
        header = read_first_line(file)
        if header.strip():
            delimiter = file.delimiter or max(_DELIMITERS, key=header.count)
            columns = tuple(next(csv.reader([header], delimiter=delimiter)))
            _check_header(file, columns)
            shapes.setdefault((delimiter, columns), []).append(file)
    for (delimiter, columns), group in shapes.items():
        shape = ", ".join(f"{_quoted(name)}: 'VARCHAR'" for name in columns)
        yield (
            f"FROM read_csv({_listed(group, names)}, auto_detect=false, header=true, quote='\"', escape='\"', "
            f"delim={_quoted(delimiter)}, compression='{compression}', max_line_size={_LARGEST_ROW}, "
            f"hive_types_autocast=false, columns={{{shape}}})"
        )


def _check_header(file: DataFile, columns: Sequence[str]) -> None:
    folded = [name.strip().lower() for name in columns]
    if "" in folded:
        raise SourceError(f"{file.path}: column {folded.index('') + 1} of its header has no name")
    twice = next((name for name in folded if folded.count(name) > 1), None)
    if twice is not None:
        raise SourceError(f"{file.path}: its header has the column {twice} twice")


def _listed(files: Sequence[DataFile], names: Names) -> str:
    return "[" + ", ".join(_quoted(names[file]) for file in files) + "]"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
