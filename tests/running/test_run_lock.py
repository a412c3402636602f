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

from matrix_entropy.base.files import read_json, write_json
from matrix_entropy.running import run_lock
from matrix_entropy.running.run_lock import LOCKS, RECORDS, clear, holder, take


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    """A folder that Snakemake has locked for another process of this machine, which is dead."""
    (tmp_path / LOCKS).mkdir(parents=True)
    (tmp_path / LOCKS / "0.output.lock").write_text("results/a\n")
    taken_by_another(tmp_path)
    return tmp_path


def taker(folder: Path, then: str) -> dict[str, Any]:
    """A process that takes a folder and then does something, as `subprocess` wants it."""
    code = "import os, sys; from pathlib import Path;"
    code += "from matrix_entropy.running.run_lock import take;"
    code += f"take(Path(sys.argv[1])); {then}"
    library = str(Path(run_lock.__file__).parents[2])
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


def recorded(folder: Path) -> set[int]:
    """The processes on record."""
    return {read_json(path)["process"] for path in (folder / RECORDS).iterdir()}


def locks(folder: Path) -> list[str]:
    """What is locked."""
    return [path.name for path in (folder / LOCKS).iterdir()]


def test_the_lock_of_the_dead_is_removed_and_told_once(locked: Path) -> None:
    pid = read_json(record(locked))["process"]
    assert holder(locked) is None
    said = clear(locked)
    assert said is not None
    assert said.startswith(f"The last run in this folder (process {pid} on {socket.gethostname()},")
    assert said.endswith("was killed: its lock is removed.")
    assert locks(locked) == []
    assert clear(locked) is None


def test_an_id_that_another_process_has_by_now_is_no_life(locked: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        change(locked, process=other.pid, started=psutil.Process(other.pid).create_time() - 60)
        assert "was killed" in str(clear(locked))
        other.communicate(b"\n")


def test_the_lock_of_the_living_stays(locked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = read_json(record(locked))["process"]
    monkeypatch.chdir(locked)
    pipe = subprocess.PIPE
    waiting = taker(Path(), "print(flush=True); input(); os.chdir('/')")
    with subprocess.Popen(**waiting, stdin=pipe, stdout=pipe) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert clear() is None
        said = str(holder())
        assert f"(process {other.pid} on {socket.gethostname()}, since 20" in said
        assert "wait for it" in said
        assert "--unlock" not in said
        assert locks(locked) == ["0.output.lock"]
        # One that was refused gives its record back, and so does the first, but for its lock.
        subprocess.run(**taker(Path(), "os.chdir('/')"), check=True)
        assert recorded(locked) == {dead, other.pid}
        other.communicate(b"\n")
    assert recorded(locked) == {dead, other.pid}, "by whom the next run knows the lock"
    assert f"(process {other.pid} on" in str(clear())


def test_of_another_host_nothing_is_known_but_what_to_do(locked: Path) -> None:
    change(locked, host="login7")
    assert clear(locked) is None
    said = str(holder(locked))
    assert "on login7, since" in said
    assert "`snakemake --unlock`" in said
    assert locks(locked) == ["0.output.lock"]


@pytest.mark.parametrize("text", [None, "", "{", "half a rec"])
def test_without_a_whole_record_snakemake_speaks_for_itself(locked: Path, text: str | None) -> None:
    path = record(locked)
    path.unlink()
    if text is not None:
        path.write_text(text)
    assert clear(locked) is None
    assert holder(locked) is None
    assert locks(locked) == ["0.output.lock"]


def test_a_record_without_a_lock_is_no_matter(tmp_path: Path) -> None:
    taken_by_another(tmp_path)
    assert clear(tmp_path) is None


def test_ones_own_lock_is_no_news(locked: Path) -> None:
    record(locked).unlink()
    take(locked)
    assert clear(locked) is None
    assert holder(locked) is None
    assert locks(locked) == ["0.output.lock"]
