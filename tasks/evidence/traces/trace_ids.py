"""Trace ids as sources hold them: bare, or in a form that a header, a cloud or a database has."""

from __future__ import annotations

import base64
import re
from urllib.parse import unquote

from tasks.evidence.traces.spans import normalized_trace_id
from tasks.evidence.values import read_filled

_LONGEST = 300
_STANDARD = str.maketrans("-_", "+/")
_FORMS = tuple(
    re.compile(form)
    for form in (
        # A UUID, in braces or as a URN.
        r"(?:urn:uuid:)?\{?([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})\}?",
        # W3C's traceparent: version, trace id, parent id, flags.
        r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.{0,100})?",
        # X-Ray's, bare or in its header.
        r"(?:.{0,100};\s?)?(?:root=)?1-([0-9a-f]{8})-([0-9a-f]{24})(?:;.{0,200})?",
        # B3's single header, and Sentry's: trace id, span id, and what may follow.
        r"([0-9a-f]{32}|[0-9a-f]{16})-[0-9a-f]{16}(?:-[01d](?:-[0-9a-f]{16})?)?",
        # Jaeger's uber-trace-id.
        r"([0-9a-f]{1,32}):[0-9a-f]{1,16}:[0-9a-f]{1,16}:[0-9a-f]{1,2}",
        # Google's header, its resource name, and the page of a trace.
        r"([0-9a-f]{32})/\d{1,20}(?:;o=\d)?",
        r"[^?#]{0,200}/traces?/([0-9a-f]{1,32})/?(?:[?#].{0,200})?",
        # Application Insights' request id.
        r"\|([0-9a-f]{32})\.[0-9a-f._]{0,100}",
    )
)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{22}==")
# Datadog's ids have 64 bits, its newer ones 128. In hex, 17 digits and more are nearly never without a letter.
_DECIMAL = re.compile(r"[1-9]\d{9,19}|[1-9]\d{32,38}")
_CERTAINLY_DECIMAL = 17


def read_trace_id(value: object) -> str | None:
    """The trace id in ``value`` (of a column) as hex digits, those of a bare one as they are; None when it is none.

    Beside 1 to 32 hex digits, in any case, with or without 0x: a UUID; what the headers ``traceparent``, ``b3``,
    ``uber-trace-id``, ``X-Amzn-Trace-Id``, ``sentry-trace`` and ``X-Cloud-Trace-Context`` hold; 16 (or 8) bytes, in
    base64 too; the address of a trace's page. A decimal number is no trace id of Jaeger's: see ``is_decimal``.
    """
    text = _text(value)
    if text is None or (is_decimal(text) and len(text) >= _CERTAINLY_DECIMAL):
        return None
    if normalized_trace_id(text) is not None:
        return text
    lower = unquote(text[:_LONGEST]).lower()
    match = next((match for form in _FORMS if (match := form.fullmatch(lower))), None)
    if match is not None:
        found = "".join(match.groups())
    elif _BASE64.fullmatch(text):
        found = base64.b64decode(text.translate(_STANDARD)).hex()
    else:
        return None
    return found if normalized_trace_id(found) else None


def is_decimal(text: str) -> bool:
    """Whether ``text`` looks like a trace id in decimal, as Datadog writes them."""
    return _DECIMAL.fullmatch(text) is not None


def _text(value: object) -> str | None:
    """``value`` as text without blanks and quotes around it; of bytes that are no text their hex digits."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        raw = bytes(value)
        if len(raw) in (8, 16) and not (raw.isascii() and raw.decode("ascii").isprintable()):
            return raw.hex()
    text = read_filled(value)
    return text.strip("\"' ") if text is not None else None
