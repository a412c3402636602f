"""A model as a Python user names it: an id of the hub, a folder, a GGUF file, or the module itself.

Files go the way that the workflow takes: resolved to a folder with a record of what it holds, a
GGUF file dequantised first, and loaded from there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from matrix_entropy.base.errors import InputError
from matrix_entropy.models.gguf_models import convert_gguf
from matrix_entropy.models.loading import Loaded, load_placed, load_tokenizer
from matrix_entropy.models.resolving import resolve_hub, resolve_path
from matrix_entropy.results.spectra_file import EPSILON
from matrix_entropy.sources.gguf_files import names_gguf
from matrix_entropy.sources.model_sizes import sizes_in_folder

Entry = dict[str, Any]

# An id of the hub, and one with a GGUF file of its repository behind it.
HUB = re.compile(r"(?P<hub>[\w.-]+(?:/[\w.-]+)?)")
GGUF_ON_HUB = re.compile(r"(?P<hub>[\w.-]+/[\w.-]+)/(?P<gguf>.+\.gguf)", re.IGNORECASE)


@dataclass(frozen=True)
class Wish:
    """How a model is to be loaded: what `measure` takes of that name."""

    tokenizer: Any = None
    dtype: str | None = None
    device: str | torch.device | None = None
    revision: str | None = None
    convert_weights: bool = False
    with_head: bool = True


@dataclass(frozen=True)
class Opened:
    """A model that is ready to run, its record, and how it runs (`dtype`, `layers`, `width`)."""

    loaded: Loaded
    record: Entry
    options: Entry


def opened(model: Any, wish: Wish, folder: Path) -> Opened:
    """A model that is ready to run; ``folder`` takes what has to be converted first.

    Raises
    ------
    InputError
        If it is not there, is no model, or cannot be loaded as wished.
    """
    if isinstance(model, torch.nn.Module):
        return _as_it_is(model, wish)
    if not isinstance(model, (str, Path)):
        raise InputError(
            f"model is {type(model).__name__}; give an id of the hub, a folder, a GGUF file, or a "
            "causal language model of transformers."
        )
    record = _resolved(str(model), wish, folder)
    sizes = sizes_in_folder(Path(record["folder"]))
    if len(sizes) < 2:
        raise InputError(f"model {model} does not say in its config.json how many blocks it has.")
    device = _device(wish.device)
    options = {
        **sizes,
        "dtype": _dtype(wish.dtype or "float32"),
        "device_map": "fit" if wish.device is None else "single" if device else "auto",
    }
    placed = load_placed(record, options, device or _best_device(), wish.with_head)
    tokenizer = wish.tokenizer or load_tokenizer(record)
    return Opened(Loaded(*placed, tokenizer), record, options)


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Switch dropout off while the block runs."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _as_it_is(model: torch.nn.Module, wish: Wish) -> Opened:
    """A module of the user's own, where it is and in its own type."""
    called = type(model).__name__
    if not isinstance(model, PreTrainedModel):
        raise InputError(
            f"model is a {called}, not a causal language model of transformers; load it with "
            "`AutoModelForCausalLM`, or give its folder."
        )
    if wish.tokenizer is None:
        raise InputError(f"model is a loaded {called}; give its `tokenizer` as well.")
    dtype = _dtype(model.dtype)
    if wish.dtype is not None and _dtype(wish.dtype) != dtype:
        raise InputError(
            f"model is a loaded {called} of {dtype}, not {_dtype(wish.dtype)}; convert it first, "
            "or leave `dtype` out."
        )
    device = next(model.parameters()).device
    if wish.device is not None and _device(wish.device) not in (device, device.type):
        raise InputError(
            f"model is a loaded {called} on {device}, not on {wish.device}; move it first, or "
            "leave `device` out."
        )
    came_from = model.name_or_path or called
    record = {"model": Path(came_from).name, "source": "loaded", "id": came_from}
    options = {"dtype": dtype, "width": int(model.config.get_text_config().hidden_size)}
    return Opened(Loaded(model, device, wish.tokenizer), record | {"stand_in": False}, options)


def _resolved(model: str, wish: Wish, folder: Path) -> Entry:
    """The record of a model in files, which are then on this machine."""
    path = Path(model).expanduser()
    entry = {"revision": wish.revision or "main", "convert_weights": wish.convert_weights}
    if names_gguf(model) and (path.is_file() or not GGUF_ON_HUB.fullmatch(model)):
        return convert_gguf(path.stem, {"path": str(path)}, None, folder / "model")
    if path.is_dir():
        return resolve_path(path.resolve().name, str(path), path)
    if found := GGUF_ON_HUB.fullmatch(model):
        return convert_gguf(Path(model).stem, entry | found.groupdict(), None, folder / "model")
    if path.is_file():
        raise InputError(
            f"{model} is a file, but no GGUF file by its name; give the folder of the model, with "
            "its config.json."
        )
    if HUB.fullmatch(model) and not model.startswith("."):
        name = model.rpartition("/")[2]
        return resolve_hub(name, entry | {"hub": model}, folder / "model")
    raise InputError(
        f"there is no model {model}: no such folder or file, and no id of the hub "
        "(`openai-community/gpt2`)."
    )


def _dtype(dtype: Any) -> str:
    """The name of a type, of torch or written out."""
    name = str(dtype).removeprefix("torch.")
    if name not in EPSILON:
        raise InputError(f"`dtype: {name}` is none of {', '.join(EPSILON)}; choose one of them.")
    return name


def _device(device: Any) -> torch.device | None:
    """The device of this name; None for ``auto``, which is all of them."""
    if device is None or device == "auto":
        return None
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError, TypeError):
        raise InputError(
            f"there is no device {device} here; leave `device` out to take what there is."
        ) from None
    return found


def _best_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
