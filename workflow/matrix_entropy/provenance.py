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
