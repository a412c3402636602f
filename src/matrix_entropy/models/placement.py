"""Whether a model fits on one device, and so how many processes share a job's devices."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from safetensors import safe_open

from matrix_entropy.base.files import read_json
from matrix_entropy.models.loading_errors import explaining

# Beside the weights a device holds a batch's activations and the library's own buffers.
MARGIN, RESERVE = 1.2, 2**31
BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}  # of a number


def parameter_count(folder: Path) -> int:
    """Number of values in a model folder's safetensors files, from their headers alone."""
    index = folder / "model.safetensors.index.json"
    # A folder may hold the same weights a second time, in one file or under another name.
    if index.is_file():
        names = set(read_json(index)["weight_map"].values())
    elif (folder / "model.safetensors").is_file():
        names = {"model.safetensors"}
    else:
        names = {path.name for path in folder.glob("*.safetensors")}
    count = 0
    for path in sorted(folder / name for name in names):
        with safe_open(path, framework="numpy") as tensors:
            for name in tensors.keys():  # noqa: SIM118 (no mapping)
                count += math.prod(tensors.get_slice(name).get_shape())
    return count


def needed_bytes(parameters: int, dtype: str) -> int:
    """Memory that a device needs to run a model: 1.2 times its weights, and 2 GiB.

    Examples
    --------
    >>> needed_bytes(13_000_000_000, "float16") / 2**30 < 40
    True
    """
    return int(MARGIN * BYTES[dtype] * parameters) + RESERVE


def is_spread(folder: Path, options: dict[str, Any], device_bytes: int | None) -> bool:
    """Whether a model goes over all devices (``device_map: auto``) or as a whole onto each.

    Parameters
    ----------
    folder : Path
        Where the model's weights are.
    options : dict
        Its entry in the configuration: ``dtype`` and ``device_map``, of which ``single`` and
        ``auto`` decide by themselves and ``fit`` by the memory.
    device_bytes : int, optional
        Memory of one device; None without any, where there is nothing to spread over.
    """
    if options["device_map"] != "fit":
        return bool(options["device_map"] == "auto")
    if device_bytes is None:
        return False
    with explaining("the model", folder):
        return needed_bytes(parameter_count(folder), options["dtype"]) > device_bytes


def shared_out(spread: bool, gpus: int, processes: int) -> int:
    """Processes of a job: one for a model over all devices, else one a GPU, or as many as stated.

    Examples
    --------
    >>> shared_out(False, 4, 1), shared_out(True, 4, 1), shared_out(False, 0, 2)
    (4, 1, 2)
    """
    return 1 if spread else gpus or processes
