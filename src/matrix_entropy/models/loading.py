"""Load a model from its folder as the configuration says; refuse what would run code."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

import torch
from accelerate import dispatch_model, infer_auto_device_map
from accelerate.utils import get_balanced_memory
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
)
from transformers.utils import logging

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import writing_folder
from matrix_entropy.models.adapters import with_adapter
from matrix_entropy.models.anatomy import decoder_of, stated_layers
from matrix_entropy.models.fresh_weights import fresh_model
from matrix_entropy.models.loaded_weights import REPORTING, check_weights
from matrix_entropy.models.loading_errors import explaining
from matrix_entropy.models.mapped_files import larger_than_memory
from matrix_entropy.models.placement import is_spread
from matrix_entropy.models.stated_numbers import check_numbers, check_stored
from matrix_entropy.sources.hub_models import PICKLED
from matrix_entropy.sources.model_files import check_recorded

# Jobs have bars of their own.
logging.disable_progress_bar()


class Loaded(NamedTuple):
    """A model where it runs, the device that its inputs go to, and its tokenizer."""

    model: Any
    device: torch.device
    tokenizer: Any


def _refuse_adapter(name: str, folder: Path) -> None:
    """Refuse what would make transformers load another model than the one in the folder."""
    if (folder / "adapter_config.json").exists():
        raise InputError(
            f"model '{name}': {folder} has an adapter_config.json, by which another model than the "
            "one in this folder would be loaded; merge the adapter into its model, save that, and "
            "give its `path:`."
        )


def convert(name: str, folder: Path, converted: Path) -> None:
    """Read the pickled weights with torch's ``weights_only`` reader and save safetensors."""
    if not list(folder.glob(PICKLED)):
        raise InputError(
            f"model '{name}' has weights neither in *.safetensors nor in {PICKLED} ({folder}); "
            "name a revision that has."
        )
    with larger_than_memory():
        model, report = from_folder(
            AutoModelForCausalLM,
            {"model": name, "folder": str(folder)},
            dtype="auto",
            use_safetensors=False,
            weights_only=True,
            **REPORTING,
        )
    check_weights(f"model '{name}'", model, report, decoder_of(model))
    # An output matrix that the pickle lacks is missing from the copy as well.
    weights = {k: w for k, w in model.state_dict().items() if k not in report["missing_keys"]}
    with writing_folder(converted) as part:
        model.save_pretrained(part, state_dict=weights)
        load_tokenizer({"model": name, "folder": str(folder)}).save_pretrained(part)


def load_tokenizer(record: dict[str, Any]) -> Any:
    """The tokenizer in a resolved model's folder; no remote code is run.

    Raises
    ------
    InputError
        If the folder holds no tokenizer: transformers would give an empty one without a word.
    """
    tokenizer = from_folder(AutoTokenizer, record)
    if len(tokenizer) < 2:
        raise InputError(
            f"model '{record['model']}' has no tokenizer in {record['folder']}; save one there "
            "with `save_pretrained` (for a hub model, make a local folder with both and give its "
            "`path:`)."
        )
    # Some settings are looked at with the first text only.
    with explaining(f"model '{record['model']}'", record["folder"]):
        tokenizer("a", add_special_tokens=False)
    return tokenizer


def load_model(
    record: dict[str, Any],
    layers: int,
    width: int,
    dtype: str,
    device_map: str | dict[str, torch.device] | None = None,
    with_head: bool = True,
) -> nn.Module:
    """The model that a record describes, in evaluation mode, of the stated dtype.

    That is the model in the record's folder, unless the record has

    - ``untrained_seed``: the architecture and size of the folder's model with fresh weights, drawn
      with the record's ``initializer_range``, or the folder's own. Its weights are not read.
    - ``adapter``: the folder of a LoRA adapter in peft's format, which is merged into the weights:
      hooks, module names and everything else then meet an ordinary model.

    Parameters
    ----------
    record : dict
        From `models.resolving`, `untrained_record` or a training.
    layers, width : int
        What the configuration states.
    dtype : str
        ``float32``, ``float16`` or ``bfloat16``. Always given: transformers would otherwise take
        the checkpoint's own.
    device_map : str or dict, optional
        ``auto`` spreads the model over the devices, ``{"": device}`` puts it onto one with no copy
        on the CPU (but for what is made here); None leaves it on the CPU, for the caller to move.
    with_head : bool
        Whether the output matrix is used. Without, its weights may be missing from the files; it
        is then random.

    Raises
    ------
    InputError
        If a folder is gone, the model needs remote code, layers or width differ, its files lack
        weights or have others (`models.loaded_weights`), or the adapter does not fit the
        model.
    """
    name = record["model"]
    config = from_folder(AutoConfig, record)
    with explaining(f"model '{name}'", record["folder"]):
        check_sizes(f"model '{name}'", config, layers, width)
        check_stored(f"model '{name}'", config, Path(record["folder"]))
    made_here = "untrained_seed" in record or "adapter" in record
    if "untrained_seed" in record:
        start = record.get("initializer_range")
        seed = record["untrained_seed"]
        with explaining(f"model '{name}'", record["folder"]):
            model = fresh_model(name, config, seed, getattr(torch, dtype), start)
    else:
        model, report = from_folder(
            AutoModelForCausalLM,
            record,
            dtype=getattr(torch, dtype),
            use_safetensors=True,
            **REPORTING,
            **({} if device_map is None or made_here else {"device_map": device_map}),
        )
        used = None if with_head else decoder_of(model)
        check_weights(f"model '{name}'", model, report, used)
    if "adapter" in record:
        model = with_adapter(model, record)
    if device_map == "auto" and made_here:
        model = spread(model, list(model._no_split_modules or []))
    return model.eval()


def check_sizes(called: str, config: Any, layers: int, width: int) -> None:
    """See that a (language) model's ``config`` has the layers and the width that are stated.

    Raises
    ------
    InputError
        If it has others; ``called`` is what the message calls the model.
    """
    text_config = config.get_text_config()
    for what, stated, found in (
        ("layers", layers, stated_layers(config)),
        ("width", width, getattr(text_config, "hidden_size", None)),
    ):
        if found is None:
            raise InputError(
                f"{called} states no `{what}:` in its config.json ({type(config).__name__}), so "
                "that it is no model of one stack of blocks; choose another one."
            )
        if stated != found:
            raise InputError(
                f"{called} has {what} {found}, but the configuration states {stated}; "
                f"write `{what}: {found}`."
            )


def load_placed(
    record: dict[str, Any],
    options: dict[str, Any],
    device: torch.device,
    with_head: bool = True,
) -> tuple[nn.Module, torch.device]:
    """A model where it is to run, and the device that its inputs go to.

    ``options`` are the model's entry in the configuration: with ``device_map: auto``, or ``fit``
    and not enough memory on ``device``, it is spread over all devices, else it goes to ``device``.

    Raises
    ------
    InputError
        See `load_model`.
    """
    memory = (
        torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else None
    )
    spread = is_spread(Path(record["folder"]), options, memory)
    # Straight onto a GPU: several processes would hold as many whole models on the CPU.
    onto = {"": device} if device.type == "cuda" else None
    model = load_model(
        record,
        options["layers"],
        options["width"],
        options["dtype"],
        "auto" if spread else onto,
        with_head,
    )
    if spread:
        return model, next(model.parameters()).device
    return model.to(device), device


def spread(model: Any, whole: list[str]) -> Any:
    """A model that was made on the CPU, spread over the devices as ``device_map: auto`` does.

    Modules of the classes named in ``whole`` stay on one device each.
    """
    model.tie_weights()
    limits = get_balanced_memory(model, no_split_module_classes=whole)
    # What does not fit on the devices stays on the CPU, where it already is.
    limits["cpu"] = sys.maxsize
    places = infer_auto_device_map(model, limits, no_split_module_classes=whole)
    return dispatch_model(model, places)


def from_folder(factory: Any, record: dict[str, Any], **options: Any) -> Any:
    """What a factory of transformers makes of a resolved model's folder; no remote code is run.

    Raises
    ------
    InputError
        If the folder is gone, names another model, holds other files than the record says, or
        cannot be loaded (`models.loading_errors`), or states numbers beyond reason.
    """
    folder, name = record["folder"], record["model"]
    if not os.path.isdir(folder):
        raise InputError(
            f"model '{name}': its folder {folder} is gone; delete results/models/{name}.json and "
            "run again."
        )
    _refuse_adapter(name, Path(folder))
    check_recorded(record, weights=options.get("use_safetensors", False))
    check_numbers(f"model '{name}'", Path(folder))
    with explaining(f"model '{name}'", folder):
        return factory.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True, **options
        )
