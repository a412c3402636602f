"""Who works in a folder, so that the lock of a run that was killed does not stay for ever.

Snakemake locks the files of a run as long as it lasts, and a run that is killed leaves its locks.
In `RECORDS` stands the process of every run, of which there may be several with different files:
the next run sees whether any lives.
"""

from __future__ import annotations

import atexit
import shutil
import socket
import time
from pathlib import Path
from typing import Any

import psutil

from matrix_entropy.files import read_json, write_json

LOCKS = Path(".snakemake/locks")
RECORDS = Path(".snakemake/runs")


def take(folder: Path = Path()) -> None:
    """Record this process as one that works in a folder; the record goes when it ends."""
    mine = _this_process()
    record = (folder / RECORDS / f"{mine['host']}-{mine['process']}.json").absolute()
    write_json(record, mine)
    atexit.register(record.unlink, missing_ok=True)


def look(folder: Path = Path()) -> str | None:
    """A sentence about the run that has locked a folder, after its lock is removed if it is dead.

    None if nobody has, or nobody knows who. On another host nobody can see whether a process
    lives, so its lock stays until a person removes it.
    """
    if not any((folder / LOCKS).glob("*.lock")):
        return None
    runs = [run for run in _recorded(folder) if run != _this_process()]
    here = [run for run in runs if run["host"] == socket.gethostname()]
    for run in here:
        if _lives(run):
            return (
                f"A run is at work in this folder ({_called(run)}): wait for it, or end it, and "
                "run again."
            )
    for run in runs:
        if run not in here:
            return (
                f"A run is at work in this folder ({_called(run)}): wait for it, or, if you know "
                "that it has ended there, remove its lock with `snakemake --unlock`, delete "
                f"{RECORDS} and run again."
            )
    if not runs:
        return None
    shutil.rmtree(folder / LOCKS)
    (folder / LOCKS).mkdir()
    shutil.rmtree(folder / RECORDS)
    last = max(runs, key=lambda run: float(run["started"]))
    return f"The last run in this folder ({_called(last)}) was killed: its lock is removed."


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


def _lives(found: dict[str, Any]) -> bool:
    try:
        process = psutil.Process(found["process"])
        # A second, since the time since 1970 is reckoned from that of the machine's start.
        same = abs(process.create_time() - found["started"]) < 1
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
