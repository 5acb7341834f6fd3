"""What an endpoint echoes of keys and headers is hidden, in every way that JSON can write it."""

from __future__ import annotations

from tasks.judge.endpoint.access.secret_values import Secrets

_LONG = "abc/def+0123456789"


def test_a_long_value_is_hidden_everywhere() -> None:
    secrets = Secrets({"key": [_LONG]})
    assert secrets.hide_in_body(f"<{_LONG}>".encode()) == b"<[key]>"
    assert secrets.hide_in_text(f"<{_LONG}> <abc\\/def\\u002B0123456789>") == "<[key]> <[key]>"
    assert secrets.hide_in_error(f"<{_LONG}>") == "<[key]>"


def test_a_short_value_is_a_word_that_an_answer_may_hold() -> None:
    secrets = Secrets({"header": ["team-a", "none"]})
    assert secrets.hide_in_text("team-a has none") == "team-a has none"
    assert secrets.hide_in_error("team-a has none") == "[header] has none"


def test_the_words_of_a_value_are_hidden_too() -> None:
    secrets = Secrets({"header": [f"Bearer {_LONG}"]})
    assert secrets.hide_in_text(f"got {_LONG}") == "got [header]"
    assert secrets.hide_in_error("Bearer of news") == "Bearer of news"


def test_a_value_within_another_leaves_nothing_of_it() -> None:
    secrets = Secrets({"key": [_LONG], "header": [f"{_LONG}-and-more"]})
    assert secrets.hide_in_error(f"{_LONG}-and-more {_LONG}") == "[header] [key]"
