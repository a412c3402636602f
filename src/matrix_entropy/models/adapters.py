"""LoRA adapters in peft's format, merged into the weights of the model that they belong to."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from safetensors import safe_open
from transformers import PreTrainedModel

from matrix_entropy.base.errors import InputError, first_line
from matrix_entropy.base.files import sha256
from matrix_entropy.models.loaded_weights import first_names
from matrix_entropy.sources.model_files import check_inside


def with_adapter(model: PreTrainedModel, record: dict[str, Any]) -> PreTrainedModel:
    """The model with ``W + (alpha / rank) B A`` in place of every weight that LoRA adapted.

    Parameters
    ----------
    model : PreTrainedModel
        The model of the record's ``folder``; it is changed.
    record : dict
        From `models.lora.train_lora`.

    Raises
    ------
    InputError
        If the adapter is gone, is not the one that was trained, or does not fit the model.
    """
    # A second that other models need not pay.
    from peft import PeftModel, get_peft_model_state_dict

    name, folder = record["model"], Path(record["adapter"])
    if not (folder / "adapter_model.safetensors").is_file():
        raise InputError(
            f"model '{name}': there is no adapter in {folder} any more; delete "
            f"results/models/{name}.json and run again."
        )
    check_inside(f"the adapter of model '{name}'", folder)
    for file, key in (
        ("adapter_model.safetensors", "adapter_sha256"),
        ("adapter_config.json", "adapter_config_sha256"),  # older records have none
    ):
        if key in record and sha256(folder / file) != record[key]:
            raise InputError(
                f"model '{name}': the adapter in {folder} is not the one that was trained (the "
                f"SHA-256 of {file} differs from the record's); delete results/models/{name}.json "
                "and run again."
            )
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Found missing adapter keys")  # said below
            adapted = PeftModel.from_pretrained(model, folder)
        with safe_open(folder / "adapter_model.safetensors", framework="numpy") as stored:
            found = set(stored.keys())
    except Exception as error:  # whatever the libraries found, they do not fit
        raise InputError(
            f"model '{name}': the adapter in {folder} cannot be put onto {record['id']} "
            f"({first_line(error)}); delete results/models/{name}.json and run again."
        ) from None
    wanted = get_peft_model_state_dict(adapted, save_embedding_layers=False).keys()
    if wanted != found:
        raise InputError(
            f"model '{name}': the weights in {folder} are not those that its adapter_config.json "
            f"asks for ({first_names(sorted(wanted ^ found))}); delete results/models/{name}.json "
            "and run again."
        )
    return adapted.merge_and_unload()
