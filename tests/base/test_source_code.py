"""Which commit runs, in a checkout and out of one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import matrix_entropy
from matrix_entropy.base.source_code import source_code

VERSION = matrix_entropy.__version__
BY = ["-c", "user.name=A", "-c", "user.email=a@localhost", "-c", "commit.gpgsign=false"]


def git(folder: Path, *command: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *BY, *command], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_checkout_has_its_commit_and_says_when_code_differs(tmp_path: Path) -> None:
    assert source_code(tmp_path) == (VERSION, None, False)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "code.py").write_text("a = 1\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "src")
    git(tmp_path, "commit", "-qm", "A")
    commit = git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "notes.txt").write_text("no code\n")
    assert source_code(tmp_path) == (VERSION, commit, False)
    (tmp_path / "src" / "more.py").write_text("b = 2\n")
    assert source_code(tmp_path) == (VERSION, commit, True)
    # What is installed somewhere inside of another checkout is not of that.
    assert source_code(tmp_path / "src") == (VERSION, None, False)


def test_without_git_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert source_code() == (VERSION, None, False)
