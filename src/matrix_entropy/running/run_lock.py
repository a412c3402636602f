"""Who works in a folder, so that the lock of a run that was killed does not stay for ever.

Snakemake locks the files of a run as long as it lasts, and a run that is killed leaves its locks.
In `RECORDS` stands the process of every run, of which there may be several with different files,
from before it locks any: the next run sees whether one lives.
"""

from __future__ import annotations

import atexit
import shutil
import socket
import time
from pathlib import Path
from typing import Any

import psutil

from matrix_entropy.base.files import read_json, write_json

LOCKS = Path(".snakemake/locks")
RECORDS = Path(".snakemake/runs")


def take(folder: Path = Path()) -> None:
    """Record this process as one that works in a folder; the record goes when it ends.

    Where its end was disturbed the lock is still there, and the record stays as that of the dead.
    """
    folder, mine = folder.absolute(), _this_process()
    record = folder / RECORDS / f"{mine['host']}-{mine['process']}.json"
    write_json(record, mine)

    def give_back() -> None:
        locked = any((folder / LOCKS).glob("*.lock"))
        if not locked or any(map(_lives_here, _others(folder))):
            record.unlink(missing_ok=True)

    atexit.register(give_back)


def clear(folder: Path = Path()) -> str | None:
    """A sentence about the last run, if it has left a lock that is removed now because it is dead.

    On another host nobody can see whether a process lives, so its lock stays until a person
    removes it.
    """
    runs = _others(folder)
    here = [run for run in runs if run["host"] == socket.gethostname()]
    locked = any((folder / LOCKS).glob("*.lock"))
    if not locked or not runs or here != runs or any(map(_lives_here, here)):
        return None
    shutil.rmtree(folder / LOCKS)
    (folder / LOCKS).mkdir()
    shutil.rmtree(folder / RECORDS)
    last = max(runs, key=lambda run: float(run["started"]))
    return f"The last run in this folder ({_called(last)}) was killed: its lock is removed."


def holder(folder: Path = Path()) -> str | None:
    """A sentence about the run that has locked the files of this one; None if nobody knows which.

    It is for Snakemake's own, which advises to remove the lock, whoever holds it.
    """
    runs = _others(folder)
    living = [run for run in runs if _lives_here(run)]
    if living:
        called = " or ".join(map(_called, living))
        return (
            f"Another run is at work on the same files in this folder ({called}): wait for it, or "
            "end it, and run again."
        )
    for run in runs:
        if run["host"] != socket.gethostname():
            return (
                f"Another run is at work on the same files in this folder ({_called(run)}): wait "
                "for it, or, if you know that it has ended there, remove its lock with `snakemake "
                f"--unlock`, delete {RECORDS} and run again."
            )
    return None


def _others(folder: Path) -> list[dict[str, Any]]:
    return [run for run in _recorded(folder) if run != _this_process()]


def _recorded(folder: Path) -> list[dict[str, Any]]:
    found = []
    for path in sorted((folder / RECORDS).glob("*.json")):
        try:
            found.append(read_json(path))
        except (OSError, ValueError):  # taken away meanwhile, or cut short, which says nothing
            continue
    return found


def _called(run: dict[str, Any]) -> str:
    return f"process {run['process']} on {run['host']}, since {run['since']}"


def _this_process() -> dict[str, Any]:
    process = psutil.Process()
    started = process.create_time()
    return {
        "host": socket.gethostname(),
        "process": process.pid,
        # Ids of processes are given anew, with another time.
        "started": started,
        "since": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(started)),
    }


def _lives_here(found: dict[str, Any]) -> bool:
    if found["host"] != socket.gethostname():
        return False
    try:
        process = psutil.Process(found["process"])
        # A second, since the time since 1970 is reckoned from that of the machine's start.
        same = abs(process.create_time() - found["started"]) < 1
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
