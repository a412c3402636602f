"""A job asks for a copy of a process with its libraries imported (`running.workers`).

Every job waits for this module, so it imports little.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from typing import Any

# Environment variable with the path of the socket to ask at.
SOCKET = "MATRIX_ENTROPY_WORKERS"
# Environment variable with what a run waits for, that its jobs see as it did (common.smk).
WAITING = "MATRIX_ENTROPY_WAITING"
# What a shell or Snakemake sets for each job, and no library reads while it is imported.
OF_A_JOB = {SOCKET, WAITING, "_", "SHLVL", "PWD", "OLDPWD", "TMPDIR", "TMP", "TEMP", "TEMPDIR"}
ALONE = b"alone"


def created() -> float:
    """When this process was made, on the clock of `time.monotonic`; without Linux, its time now."""
    if sys.platform != "linux":
        return time.monotonic()
    with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
        # The process's name, which may hold blanks and brackets, ends with the last bracket.
        ticks = int(file.read().rpartition(")")[2].split()[19])
    asleep = time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
    return ticks / os.sysconf("SC_CLK_TCK") - asleep


# In a copy, when its script's own process was made.
CREATED = created()


def conditions() -> dict[str, Any]:
    """What a job and the process that it is a copy of must have in common."""
    return {
        "python": [sys.prefix, sys.version],
        "flags": list(sys.flags),
        "warnings": sys.warnoptions,
        "session": os.getsid(0),
        "environment": {name: os.environ[name] for name in sorted({*os.environ} - OF_A_JOB)},
    }


def hand_over(path: str) -> None:
    """Have a copy run this script and end with its status; return where there is no such copy.

    Raises
    ------
    SystemExit
        With the copy's status, 128 + n if signal n has ended it.
    """
    asked = {
        "conditions": conditions(),
        "own": {name: os.environ[name] for name in sorted(OF_A_JOB & {*os.environ})},
        "argv": sys.argv,
        "path": sys.path,
        "folder": os.getcwd(),
        "group": os.getpgrp(),
        "created": CREATED,
    }
    with (
        socket.socket(socket.AF_UNIX) as connection,
        open(os.memfd_create("asked"), "w", encoding="utf-8") as file,
    ):
        json.dump(asked, file)
        file.flush()
        try:
            connection.connect(path)
            socket.send_fds(connection, [b"?"], [0, 1, 2, file.fileno()])
        except OSError:  # it has ended
            return
        # Ctrl-C reaches the copy as well, which ends in its own way.
        interrupted = signal.signal(signal.SIGINT, signal.SIG_IGN)
        answer = connection.recv(16)
        signal.signal(signal.SIGINT, interrupted)
    if answer != ALONE:
        sys.exit(int(answer) if answer else "error: this job's worker was ended; run again")
