"""The events of a stream (SSE), as endpoints send them also where none was asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator

DONE = "[DONE]"
# Not as str.splitlines, which also splits within texts.
_LINE_END = re.compile(r"\r\n|\n|\r")


def event_data(text: str) -> Iterator[str]:
    """The data of each event, without ``[DONE]``; comments and other fields are passed over.

    A line that is an object counts as well: some endpoints send a chunk a line, without the framing.
    """
    for line in _LINE_END.split(text):
        value = line.removeprefix("data:").strip() if line.startswith(("data:", "{")) else ""
        if value and value != DONE:
            yield value
