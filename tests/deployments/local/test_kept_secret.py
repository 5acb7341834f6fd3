"""A secret's file is its owner's alone, however it was when it was found."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deployments.local.kept_secret import keep_secret


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """It may lead to a file whose content others know, and which this would close to them."""
    known, path = tmp_path / "LICENSE", tmp_path / "password"
    known.write_text("everybody's\n")
    known.chmod(0o644)
    path.symlink_to(known)
    with pytest.raises(OSError, match="symbolic links"):
        keep_secret(path)
    assert (known.read_text(), known.stat().st_mode & 0o777) == ("everybody's\n", 0o644)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("content", ["", "theirs\n"])
def test_a_file_of_another_user_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text(content)
    os.chown(path, 65534, 65534)
    with pytest.raises(PermissionError, match="another user"):
        keep_secret(path)
    assert path.read_text() == content


def test_a_file_that_holds_no_text_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(b"\xff\xfe")
    with pytest.raises(OSError, match="no ASCII text"):
        keep_secret(tmp_path / "password")
