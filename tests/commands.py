"""Commands as a person types them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def snakemake(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Call snakemake in the repository."""
    return _called(root, _command(*arguments), _environment())


def snakemake_for(
    root: Path, folder: Path, *arguments: str, hub: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Call it for a user's folder, which has a mine.yaml and perhaps a hub cache of its own.

    With the address of a hub it may be asked, otherwise there is no network.
    """
    command, environment = command_for(folder, *arguments)
    online = {} if hub is None else {"HF_ENDPOINT": hub, "HF_HUB_OFFLINE": "0"}
    return _called(root, command, environment | online)


def command_for(folder: Path, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """The command for a user's folder, to be run in the repository, and its environment."""
    mine = ("--directory", str(folder), "--configfile", str(folder / "mine.yaml"))
    caches = {"HF_HUB_CACHE": str(folder / "hub"), "HF_DATASETS_CACHE": str(folder / "datasets")}
    return _command(*arguments, *mine), _environment() | caches


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
    """A run has ended with a sentence that says all this, and nothing half-written."""
    assert done.returncode != 0
    for words in told:
        assert words in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert not (folder / target).exists()
    assert not list(folder.rglob("*.part*"))


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]


def _environment() -> dict[str, str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return dict(os.environ) | {"PATH": path}


def _called(
    root: Path, command: list[str], environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=root, capture_output=True, text=True, timeout=1800, env=environment
    )
