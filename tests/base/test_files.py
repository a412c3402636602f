"""Files appear whole or not at all; a job ends on bad input with one sentence."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import logging
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import (
    read_json,
    read_jsonl,
    sha256,
    write_json,
    write_jsonl,
    writing,
    writing_folder,
)
from matrix_entropy.running.console import job


class Stop(BaseException):
    """As a keyboard interrupt: no `Exception`."""


@pytest.fixture(params=["new", "there before"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where to write: nothing is there, or an older file."""
    path = tmp_path / "folder" / "table.of.things.csv"
    if request.param == "there before":
        path.parent.mkdir()
        path.write_text("older")
    return path


def contents(folder: Path) -> dict[str, str]:
    """All files of a folder, hidden ones too."""
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_writing_replaces_only_at_the_end(target):
    """While the block runs, the old file stands; afterwards the new one does, and it alone."""
    before = target.read_text() if target.exists() else None
    with writing(target) as temporary:
        temporary.write_text("newer")
        assert temporary.parent == target.parent
        assert temporary != target
        assert (target.read_text() if target.exists() else None) == before
    assert contents(target.parent) == {target.name: "newer"}


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_those_who_may_look_into_a_folder_may_read_its_weights(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        with writing_folder(tmp_path / "model") as part:
            save_file({"a": np.zeros(3)}, part / "model.safetensors")
    finally:
        os.umask(before)
    assert (tmp_path / "model/model.safetensors").stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("name", ["a.npz", "a.b.pdf", "plain", ".hidden"])
def test_writing_keeps_the_ending(tmp_path, name):
    """The temporary file has the ending, if any, by which libraries choose a format."""
    with writing(str(tmp_path / name)) as temporary:
        assert temporary.name.endswith(Path(name).suffix)
        temporary.write_text("x")
    assert contents(tmp_path) == {name: "x"}


@pytest.mark.parametrize("raised", [ValueError, OSError, Stop])
@pytest.mark.parametrize("begun", [False, True])
def test_writing_leaves_nothing_behind(target, raised, begun):
    """After an exception the old file stands as it did, and no temporary one is left."""
    before = contents(target.parent) if target.exists() else {}

    def write() -> None:
        with writing(target) as temporary:
            if begun:
                temporary.write_text("half")
            raise raised("in the midst")

    with pytest.raises(raised, match="in the midst"):
        write()
    assert contents(target.parent) == before


def test_writing_nothing_is_an_error(target):
    """A block that writes no file does not pass for one that did."""
    before = contents(target.parent) if target.exists() else {}
    with pytest.raises(FileNotFoundError), writing(target):
        pass
    assert contents(target.parent) == before


def test_failed_move_leaves_nothing_behind(tmp_path):
    """A folder in the way is no place for a file, and the temporary file goes."""
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(OSError, match=r"a\.txt"), writing(tmp_path / "a.txt") as temporary:
        temporary.write_text("x")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


RECORDS = [
    {"id": "0", "group": "größer", "text": "one\ntwo\r\nthree\rfour\x85five\u2028six\x0bseven\x0c"},
    {"id": "1", "group": "", "text": 'quotes " and \\ and \t and \x00 and 😀'},
    {"number": 1.5, "list": [1, None, True], "nested": {"a": {}}},
]


@pytest.mark.parametrize("records", [RECORDS, [], [{}]])
def test_jsonl_round_trip(tmp_path, records):
    """What was written comes back, one line a record, whatever ends of lines the texts hold."""
    path = tmp_path / "folder" / "x.jsonl"
    write_jsonl(path, records)
    assert read_jsonl(path) == records
    assert path.read_bytes().count(b"\n") == len(records)
    assert b"\r" not in path.read_bytes()


def test_jsonl_is_utf8(tmp_path):
    """Characters are written as they are, whatever the machine's language."""
    write_jsonl(tmp_path / "x.jsonl", RECORDS)
    assert "größer".encode() in (tmp_path / "x.jsonl").read_bytes()


def test_json_round_trip(tmp_path):
    """The value comes back, and the file ends with a newline."""
    write_json(tmp_path / "x.json", RECORDS)
    assert read_json(tmp_path / "x.json") == RECORDS
    assert (tmp_path / "x.json").read_bytes().endswith(b"]\n")
    assert "größer".encode() in (tmp_path / "x.json").read_bytes()


@pytest.mark.parametrize("write", [write_json, write_jsonl])
def test_values_that_are_no_json_leave_the_old_file(tmp_path, write):
    """A value that cannot be written raises and leaves what was there."""
    (tmp_path / "x").write_text("older")
    with pytest.raises(TypeError):
        write(tmp_path / "x", [{"good": 1}, {"bad": {1, 2}}])
    assert contents(tmp_path) == {"x": "older"}


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
def test_sha256(tmp_path, size):
    """The hash of the bytes, also of a file larger than any buffer."""
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    (tmp_path / "x").write_bytes(content)
    assert sha256(tmp_path / "x") == hashlib.sha256(content).hexdigest()
    assert sha256(str(tmp_path / "x")) == hashlib.sha256(content).hexdigest()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    """Path of a log in a folder that is not there yet; the log is closed after the test."""
    yield tmp_path / "logs" / "rule" / "x.log"
    logger = logging.getLogger("matrix_entropy")
    for handler in logger.handlers:
        handler.close()
    logger.handlers = []


def said(log: Path) -> str:
    """What a log holds before its last line, which tells the times."""
    words, times = re.fullmatch(r"(.*?)([^\n]+\n)", log.read_text(encoding="utf-8"), re.S).groups()
    number = r"\d+\.\d\d"
    told = rf"{number} of {number} s to start, {number} s of processors, \d+ MiB at the peak\n"
    assert re.fullmatch(told, times)
    return words


def fail(log: Path, error: BaseException) -> None:
    """A job that says one thing and then fails."""
    with job(log) as logger:
        logger.info("begun")
        raise error


def test_job_logs_to_both(log, capsys):
    """What a job says is in its log and on stderr once, and nothing on stdout."""
    with job(log) as logger:
        logger.info("%d texts – größer", 5)
    shown = capsys.readouterr()
    assert said(log) == shown.err == "5 texts – größer\n"
    assert shown.out == ""


def test_second_job_has_a_log_of_its_own(log, capsys):
    """A log is begun anew and gets only its own job's lines."""
    for path in [log, log.with_name("y.log"), log]:
        with job(path) as logger:
            logger.info("into %s", path.name)
    assert said(log) == "into x.log\n"
    assert said(log.with_name("y.log")) == "into y.log\n"
    assert capsys.readouterr().err == "into x.log\ninto y.log\ninto x.log\n"


def test_bad_input_ends_a_job_with_one_line(log, capsys):
    """The sentence is on stderr and in the log, without a traceback, and the status is 1."""
    with pytest.raises(SystemExit) as raised:
        fail(log, InputError("my.json, record 3 has no field 'text'; it has: story."))
    assert raised.value.code == 1
    expected = "begun\nerror: my.json, record 3 has no field 'text'; it has: story.\n"
    assert said(log) == expected
    assert capsys.readouterr().err == expected


@pytest.mark.parametrize("name", [None, "results/spectra/x.npz"])
def test_full_disk_ends_a_job_with_one_line(log, capsys, name):
    """A full disk is a sentence that says what to do and names the file, if it is known."""
    with pytest.raises(SystemExit) as raised:
        fail(log, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name))
    assert raised.value.code == 1
    first, *lines = said(log).splitlines()
    assert first == "begun"
    assert len(lines) == 1
    assert re.fullmatch(r"error: the disk is full.*; free .* run again\.", lines[0])
    assert name is None or name in lines[0]
    assert "None" not in lines[0]
    assert capsys.readouterr().err == said(log)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a fault of ours"),
        OSError(errno.EIO, "a fault of ours"),
        FileNotFoundError(errno.ENOENT, "a fault of ours", "x.npz"),
        json.JSONDecodeError("a fault of ours", "", 0),
    ],
    ids=lambda error: type(error).__name__,
)
def test_faults_of_ours_keep_their_traceback(log, capsys, error):
    """Other exceptions go on, and the log says where they came from."""
    with pytest.raises(type(error), match="a fault of ours") as raised:
        fail(log, error)
    assert raised.value is error
    written = said(log)
    assert written.startswith("begun\n")
    assert "Traceback (most recent call last)" in written
    assert "in fail" in written
    assert "a fault of ours" in written
    assert capsys.readouterr().err == written


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=["exit", "interrupt"])
def test_job_lets_exits_pass(log, error):
    """What is no error is not made one."""
    with pytest.raises(type(error)) as raised:
        fail(log, error)
    assert raised.value is error
    assert said(log) == "begun\n"


def test_a_second_process_at_the_same_job_is_told(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A job that outlived its run and one of the next would write the same files."""
    log.parent.mkdir(parents=True)
    with open(log, "a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(SystemExit) as ended, job(log):
            pytest.fail("this must not run")
    assert ended.value.code == 1
    assert f"still at the job of {log}" in capsys.readouterr().err
    with job(log) as logger:
        logger.info("now it may")
    assert "now it may" in log.read_text()


def test_writing_leaves_the_files_of_living_processes(target: Path) -> None:
    here = socket.gethostname()
    living = target.with_name(f".{target.stem}.part-{here}-{os.getppid()}{target.suffix}")
    elsewhere = target.with_name(f".{target.stem}.part-{here}x-1{target.suffix}")
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    dead = target.with_name(f".{target.stem}.part-{here}-{ended.pid}{target.suffix}")
    target.parent.mkdir(exist_ok=True)
    for path in (living, elsewhere, dead):
        path.write_text("half")
    with writing(target) as temporary:
        temporary.write_text("whole")
    assert living.exists()
    assert elsewhere.exists()
    assert not dead.exists()
