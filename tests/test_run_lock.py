"""Who works in a folder: a lock of the living stays, one of the dead goes, others are told of."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from matrix_entropy import run_lock
from matrix_entropy.files import read_json, write_json
from matrix_entropy.run_lock import LOCKS, RECORDS, look, take


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    """A folder that Snakemake has locked for another process of this machine, which is dead."""
    (tmp_path / LOCKS).mkdir(parents=True)
    (tmp_path / LOCKS / "0.output.lock").write_text("results/a\n")
    taken_by_another(tmp_path)
    return tmp_path


def taker(folder: Path, then: str) -> dict[str, Any]:
    """A process that takes a folder and then does something, as `subprocess` wants it."""
    code = "import os, sys; from pathlib import Path; from matrix_entropy.run_lock import take;"
    code += f"take(Path(sys.argv[1])); {then}"
    library = str(Path(run_lock.__file__).parent.parent)
    environment = os.environ | {"PYTHONPATH": library}
    return {"args": [sys.executable, "-c", code, str(folder)], "env": environment}


def taken_by_another(folder: Path) -> None:
    """Let a process take the folder and die, without the time to give it back."""
    assert subprocess.run(**taker(folder, "os._exit(9)")).returncode == 9


def record(folder: Path) -> Path:
    """The only record there."""
    (found,) = (folder / RECORDS).iterdir()
    return found


def change(folder: Path, **values: object) -> None:
    """Another record than the one there."""
    write_json(record(folder), read_json(record(folder)) | values)


def locks(folder: Path) -> list[str]:
    """What is locked."""
    return [path.name for path in (folder / LOCKS).iterdir()]


def test_the_lock_of_the_dead_is_removed_and_told_once(locked: Path) -> None:
    pid = read_json(record(locked))["process"]
    said = look(locked)
    assert said is not None
    assert said.startswith(f"The last run in this folder (process {pid} on {socket.gethostname()},")
    assert said.endswith("was killed: its lock is removed.")
    assert locks(locked) == []
    assert look(locked) is None


def test_an_id_that_another_process_has_by_now_is_no_life(locked: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        change(locked, process=other.pid, started=psutil.Process(other.pid).create_time() - 60)
        assert "was killed" in str(look(locked))
        other.communicate(b"\n")


def test_the_lock_of_the_living_stays(locked: Path) -> None:
    dead = read_json(record(locked))["process"]
    waiting = taker(locked, "print(flush=True); input()")
    pipe = subprocess.PIPE
    with subprocess.Popen(**waiting, stdin=pipe, stdout=pipe) as other:
        assert other.stdout is not None
        other.stdout.readline()
        said = look(locked)
        assert f"(process {other.pid} on {socket.gethostname()}, since 20" in str(said)
        assert "wait for it" in str(said)
        assert locks(locked) == ["0.output.lock"]
        other.communicate(b"\n")
    left = [read_json(path)["process"] for path in (locked / RECORDS).iterdir()]
    assert left == [dead], "a run that ends by itself gives its record back"


def test_of_another_host_nothing_is_known_but_what_to_do(locked: Path) -> None:
    change(locked, host="login7")
    said = look(locked)
    assert "on login7, since" in str(said)
    assert "`snakemake --unlock`" in str(said)
    assert locks(locked) == ["0.output.lock"]


@pytest.mark.parametrize("text", [None, "", "{", "half a rec"])
def test_without_a_whole_record_snakemake_speaks_for_itself(locked: Path, text: str | None) -> None:
    path = record(locked)
    path.unlink()
    if text is not None:
        path.write_text(text)
    assert look(locked) is None
    assert locks(locked) == ["0.output.lock"]


def test_a_record_without_a_lock_is_no_matter(tmp_path: Path) -> None:
    taken_by_another(tmp_path)
    assert look(tmp_path) is None


def test_ones_own_lock_is_no_news(locked: Path) -> None:
    record(locked).unlink()
    take(locked)
    assert look(locked) is None
    assert locks(locked) == ["0.output.lock"]
