"""What entries of the configuration mean."""

from __future__ import annotations

from typing import Any


def layers_of(model: dict[str, Any]) -> list[int | str]:
    """Layers to extract: 0 (embeddings), 1 ... L (after that block) and ``final``."""
    if model["extract"] == "all":
        return [*range(model["layers"] + 1), "final"]
    return list(model["extract"])


def panels_of(dataset: dict[str, Any], groups: list[str]) -> dict[str, list[str]]:
    """Groups that are drawn and compared together: as configured, else all in one panel."""
    return dict(dataset.get("panels") or {"": groups})
