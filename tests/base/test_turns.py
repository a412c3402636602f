"""Processes that take turns."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from matrix_entropy.base.turns import in_turn


def test_nobody_else_is_in_the_block(tmp_path: Path) -> None:
    other = os.open(tmp_path, os.O_RDONLY)
    with in_turn(tmp_path), pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(other)
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_locked_nobody_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: int) -> None:
        raise OSError("no locks here")

    monkeypatch.setattr(fcntl, "flock", refused)
    with in_turn(tmp_path):
        pass
