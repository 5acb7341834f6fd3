"""The environment that is asked for, among those that a source has."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.errors import NotFoundError

_SHOWN_CHARACTERS = 100
_MOST_KNOWN = 10


def check_environment(environment: str, known: Sequence[str]) -> None:
    """Refuse an environment that is not one of ``known``, of which at most ten are listed.

    Raises:
        NotFoundError: it is not there.
    """
    if environment in known:
        return
    if not known:
        raise NotFoundError(f"there is no environment {environment!r}: the source has none")
    shown = sorted({name if len(name) <= _SHOWN_CHARACTERS else name[:_SHOWN_CHARACTERS] + "…" for name in known})
    more = f" and {len(shown) - _MOST_KNOWN} more" if len(shown) > _MOST_KNOWN else ""
    listed = ", ".join(map(_show_name, shown[:_MOST_KNOWN]))
    raise NotFoundError(f"there is no environment {environment!r}; there is {listed}{more}")


def _show_name(name: str) -> str:
    """In quotes where it would be read as another name: blanks at its ends are part of it."""
    return name if name == name.strip() and name.isprintable() else repr(name)
