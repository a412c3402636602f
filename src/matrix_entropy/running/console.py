"""How a script speaks: to its log file and to the person who waits, one sentence on bad input."""

from __future__ import annotations

import fcntl
import gc
import logging
import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import is_full_disk
from matrix_entropy.running import asking

# Of `ru_maxrss`, which is in bytes on macOS and in KiB elsewhere.
UNITS_PER_MIB = 2**20 if sys.platform == "darwin" else 2**10


def progress(total: int, unit: str, name: str, show: bool = True) -> Any:
    """A progress bar on stderr, which in a log file adds a line every half minute only."""
    return tqdm(
        total=total,
        unit=unit,
        desc=name,
        unit_scale=total > 10_000,
        disable=not show,
        mininterval=1.0 if sys.stderr.isatty() else 30.0,
    )


class LogFile(logging.FileHandler):
    """A log file that drops lines when the disk is full; they still appear on stderr."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Say nothing of a full disk: the line itself does."""
        if not is_full_disk(sys.exception() or Exception()):
            super().handleError(record)

    def close(self) -> None:
        """Close the file, though there may be no room for its last line."""
        with suppress(OSError):
            super().close()


def _alone(log: IO[str]) -> bool:
    """Whether no other process is at the same job; from now on another will see this one.

    A run that is killed may leave jobs that go on, and two would write the same files.
    """
    if "LOCAL_RANK" in os.environ:  # several processes of one job, whose launcher holds the lock
        return True
    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


@contextmanager
def job(log_path: str | Path, mode: str = "w") -> Iterator[logging.Logger]:
    """Run a script's work: log into ``log_path`` and to stderr, end on bad input with status 1.

    The log alone ends with the time until the work began, the whole time, that of processors, which
    does not depend on what else they do, and the peak memory. With ``mode`` "a" it goes on behind
    what an earlier part of the script has written.
    """
    began = time.monotonic() - asking.CREATED
    # What was imported is never garbage. Set aside, it is not looked at again, at the end least of
    # all, which saves a job with torch most of a second.
    gc.freeze()
    gc.enable()
    Path(log_path).parent.mkdir(parents=True, exist_ok=True)
    logger = logging.getLogger("matrix_entropy")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    file = LogFile(log_path, mode="a", encoding="utf-8")
    assert file.stream is not None
    if not _alone(file.stream):
        print(
            f"error: another process is still at the job of {log_path}, of another run or left "
            "over from one that was killed: wait for it, or end it, and run again.",
            file=sys.stderr,
        )
        file.close()
        raise SystemExit(1)
    if mode == "w":
        file.stream.truncate(0)
    logger.handlers = [file, logging.StreamHandler(sys.stderr)]
    try:
        yield logger
    except InputError as error:
        logger.error("error: %s", error)
        raise SystemExit(1) from None
    except Exception as error:
        if not is_full_disk(error):
            logger.exception("failed")
            raise
        name = getattr(error, "filename", None)
        where = f" while writing {name}" if name else ""
        logger.error("error: the disk is full (or a quota)%s; free space and run again.", where)
        raise SystemExit(1) from None
    finally:
        whole = time.monotonic() - asking.CREATED
        times, peak = os.times(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / UNITS_PER_MIB
        used = times.user + times.system + times.children_user + times.children_system
        file.close()
        with suppress(OSError), open(log_path, "a", encoding="utf-8") as end:
            end.write(
                f"{began:.2f} of {whole:.2f} s to start, {used:.2f} s of processors, "
                f"{peak:.0f} MiB at the peak\n"
            )
