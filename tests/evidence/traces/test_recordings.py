"""What real instrumentations wrote about one scripted story is read as it was: a row a recording."""

from __future__ import annotations

import pytest

from benchmarks.span_reading import UNREADABLE, Recording, differences, load_recordings, read_fields
from tasks.evidence.traces import conventions

_RECORDINGS = load_recordings()


@pytest.mark.parametrize("recording", _RECORDINGS, ids=[recording.name for recording in _RECORDINGS])
def test_a_recording_is_read_right_in_every_field(recording: Recording) -> None:
    found = differences(recording)
    if recording.name in UNREADABLE:
        assert found, "this one is read right by now: take it out of UNREADABLE"
    else:
        assert found == {}


def test_only_few_recordings_need_an_explanation() -> None:
    assert len(UNREADABLE) <= 2
    assert UNREADABLE.keys() <= {recording.name for recording in _RECORDINGS}


def test_messages_alone_tell_of_the_same_tool_calls() -> None:
    """As in a loop of one's own over the same client library, which writes no spans of tools."""
    compared = 0
    for recording in _RECORDINGS:
        spans = [span for span in recording.spans if conventions.read(span).kind != "tool"]
        read = read_fields(spans)["tool_calls"]
        # Of one the messages are shortened.
        if read and recording.expected.get("tool_calls"):
            assert read == recording.expected["tool_calls"], recording.name
            compared += 1
    assert compared >= 50
