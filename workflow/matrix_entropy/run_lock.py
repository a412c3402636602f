"""Who works in a folder, so that the lock of a run that was killed does not stay for ever.

Snakemake locks the files of a run as long as it lasts, and a run that is killed leaves its locks.
Beside them stands `RECORD` with the process that took them: the next run sees whether it lives.
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
RECORD = Path(".snakemake/run.json")


def take(folder: Path = Path()) -> None:
    """Record this process as the one that works in a folder; the record goes when it ends."""
    mine = _this_process()
    write_json(folder / RECORD, mine)
    atexit.register(_give_back, (folder / RECORD).absolute(), mine)


def look(folder: Path = Path()) -> str | None:
    """A sentence about the run that has locked a folder, after its lock is removed if it is dead.

    None if nobody has, or nobody knows who. On another host nobody can see whether a process
    lives, so its lock stays until a person removes it.
    """
    locked = any((folder / LOCKS).glob("*.lock"))
    try:
        found = read_json(folder / RECORD) if locked else None
    except (OSError, ValueError):  # an earlier version has written none; one cut short says nothing
        found = None
    if found is None or found == _this_process():
        return None
    who = f"process {found['process']} on {found['host']}, since {found['since']}"
    if found["host"] != socket.gethostname():
        return (
            f"A run is at work in this folder ({who}): wait for it, or, if you know that it has "
            "ended there, remove its lock with `snakemake --unlock` and run again."
        )
    if _lives(found):
        return f"A run is at work in this folder ({who}): wait for it, or end it, and run again."
    shutil.rmtree(folder / LOCKS)
    (folder / LOCKS).mkdir()
    (folder / RECORD).unlink(missing_ok=True)
    return f"The last run in this folder ({who}) was killed: its lock is removed."


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


def _give_back(record: Path, mine: dict[str, Any]) -> None:
    try:
        if read_json(record) == mine:
            record.unlink()
    except (OSError, ValueError):  # taken away with the folder
        return
