"""What real instrumentations wrote about one scripted story is read as it was: a row a recording."""

from __future__ import annotations

import pytest

from benchmarks.span_reading import UNREADABLE, Recording, differences, load_recordings

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
