"""The GPUs of a job: so many as it was given, and on one machine none that another job holds.

A cluster shows a job only its own. Where Snakemake runs jobs itself, every job sees all of them, so
each takes a lock per GPU, which the system frees when the job ends, however it ends.
"""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
import time
from pathlib import Path
from typing import IO

from matrix_entropy.errors import InputError

log = logging.getLogger("matrix_entropy")

# Open for as long as the process lives: closing a file gives its lock back.
_held: list[IO[str]] = []


def visible(count: int) -> list[str]:
    """Names of the GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` has them.

    ``count`` is how many the driver shows.

    Examples
    --------
    >>> visible(0)
    []
    """
    stated = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = stated.split(",") if stated is not None else map(str, range(count))
    return [name.strip() for name in names if name.strip()][:count]


def take(gpus: int, count: int, folder: Path | None = None) -> None:
    """Let this process and those it starts see so many GPUs that no other job has.

    Waits while others hold them. Where the driver shows none, the job goes on without, and says so.

    Parameters
    ----------
    gpus : int
        The job's resource ``gpu``; with 0 nothing is taken, and what the machine shows is used.
    count : int
        GPUs that the driver shows.
    folder : Path, optional
        Where the locks are; by default one for all runs of this user on this machine.

    Raises
    ------
    InputError
        If there are fewer than asked for.
    """
    names = visible(count)
    if not gpus:
        return
    if not names:
        log.warning("the job was given %d GPUs, but none is seen here: it runs on the CPU", gpus)
        return
    if len(names) < gpus:
        raise InputError(
            f"the job asks for {gpus} GPUs (resource `gpu`), but this machine shows {len(names)}; "
            "lower it with `--set-resources`."
        )
    folder = folder or Path(tempfile.gettempdir()) / f"matrix_entropy_gpus_{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    while True:
        taken = [name for name in names if len(_held) < gpus and _locked(folder / name)]
        if len(taken) == gpus:
            break
        # All or none, so that two jobs never wait for each other.
        while _held:
            _held.pop().close()
        time.sleep(1)
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(taken)


def _locked(path: Path) -> bool:
    stream = open(path, "a")  # noqa: SIM115 (held until the process ends)
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        stream.close()
        return False
    _held.append(stream)
    return True
