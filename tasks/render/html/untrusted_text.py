"""Hostile text made harmless for a page: what a browser would obey, or a file could not hold, becomes visible."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

from tasks.evidence.ids import whole_number

LONGEST = 4_000
_MARKED = 400
_SHOWN_ID = 60
_PARTS = re.compile(r"(?<=[_.:/-])(?=\w)")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
# Controls but tab and new line, lone surrogates (no UTF-8 file can hold them), and what Unicode calls no character.
_INVALID = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def tame(text: str, limit: int = LONGEST) -> str:
    """At most ``limit`` characters of ``text`` (and a mark that it goes on), none of which turns what is around them.

    Overrides and isolates of the writing direction are shown as ``[U+202E]``; control characters and lone surrogates
    become U+FFFD. Arabic and Hebrew stay as they are. Markup is not escaped here.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > limit:
        # Of what is cut to a line anyway the mark would be a good part.
        left = f" [{len(text) - limit} more characters]" if limit >= _MARKED else ""
        text = f"{text[:limit].rstrip()}…{left}"
    return show_hidden(text)


def show_hidden(text: str) -> str:
    """``text`` with characters that turn the writing direction as ``[U+202E]``, and control characters as U+FFFD."""
    return _BIDI.sub(lambda found: f"[U+{ord(found[0]):04X}]", _INVALID.sub("\ufffd", text))


def untrusted(text: object, limit: int = LONGEST) -> Markup:
    """``text``, which is of an agent, a judge or a trace and so untrusted, made safe: escaped, cut, and isolated from
    the writing direction of what is around it."""
    return Markup(f"<bdi>{escape(tame(str(text), limit))}</bdi>")  # noqa: S704 - the text is escaped


def shown_id(text: str) -> Markup:
    """The id of an agent or a run: a number as it is, another as ``untrusted``, in at most 60 characters."""
    return escape(text) if whole_number(text) is not None else untrusted(text, _SHOWN_ID)


def named(text: object, limit: int = LONGEST) -> Markup:
    """As ``untrusted``, for a name of parts (``grant_access``): a line that has to break in it breaks between two."""
    parts = _PARTS.split(tame(str(text), limit))
    return Markup("<bdi>{}</bdi>").format(Markup("<wbr>").join(parts))


def finalize(value: object) -> object:
    """What every expression of a template goes through before it is escaped: None is a dash, text is tamed."""
    if value is None:
        return "–"
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return tame(value)
