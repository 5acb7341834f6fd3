"""A person's own query: one SELECT, which can stand in brackets in another."""

from __future__ import annotations

import re

# What is passed over: comments, quoted text and names, PostgreSQL's escapes and dollar quotes; not a word's dollar.
_TOKEN = re.compile(
    r"""
    (?P<passed> --[^\n]* | /\*.*?(?:\*/|\Z) | \s+ | [eE]'(?:[^'\\]|''|\\.|\\\Z)*(?:'|\Z)
        | '(?:[^']|'')*(?:'|\Z) | "(?:[^"]|"")*(?:"|\Z) | `[^`]*(?:`|\Z) | \$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z) )
    | (?P<word> \w[\w$]* ) | (?P<sign> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_BEGINS = frozenset({"select", "with"})
LONGEST_QUERY = 100_000


def read_select(text: str) -> str:
    """``text`` without a semicolon at its end.

    Raises:
        ValueError: it is empty, several statements, no SELECT (which can begin with WITH), its brackets do not match,
            or a comment is in another; the message is for people.
    """
    if len(text) > LONGEST_QUERY:
        raise ValueError(f"a query has at most {LONGEST_QUERY:,} characters")
    depth = 0
    first = ""
    end: int | None = None
    for token in _TOKEN.finditer(text):
        if token["passed"] is not None and token["passed"][0] not in "eE'\"`$":
            if "/*" in token["passed"][2:] and token["passed"].startswith("/*"):
                # Where it ends depends on the database.
                raise ValueError("write no /* in a comment")
            continue
        if end is not None:
            raise ValueError("write one SELECT, without a second statement after a semicolon")
        first = first or (token["word"] or "" if token[0] != "(" else "")
        if not first and token[0] != "(":
            break
        if token[0] == ";":
            end = token.start()
        depth += {"(": 1, ")": -1}.get(token[0], 0)
        if depth < 0:
            break
    if first.lower() not in _BEGINS:
        raise ValueError("write a SELECT (it may begin with WITH)" + (f", not {first.upper()[:20]}" if first else ""))
    if depth:
        raise ValueError("its brackets do not match")
    return (text if end is None else text[:end]).strip()
