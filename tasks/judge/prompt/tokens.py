"""How many tokens a text is: an estimate without any vocabulary, corrected by the usage that comes back."""

from __future__ import annotations

import re
import threading

import numpy as np

from tasks.wording.shortening import clip_middle

_LETTERS = bytes(range(65, 91)) + bytes(range(97, 123))
_DIGITS = bytes(range(48, 58))
_SPACE = b" \t\r\n\x0b\x0c"
_NOT_ASCII = bytes(range(128, 256))
# Hexadecimal, base64, ids: no vocabulary has words for them.
_SHORTEST_BLOB = 40
_BLOB = re.compile(rb"[A-Za-z0-9+/=_-]{%d,}" % _SHORTEST_BLOB)
_BLOBS_APART = bytes(code if re.match(rb"[A-Za-z0-9+/=_-]", bytes([code])) else 32 for code in range(256))
_HEX = re.compile(rb"[0-9a-fA-F_-]+")
_HEX_BYTES, _OTHER_BLOB_BYTES = 1.8, 1.5
# Bytes a token by what they are, so that English comes to 4.2 in all, JSON of tools to 2.8 (measured for o200k).
_LETTER_BYTES, _DIGIT_BYTES, _MARK_BYTES, _FOREIGN_BYTES = 4.1, 2.2, 1.5, 2.3
_SPACE_BYTES = 12.0
_TOKENS_BY_BYTE = np.full(256, 1 / _MARK_BYTES)
for _kind, _bytes_a_token in (
    (_LETTERS, _LETTER_BYTES),
    (_DIGITS, _DIGIT_BYTES),
    (_SPACE, _SPACE_BYTES),
    (_NOT_ASCII, _FOREIGN_BYTES),
):
    _TOKENS_BY_BYTE[list(_kind)] = 1 / _bytes_a_token
# The density of a text of megabytes is taken from so much of its start and of its end.
_PROBE = 20_000
_SLOWEST, _FASTEST = 0.4, 2.5


def estimate_tokens(text: str) -> int:
    """Tokens of ``text`` as the vocabularies of today's models would about have it; 0 for no text.

    By kind of byte, as one figure for all would be off by 2.7 times between prose and hexadecimal. Linear, some
    milliseconds for a megabyte.
    """
    raw = text.encode("utf-8", "replace")
    tokens = 0.0
    # Two passes in C: a search by expression takes longer than all the rest.
    words = raw.translate(_BLOBS_APART).split()
    if max(map(len, words), default=0) >= _SHORTEST_BLOB:
        blobs = [word for word in words if len(word) >= _SHORTEST_BLOB]
        tokens = sum(len(blob) / (_HEX_BYTES if _HEX.fullmatch(blob) else _OTHER_BLOB_BYTES) for blob in blobs)
        raw = _BLOB.sub(b"", raw)
    counts = np.bincount(np.frombuffer(raw, np.uint8), minlength=256)
    return round(tokens + float(counts @ _TOKENS_BY_BYTE))


def text_tokens(text: str) -> int:
    """``estimate_tokens``; of a text of megabytes only head and tail are counted."""
    if len(text) <= 4 * _PROBE:
        return estimate_tokens(text)
    return round(estimate_tokens(text[:_PROBE] + text[-_PROBE:]) * len(text) / (2 * _PROBE))


def clip_tokens(text: str, limit: int) -> str:
    """``text`` in at most about ``limit`` tokens, by its own density; clipped as ``clip_middle`` does."""
    size = text_tokens(text)
    return text if size <= limit else clip_middle(text, int(len(text) * limit / size))


class TokenScale:
    """How a model's count compares with the estimate: 1 before its first answer, then what its usage shows.

    Safe to share between threads; one per endpoint and model.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._estimated = self._counted = 0

    @property
    def factor(self) -> float:
        """Counted over estimated tokens, over what was sent so far; between 0.4 and 2.5."""
        with self._lock:
            if not self._estimated:
                return 1.0
            return min(_FASTEST, max(_SLOWEST, self._counted / self._estimated))

    def learn(self, estimated: int, counted: int | None) -> None:
        """Note that a request of ``estimated`` tokens (by ``estimate_tokens``) was counted as ``counted``.

        What was sent long ago weighs less; None and 0 are ignored.
        """
        if not counted or estimated <= 0:
            return
        with self._lock:
            self._estimated = self._estimated // 2 + estimated
            self._counted = self._counted // 2 + counted
