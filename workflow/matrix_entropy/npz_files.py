"""Arrays and provenance of a result in one ``.npz``: nothing is pickled, damage is told."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from matrix_entropy.errors import InputError
from matrix_entropy.files import writing
from matrix_entropy.intermediates import check_place
from matrix_entropy.state_files import DAMAGED


def save_npz(path: str | Path, values: dict[str, Any]) -> None:
    """Write arrays, texts and numbers under their names, and ``provenance``, which is a dict."""
    arrays: dict[str, Any] = {name: np.asarray(value) for name, value in values.items()}
    arrays["provenance"] = np.array(json.dumps(values["provenance"]))
    with writing(path) as temporary:
        np.savez(temporary, **arrays)


def load_npz(path: str | Path, names: Iterable[str]) -> dict[str, Any]:
    """Read what `save_npz` wrote; what was a single value is one again.

    Raises
    ------
    InputError
        If the file is damaged, or an older version wrote it without one of the names, or if it says
        that it is of another model or data set than its place.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            values: dict[str, Any] = {name: stored[name] for name in stored.files}
        if "provenance" in values:
            values["provenance"] = json.loads(values["provenance"].item())
    except DAMAGED as error:
        raise InputError(f"{path} is damaged ({error}); delete it and run again.") from None
    if missing := set(names) - set(values):
        raise InputError(
            f"{path} lacks {', '.join(sorted(missing))} (an older version wrote it); delete it and "
            "run again."
        )
    singles = {name for name, value in values.items() if np.ndim(value) == 0} - {"provenance"}
    values |= {name: values[name].item() for name in singles}
    check_place(path, values["provenance"])
    return values
