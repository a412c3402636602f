"""Whether a model has the weights of its file: all that it needs, in their shapes, none left over.

transformers draws what it does not find at random and drops what it has no place for, without an
error. It does report both.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping
from typing import Any

from torch import nn

from matrix_entropy.base.errors import InputError
from matrix_entropy.models.anatomy import decoder_of

log = logging.getLogger("matrix_entropy")

NAMED = 3  # weights that a message names of those that are missing, left over or of other shapes

# Options of ``from_pretrained`` with which it says what it found, and `check_weights` decides.
REPORTING: dict[str, Any] = {"output_loading_info": True, "ignore_mismatched_sizes": True}

# Masks and rotary frequencies, which older checkpoints hold and models now compute themselves.
COMPUTED = re.compile(
    r"(^|\.)(attn|attention)\.(masked_)?bias$"
    r"|(^|\.)rotary_emb\.(inv_freq|cos_cached|sin_cached)$"
    r"|(^|\.)position_ids$"
)

# What `check_weights` says in a sentence, transformers would say in a table before it.
logging.getLogger("transformers.modeling_utils").addFilter(
    lambda message: "LOAD REPORT" not in message.getMessage()
)


def check_weights(
    called: str, model: Any, report: Mapping[str, Any], used: nn.Module | None = None
) -> None:
    """See that a model was given all the weights that it needs, and that none was dropped.

    Parameters
    ----------
    called : str
        What messages call the model: ``model 'mine'`` and perhaps where it lies.
    model : PreTrainedModel
    report : mapping
        What ``from_pretrained`` gave with the options `REPORTING`: ``missing_keys``,
        ``unexpected_keys`` and ``mismatched_keys`` (name, shape in the file, shape in the model).
        Tied weights, and those that the architecture makes by itself, are not among the missing.
    used : Module, optional
        The part of ``model`` that is run, such as its decoder for hidden states alone:
        the weights of the rest may be missing. None: all of it.

    Raises
    ------
    InputError
        If a weight is missing, has another shape than the configuration says, or has no place in
        the architecture.
    """
    prefix = _name_of(used, model)
    other_shapes = {
        key: f"{key} {_shape(in_file)} instead of {_shape(stated)}"
        for key, in_file, stated in sorted(report["mismatched_keys"])
        if key.startswith(prefix)
    }
    if other_shapes:
        raise InputError(
            f"{called}: {_count(other_shapes)} of another shape than its config.json says "
            f"({first_names(list(other_shapes.values()))}); correct config.json, or fetch or save "
            "the model again."
        )
    missing = sorted(key for key in report["missing_keys"] if key.startswith(prefix))
    if missing and used is None and not any(map(_in_decoder(model), missing)):
        raise InputError(
            f"{called} was saved without its output matrix ({first_names(missing)}): set "
            "`token_losses: false` for the data set to have its entropies; losses, accuracies, "
            "texts and fine-tuning need a model saved as `AutoModelForCausalLM`."
        )
    unknown = sorted(key for key in report["unexpected_keys"] if not COMPUTED.search(key))
    if missing:
        instead = f", which have {first_names(unknown)} instead" if unknown else ""
        raise InputError(
            f"{called}: {_count(missing)} missing from its files ({first_names(missing)}){instead};"
            " fetch or save the model again, or correct config.json."
        )
    branches = _branches(model)
    dropped = [key for key in unknown if key.partition(".")[0] in branches]
    if dropped:
        raise InputError(
            f"{called}: {_count(dropped)} in its files that its architecture, "
            f"{type(model).__name__} with the sizes of config.json, has no place for "
            f"({first_names(dropped)}); correct config.json, or fetch or save the model again."
        )
    if unknown:
        # Of another head, such as one that classifies; the model is the same without it.
        log.info("%s: %d weights of other heads are not read (%s)",
                 called, len(unknown), first_names(unknown))  # fmt: skip


def first_names(names: Collection[str]) -> str:
    """The first few of some names, for a message."""
    return ", ".join(list(names)[:NAMED]) + (", …" if len(names) > NAMED else "")


def _count(keys: Collection[str]) -> str:
    return f"{len(keys)} weight is" if len(keys) == 1 else f"{len(keys)} weights are"


def _shape(sizes: Any) -> str:
    return f"({', '.join(map(str, sizes))})"


def _name_of(part: nn.Module | None, model: nn.Module) -> str:
    """What the names of a part's weights begin with in the model."""
    name = next(name for name, module in model.named_modules() if module is (part or model))
    return f"{name}." if name else ""


def _in_decoder(model: Any) -> Any:
    prefix = _name_of(decoder_of(model), model)
    return lambda key: key.startswith(prefix)


def _branches(model: Any) -> set[str]:
    """What the names of a model's weights begin with, also if it was saved without its head."""
    parts = [model, model.base_model]
    return {name for part in parts for name, _ in part.named_children()} | {model.base_model_prefix}
