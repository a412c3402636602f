"""Ctrl-C: a run says one sentence, its jobs clear away what they have begun and say nothing.

A terminal sends it to Snakemake and to all its jobs. By themselves, both print where in their code
it met them, Snakemake also what then goes wrong as it takes down what its jobs still use.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

STOPPED = "Stopped. What is whole stays, and the same command goes on from there."
STOPPING = "Stopping: the jobs at work clear away what they have begun. Ctrl-C again kills them."
EVERY = 0.2  # seconds between two requests to a job that has not heard the first
# Before a job's command: Ctrl-C means nothing to it until it has called `job`.
UNHEARD = "trap '' INT; "


def quietly() -> None:
    """Let this process, if Ctrl-C ends it, say `STOPPED` and nothing else."""
    report, report_ignored = sys.excepthook, sys.unraisablehook

    def said(kind: type[BaseException], *error: Any) -> None:
        if issubclass(kind, KeyboardInterrupt):
            print(STOPPED, file=sys.stderr)
        else:
            report(kind, *error)

    def not_raised(found: Any) -> None:
        if not issubclass(found.exc_type, KeyboardInterrupt):
            report_ignored(found)

    sys.excepthook, sys.unraisablehook = said, not_raised


def with_its_jobs(finish: Callable[[], None]) -> None:
    """From now on let Ctrl-C end the jobs on this machine, and the run when they have ended.

    ``finish`` tells the scheduler to start no other; it waits for a lock that this thread may hold.
    """
    heard: list[int] = []

    def stop(number: int, _: Any) -> None:
        heard.append(number)
        if len(heard) == 1:
            print(STOPPING, file=sys.stderr)
            threading.Thread(target=end).start()

    def end() -> None:
        finish()
        while jobs := _in_this_group():
            for process in jobs:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGINT if len(heard) == 1 else signal.SIGKILL)
            time.sleep(EVERY)

    signal.signal(signal.SIGINT, stop)


def _in_this_group() -> list[int]:
    """Ids of what this process has started that a terminal's Ctrl-C reaches, and that still is."""
    import psutil  # not for every job

    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            gone = process.status() == psutil.STATUS_ZOMBIE
            if not gone and os.getpgid(process.pid) == os.getpgrp():
                found.append(process.pid)
    return found


def job() -> None:
    """Let Ctrl-C end this job by way of all that clears away, which another does not disturb."""

    def stop(number: int, _: Any) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.exit(128 + number)

    signal.signal(signal.SIGINT, stop)
