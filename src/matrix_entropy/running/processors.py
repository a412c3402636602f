"""How many processors this process may use, and that a job starts no more threads than that.

Snakemake gives a job the threads that a person's ``--cores`` allow, which may be more than the
machine has, or than a container or a batch system lets this process use. Threads beyond those wait
for each other: eight on two processors run a model at a tenth of the speed of two.

`running.start` imports this before the libraries that read the variables, so it imports
little.
"""

from __future__ import annotations

import os
from pathlib import Path

# What numerical libraries, Arrow and the tokenizers read when they start: Snakemake sets the first
# five to a job's threads.
VARIABLES = (
    "OMP_NUM_THREADS",
    "GOTO_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
    "RAYON_NUM_THREADS",
)
# Where version 1 of the control groups keeps quotas; version 2 has all in one tree.
QUOTA_FOLDERS = ("cpu", "cpu,cpuacct")


def usable(root: Path = Path("/")) -> int:
    """Processors that this process may use: of its affinity, and no more than its quota.

    Of a quota the whole processors count (one at least): of two threads on one and a half
    processors, both are stopped for a quarter of the time, at different moments, and wait for each
    other.

    Parameters
    ----------
    root : Path
        Where ``proc`` and ``sys`` are, for tests.
    """
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, int(min(here or 1, quota(root))))


def allowed(threads: int) -> int:
    """The threads of a job, as far as there are processors for them."""
    return min(threads, usable())


def variables(threads: int) -> dict[str, str]:
    """Environment variables that let libraries start so many threads."""
    return dict.fromkeys(VARIABLES, str(threads))


def limit() -> None:
    """Set the variables of this process, and of those it starts, to the threads it may have.

    These are what ``OMP_NUM_THREADS`` says, or all that are usable if it says nothing.
    """
    stated = os.environ.get("OMP_NUM_THREADS", "")
    os.environ.update(variables(allowed(int(stated)) if stated.isdecimal() else usable()))


def quota(root: Path = Path("/")) -> float:
    """Processors that control groups let this process use at a time; infinite without a limit.

    The least of its own group's and of all groups around it, of either version.
    """
    groups = root / "sys/fs/cgroup"
    found = [float("inf")]
    for line in _read(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0":  # version 2
            found += [_of_version_2(folder) for folder in _around(groups, path)]
        elif "cpu" in controllers.split(","):
            for name in QUOTA_FOLDERS:
                found += [_of_version_1(folder) for folder in _around(groups / name, path)]
    return min(found)


def _around(top: Path, path: str) -> list[Path]:
    """The folder of a group and those around it, to the top; a container may show the top alone."""
    inner = (top / path.lstrip("/")).resolve()
    around = [inner, *inner.parents]
    return [folder for folder in around if folder.is_relative_to(top.resolve())] or [top]


def _of_version_2(folder: Path) -> float:
    most, _, period = _read(folder / "cpu.max").partition(" ")
    return _share(most, period)


def _of_version_1(folder: Path) -> float:
    return _share(_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us"))


def _share(most: str, period: str) -> float:
    """Microseconds of work in so many of time: "max", "-1" or nothing is no limit."""
    most, period = most.strip(), period.strip()
    if not (most.isdecimal() and period.isdecimal()) or int(period) == 0:
        return float("inf")
    return int(most) / int(period)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
