"""What every result carries: which model, which texts, which versions made it."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any


def described(record: dict[str, Any]) -> dict[str, Any]:
    """A resolved model's record without its folders, which differ from machine to machine."""
    return {key: value for key, value in record.items() if key not in ("folder", "adapter")}


def versions(*packages: str) -> dict[str, str]:
    """Versions of Python, of this project and of the packages named.

    Installed builds are named without their local part, which says how they were built only.
    """
    from matrix_entropy import __version__

    found = {name: version(name).split("+")[0] for name in packages}
    return {"python": platform.python_version(), "matrix_entropy": __version__, **found}


def untrained_record(name: str, base: dict[str, Any], seed: int) -> dict[str, Any]:
    """Record of an untrained model of a resolved model's architecture.

    `matrix_entropy.models.load_model` draws its weights from the seed. Id, commit and hashes are
    those of the model whose configuration is taken.
    """
    kept = ("id", "revision", "commit", "folder", "stand_in", "weights_sha256", "parameters")
    return {
        "model": name,
        "source": "untrained",
        **{key: base[key] for key in kept if key in base},
        "untrained_seed": seed,
    }
