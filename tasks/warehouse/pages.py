"""The reports' pages beside their Parquet files: ``<parquet_url>/pages/<environment>/<report id>.html``.

A folder of their own, so that who reads a table's folder, or globs for ``*.parquet``, never meets one.
"""

from __future__ import annotations

from tasks.warehouse.parquet import encode_environment, is_file, show_place, write_file

_FOLDER = "pages"


def write_page_file(url: str, environment: str, report_id: int, html: str) -> str:
    """Write a report's page, replacing the one of before; returns where it is.

    Raises:
        ParquetError: for a place that cannot be written, named without credentials.
    """
    return write_file(url, (_FOLDER, encode_environment(environment), f"{report_id}.html"), html.encode())


def has_page(url: str, environment: str, report_id: int) -> bool:
    """Whether the page of a report is there.

    Raises:
        ParquetError: the place cannot be read.
    """
    return is_file(url, (_FOLDER, encode_environment(environment), f"{report_id}.html"))


def page_place(url: str, environment: str, report_id: int) -> str:
    """Where a report's page is, as it may be shown: a local one from the root on, no credentials in a URL."""
    return show_place(url, f"{_FOLDER}/{encode_environment(environment)}/{report_id}.html")
