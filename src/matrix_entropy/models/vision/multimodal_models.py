"""Load a vision-language model of either kind, and see that it is what the configuration states."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import read_json
from matrix_entropy.models.loading import check_sizes, spread
from matrix_entropy.models.vision.interface import VisionLanguage
from matrix_entropy.models.vision.llava import load_llava
from matrix_entropy.models.vision.minigpt_v2 import ARCHITECTURE, load_minigpt_v2
from matrix_entropy.sources.model_files import check_recorded

# Of a MiniGPT-v2, what has to stay on one device.
BLOCKS = ["Blip2EncoderLayer", "LlamaDecoderLayer"]


def load_vision_language(record: dict[str, Any], options: dict[str, Any]) -> VisionLanguage:
    """The vision-language model that a record describes, in evaluation mode.

    Parameters
    ----------
    record : dict
        From `models.resolving.resolve_hub`, `resolve_path`, a conversion or a training. A
        folder with MiniGPT-v2's own ``config.json`` is one of these, every other is LLaVA.
    options : dict
        The model's entry in the configuration: ``layers`` and ``width`` of the language model,
        ``vision``, ``dtype`` and ``device_map``: ``auto`` spreads the model over all devices, else
        it is on the CPU, for its parts to be moved in turn.

    Raises
    ------
    InputError
        If the model cannot be loaded, or a size is not what the configuration states.
    """
    name, folder = record["model"], Path(record["folder"])
    layers, width, dtype = options["layers"], options["width"], options["dtype"]
    everywhere = options["device_map"] == "auto"
    model: VisionLanguage
    if _is_minigpt_v2(folder):
        check_recorded(record, weights=True)
        minigpt = load_minigpt_v2(folder, dtype, name)
        called = f"the language model of model '{name}'"
        check_sizes(called, minigpt.config.language, layers, width)
        model = spread(minigpt, BLOCKS) if everywhere else minigpt
    else:
        model = load_llava(record, layers, width, dtype, "auto" if everywhere else None)
    for key, found in model.sizes().items():
        if options["vision"][key] != found:
            raise InputError(
                f"model '{name}' has in its vision encoder {key} {found}, but the configuration "
                f"states {options['vision'][key]}; write `{key}: {found}` in its `vision:`."
            )
    return model


def _is_minigpt_v2(folder: Path) -> bool:
    try:
        config = read_json(folder / "config.json")
    except (OSError, ValueError):  # `load_llava` says what is wrong with it
        return False
    return isinstance(config, dict) and config.get("architecture") == ARCHITECTURE
