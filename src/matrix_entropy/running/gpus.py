"""The GPUs of a job: so many as it was given, and on one machine none that another job holds.

A cluster shows a job only its own. Where Snakemake runs jobs itself, every job sees all of them, so
each takes a lock per GPU, which the system frees when the job ends, however it ends.
"""

from __future__ import annotations

import fcntl
import functools
import logging
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from matrix_entropy.base.errors import InputError

log = logging.getLogger("matrix_entropy")

# There where a driver is.
NVIDIA = "/dev/nvidiactl"

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


@functools.cache
def seen() -> int:
    """How many GPUs jobs on this machine may use, as the driver says; torch is not imported."""
    return len(memories()) if Path(NVIDIA).exists() else 0


def unusable(driver: dict[str, str], cuda: str | None) -> str:
    """Why torch sees none of the GPUs that the driver shows; nothing if none is shown or meant.

    ``driver`` has the driver's version for every GPU, ``cuda`` the version that torch is built for.

    Examples
    --------
    >>> unusable({}, "13.0")
    ''
    """
    if not visible(len(driver)) or os.environ.get("CUDA_VISIBLE_DEVICES") == "-1":
        return ""
    if cuda is None:
        return "torch is built without CUDA; install one that is built with it"
    version = next(iter(driver.values()))
    return (
        f"torch is built for CUDA {cuda}, and the driver is {version}: update the driver, or "
        "install a torch that is built for an older CUDA"
    )


def lacks_code(capability: tuple[int, int], built: Iterable[str]) -> bool:
    """Whether torch is built for none of the architectures that a GPU runs.

    A GPU runs code for its own major version up to its minor one, and compiles all older
    instructions (``compute_``) for itself.

    Examples
    --------
    >>> built = ["sm_75", "sm_80", "sm_90", "sm_90a", "sm_120", "compute_120"]
    >>> lacks_code((6, 1), built), lacks_code((8, 9), built), lacks_code((12, 1), built)
    (True, False, False)
    >>> lacks_code((13, 0), built), lacks_code((10, 0), built), lacks_code((9, 0), ["gfx90a"])
    (False, True, False)
    """
    found = [re.fullmatch(r"(sm|compute)_(\d+)(\d)", name) for name in built]
    codes = [(code[1], (int(code[2]), int(code[3]))) for code in found if code]
    return bool(codes) and not any(
        version <= capability and (kind == "compute" or version[0] == capability[0])
        for kind, version in codes
    )


def why_not() -> str:
    """Why torch cannot use the GPUs that this process may; nothing if it can, or none is meant."""
    import torch  # only where there may be a device to ask

    if not torch.cuda.is_available():
        return unusable(_told("driver_version"), torch.version.cuda)
    built = torch.cuda.get_arch_list()
    for number in range(torch.cuda.device_count()):
        capability = torch.cuda.get_device_capability(number)
        if lacks_code(capability, built):
            return (
                f"torch is built for {', '.join(built)}, and {torch.cuda.get_device_name(number)} "
                f"is sm_{capability[0]}{capability[1]}: install a torch that is built for it, or "
                "leave the work to the CPU (`CUDA_VISIBLE_DEVICES=` before the command)"
            )
    return ""


def why_not_without_torch() -> str:
    """The same for a process that is not to import torch; nothing if no Python can tell here."""
    question = f"from {__name__} import why_not; print(why_not())"
    asked = [sys.executable, "-c", question]
    return subprocess.run(asked, capture_output=True, text=True).stdout.strip()


def take(gpus: int, count: int | None = None, folder: Path | None = None) -> None:
    """Let this process and those it starts see so many GPUs that no other job has.

    Waits while others hold them. Where the driver shows none, or is none for this torch, the job
    goes on without, and says so.

    Parameters
    ----------
    gpus : int
        The job's resource ``gpu``; with 0 nothing is taken, and the first that is seen is used.
    count : int, optional
        GPUs that the driver shows; by default torch is asked.
    folder : Path, optional
        Where the locks are; by default one for all runs of this user on this machine.

    Raises
    ------
    InputError
        If there are fewer than asked for, or torch is not built for them.
    """
    _choose(gpus, count, folder)
    # Not before: with this question the GPUs that a process sees are settled.
    if Path(NVIDIA).exists() and (why := why_not()):
        import torch

        if torch.cuda.is_available():  # and would be used
            raise InputError(f"the job cannot use the GPU of this machine: {why}.")
        log.warning("this machine has a GPU that the job cannot use: %s", why)


def _choose(gpus: int, count: int | None, folder: Path | None) -> None:
    if count is None:
        import torch

        count = torch.cuda.device_count()  # by the driver's library, which settles nothing
    names = visible(count)
    if not gpus:
        if names:
            os.environ["CUDA_VISIBLE_DEVICES"] = names[0]
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
    if folder.lstat().st_uid != os.getuid():
        raise InputError(f"{folder} belongs to somebody else: remove it, or set TMPDIR.")
    cards = _cards()
    waited = False
    while True:
        taken = [
            name for name in names if len(_held) < gpus and _locked(folder / cards.get(name, name))
        ]
        if len(taken) == gpus:
            break
        # All or none, so that two jobs never wait for each other.
        while _held:
            _held.pop().close()
        if not waited:
            log.info("waiting for %d of the GPUs %s, which other jobs hold", gpus, ", ".join(names))
            waited = True
        time.sleep(1)
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(taken)


def memories() -> list[int]:
    """Bytes of memory of every GPU that this process may use, as the driver says."""
    stated = {index: said for index, said in _told("memory.total").items() if said.isdigit()}
    shown = visible(len(stated))
    # A GPU may be named by its number or by what tells it from others.
    stated |= {name: stated[index] for index, name in _cards().items() if index in stated}
    return [int(stated[name]) * 2**20 for name in shown if name in stated]


def _cards() -> dict[str, str]:
    """Names that tell cards apart, by index: a cluster may show each job its own as number 0."""
    return _told("uuid")


def _told(what: str) -> dict[str, str]:
    """What the driver says of every GPU, by index; nothing where there is none."""
    question = ["nvidia-smi", f"--query-gpu=index,{what}", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(question, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return {}
    return dict(line.split(", ") for line in said.splitlines() if ", " in line)


def _locked(path: Path) -> bool:
    stream = open(path, "a")  # noqa: SIM115 (held until the process ends)
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        stream.close()
        return False
    _held.append(stream)
    return True
