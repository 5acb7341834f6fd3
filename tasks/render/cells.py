"""Cells of a table artifact: text that Prefect's UI shows as it is, whether it reads cells as Markdown or not.

Prefect serves two UIs. The newer one shows a cell as plain text, so that escapes would be seen; the older one renders
it as Markdown with HTML. What both show alike is the text itself, kept from being markup by characters of no width.
"""

from __future__ import annotations

import re

from tasks.render.html.untrusted_text import show_hidden

# Of no width both; to the older UI's parser (marked) the second is white space, after which no emphasis begins.
_JOINER, _SPACE = "\u2060", "\ufeff"
_JOINED = re.compile(
    r"""
    <(?=[a-z/!?])                     # a tag, a comment, an automatic link
    | &(?=[#\w]+;)                    # a character reference
    | \\(?=[!-/:-@\[-`{-~])           # an escape, which would be swallowed
    | \](?=[(\[:])                    # a link or an image
    """,
    re.VERBOSE | re.IGNORECASE,
)
_ADDRESS = re.compile(r"\b(?:https?|ftp):(?=//)|\bwww(?=\.)|@(?=\w)", re.IGNORECASE)
_EMPHASIS = re.compile(r"[*~](?=\S)|(?<![^\W_])_(?=\S)")
# What can make a line a heading, a quotation, a list, a rule, a table, or code.
_BLOCK = re.compile(r"[#>*+=|:~<\[_-]|\d+[.)]")


def unlinked(text: str) -> str:
    """``text`` in which no address of the web or of mail becomes a link.

    An escape is not enough: GitHub's Markdown, as the newer UI reads it, looks for addresses when escapes are resolved.
    """
    return _ADDRESS.sub(lambda found: found[0] + _JOINER, text)


def literal(text: object) -> str:
    """``text`` on one line, in which nothing is Markdown or HTML; "" stays "".

    Most texts stay as they are. Code spans have no other way out than another character: a grave accent becomes the
    letter that looks like it (U+02CB).
    """
    line = " ".join(show_hidden(str(text)).split()).replace("`", "\u02cb")
    line = unlinked(_JOINED.sub(lambda found: found[0] + _JOINER, line))
    line = _EMPHASIS.sub(lambda found: found[0] + _SPACE, line)
    return _JOINER + line if _BLOCK.match(line) else line
