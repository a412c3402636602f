"""The configuration of the folder that the command is typed in, as Snakemake would have it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.shipped import ROOT
from matrix_entropy.configuration.checking import checked
from matrix_entropy.configuration.files import check_files
from matrix_entropy.configuration.input_paths import check_input_paths
from matrix_entropy.configuration.papers import merged
from matrix_entropy.configuration.targets import chosen

CONFIG = Path("config.yaml")


def here(given: Sequence[Path] = ()) -> dict[str, Any]:
    """The configuration of this folder, checked; that of the papers, if the folder has none.

    ``given`` are further files, each merged over those before it, as ``--configfile`` takes them.

    Raises
    ------
    InputError
        If a file cannot be read, or the configuration is wrong.
    """
    own = CONFIG if CONFIG.is_file() else ROOT / CONFIG
    config: dict[str, Any] = {}
    check_files(own, given)
    for path in (own, *given):
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        if not isinstance(found, dict):
            raise InputError(f"configuration: {path} is no mapping (key: value lines); correct it.")
        config = merged(config, found)
    found = checked(config)
    chosen(found)
    check_input_paths(found, ROOT, Path())
    return found
