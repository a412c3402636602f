"""How a script speaks: to its log file and to the person who waits, one sentence on bad input."""

from __future__ import annotations

import errno
import gc
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from matrix_entropy.errors import InputError


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


@contextmanager
def job(log_path: str | Path) -> Iterator[logging.Logger]:
    """Run a script's work: log into ``log_path`` and to stderr, end on bad input with status 1."""
    # What was imported is never garbage. Set aside, it is not looked at again, at the end least of
    # all, which saves a job with torch most of a second.
    gc.freeze()
    gc.enable()
    Path(log_path).parent.mkdir(parents=True, exist_ok=True)
    logger = logging.getLogger("matrix_entropy")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    file = logging.FileHandler(log_path, mode="w", encoding="utf-8")
    logger.handlers = [file, logging.StreamHandler(sys.stderr)]
    try:
        yield logger
    except InputError as error:
        logger.error("error: %s", error)
        raise SystemExit(1) from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            logger.exception("failed")
            raise
        where = f" while writing {error.filename}" if error.filename else ""
        logger.error("error: the disk is full (or a quota)%s; free space and run again.", where)
        raise SystemExit(1) from None
    except Exception:
        logger.exception("failed")
        raise
    finally:
        file.close()
