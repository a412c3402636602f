"""Commands as a person types them.

The runs of most tests are copies of a process that has imported Snakemake (`warm_snakemake`). Typed
to the letter are those that are killed, have few processors, or stand in the documentation.
"""

from __future__ import annotations

import atexit
import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from matrix_entropy.running import asking, workers
from warm_snakemake import Snakemake

SNAKEMAKE = [sys.executable, "-m", "snakemake"]
# None of a command's business: its test, and what torch sets when it is imported. Jobs of one
# environment share what they import.
OF_THIS_PROCESS = {"PYTEST_CURRENT_TEST", "KMP_DUPLICATE_LIB_OK", "TORCHINDUCTOR_CACHE_DIR"}
# Leads to the folder of the run that was typed last.
CACHES = Path(tempfile.gettempdir(), f"caches_of_{os.getpid()}")
atexit.register(CACHES.unlink, missing_ok=True)


def snakemake(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Call snakemake in the repository, with empty hub caches."""
    return _called(root, _command(*arguments), _environment() | _caches())


def snakemake_for(
    root: Path, folder: Path, *arguments: str, hub: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Call it for a user's folder, which has a mine.yaml and perhaps a hub cache of its own.

    With the address of a hub it may be asked, otherwise there is no network.
    """
    command, environment = command_for(folder, *arguments)
    if hub is not None:
        environment |= {"HF_ENDPOINT": hub, "HF_HUB_OFFLINE": "0"}
    return _called(root, command, environment)


def command_for(folder: Path, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """The command for a user's folder, to be run in the repository, and its environment."""
    mine = ("--directory", str(folder), "--configfile", str(folder / "mine.yaml"))
    return _command(*arguments, *mine), _environment() | _caches(folder)


def with_changes(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The configuration with values put at dotted paths; None takes a key away."""
    for path, value in changes.items():
        *parts, last = path.split(".")
        entry = config
        for part in parts:
            entry = entry[part]
        entry[last] = value
        if value is None:
            del entry[last]
    return config


def check_refusal(
    done: subprocess.CompletedProcess[str], folder: Path, target: str, told: list[str]
) -> None:
    """A run has ended with a sentence that says all this, and nothing half-written.

    Of a run with `--keep-going`, each target can be looked at by itself.
    """
    assert done.returncode != 0
    for words in told:
        assert words in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert not (folder / target).exists()
    assert not list(folder.rglob("*.part*"))


def _caches(folder: Path | None = None) -> dict[str, str]:
    # By one name for all folders, so that the environment is the same.
    CACHES.unlink(missing_ok=True)
    if folder is not None:
        CACHES.symlink_to(folder)
    return {"HF_HUB_CACHE": str(CACHES / "hub"), "HF_DATASETS_CACHE": str(CACHES / "datasets")}


def _command(*arguments: str) -> list[str]:
    return [*SNAKEMAKE, "--cores", "2", *arguments]


def _environment() -> dict[str, str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if name not in OF_THIS_PROCESS}
    return kept | {"PATH": path}


def _called(
    root: Path, command: list[str], environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    # Jobs of all runs of these tests are copies of one process, which imports torch once.
    environment |= _warm(root, tuple(sorted(environment.items())))
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as out,
        tempfile.TemporaryFile("w+", encoding="utf-8") as err,
    ):
        arguments = command[len(SNAKEMAKE) :]
        status = _snakemake().run(arguments, str(root), environment, [out, err], timeout=1800)
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(command, status, out.read(), err.read())


@functools.cache
def _snakemake() -> Snakemake:
    return Snakemake()


class Warm(NamedTuple):
    """A process of which the jobs of runs are copies, and what tells them so."""

    begun: list[subprocess.Popen[bytes]]  # none where jobs do without
    told: dict[str, str]

    def end(self) -> None:
        for server in self.begun:
            server.communicate()


# By repository and environment, the last one last.
_WARM: dict[tuple[Path, tuple[tuple[str, str], ...]], Warm] = {}


def _warm(root: Path, environment: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Where jobs of a run in this environment may ask for a copy, if they may."""
    warm = _WARM.pop((root, environment), None) or _begun(root, dict(environment))
    _WARM[root, environment] = warm
    if len(_WARM) > 3:  # as many as the tests of a file change between
        _WARM.pop(next(iter(_WARM))).end()
    return warm.told


def _begun(root: Path, run: dict[str, str]) -> Warm:
    of_jobs = {
        "PATH": f"{Path(sys.executable).parent}:{run['PATH']}",
        "PYTHONPATH": ":".join(filter(None, [str(root / "src"), run.get("PYTHONPATH")])),
    }
    begun: list[subprocess.Popen[bytes]] = []
    with (
        mock.patch.dict(os.environ, run | of_jobs, clear=True),
        mock.patch.object(workers, "_begun", begun),
    ):
        # The first of several jobs that need a library does not keep it to itself.
        workers.begin([*(root / "workflow/scripts").rglob("*.py")] * 2)
        told = {name: os.environ[name] for name in (asking.SOCKET,) if name in os.environ}
    return Warm(begun, told)


def _end() -> None:
    for warm in _WARM.values():
        warm.end()


atexit.register(_end)
