"""Where a causal language model keeps what is looked at: blocks, last normalisation, positions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import nn
from transformers import PreTrainedModel

from matrix_entropy.base.errors import InputError

BLOCK_NAMES = ("h", "layers", "blocks", "layer")
# Older architectures keep their blocks in a part of the decoder.
PARTS = ("encoder", "transformer")
NORM_NAMES = (
    "ln_f", "final_layer_norm", "final_layernorm", "norm", "final_norm", "norm_f",
    "layer_norm", "layernorm", "LayerNorm", "ln", "ln_out", "out_norm", "embedding_norm",
)  # fmt: skip

# Names for the number of blocks, the most particular first.
LAYERS_NAMES = ("decoder_layers", "num_decoder_layers", "num_layers", "num_hidden_layers")

# Names for the number of positions; transformers translates most into the first by itself.
WINDOW_NAMES = (
    "max_position_embeddings", "n_positions", "max_target_positions", "max_seq_len",
    "max_sequence_length", "seq_length", "model_max_length",
)  # fmt: skip


class Anatomy(NamedTuple):
    """The transformer blocks, in the order in which they run, and the norm behind them, if any."""

    blocks: nn.ModuleList
    norm: nn.Module | None


def blocks_and_norm(model: nn.Module) -> Anatomy:
    """The list of transformer blocks of a causal language model, and its final normalisation.

    Raises
    ------
    InputError
        If the architecture keeps them under a name that is not known here.
    """
    children = dict(decoder_of(model).named_children())
    norm = next((children[name] for name in NORM_NAMES if name in children), None)
    for part in (children, *(dict(children[n].named_children()) for n in PARTS if n in children)):
        for name in BLOCK_NAMES:
            blocks = part.get(name)
            if isinstance(blocks, nn.ModuleList):
                inner = (part[name] for name in NORM_NAMES if name in part)
                return Anatomy(blocks, norm or next(inner, None))
    raise InputError(
        f"architecture {type(model).__name__} keeps its blocks under none of the names "
        f"{', '.join(BLOCK_NAMES)}; it has: {', '.join(children)}."
    )


def decoder_of(model: nn.Module) -> nn.Module:
    """The part of a causal language model that makes the final states, without the output matrix.

    transformers' own `get_decoder` gives the model itself, or its output matrix, where an
    architecture uses its names for something else.
    """
    if not isinstance(model, PreTrainedModel):
        return model
    candidates = (model.get_decoder(), model.base_model, getattr(model, "model", None))
    parts = [part for part in candidates if isinstance(part, PreTrainedModel)]
    return next((part for part in parts if part is not model), model)


def embeddings_of(model: Any) -> int:
    """Number of tokens that a causal language model has embeddings of."""
    return int(model.get_input_embeddings().weight.shape[0])


def stated_layers(config: Any) -> int | None:
    """Number of blocks of a (language) model, as its configuration states it.

    Architectures with an encoder call that of the encoder ``num_hidden_layers``.
    """
    text_config = config.get_text_config()
    stated = (getattr(text_config, name, None) for name in LAYERS_NAMES)
    return next((count for count in stated if isinstance(count, int)), None)


def context_window(model: Any) -> int | None:
    """Longest text that a model's positions allow, or None if it states no limit.

    Where a position is a row of a table some of whose first rows stand for no position (RoBERTa
    and what followed it), these are taken off.
    """
    config = model.config.get_text_config()
    stated = (getattr(config, name, None) for name in WINDOW_NAMES)
    window = next((size for size in stated if isinstance(size, int) and size > 0), None)
    for name, module in decoder_of(model).named_modules():
        if name.endswith("embeddings.position_embeddings") and isinstance(module, nn.Embedding):
            unused = 0 if module.padding_idx is None else module.padding_idx + 1
            return min(window or module.num_embeddings, module.num_embeddings - unused)
    return window


def length_limits(config: Any) -> list[int]:
    """Numbers of tokens beyond which a model computes otherwise for the whole batch.

    With the rotary positions called "longrope", every text of a batch is turned by the frequencies
    that belong to the longest.
    """
    return sorted(set(_original_windows(config.get_text_config())))


def _original_windows(config: Any) -> Iterator[int]:
    rotary = getattr(config, "rope_parameters", None) or {}
    stated = getattr(config, "original_max_position_embeddings", None)
    # Where kinds of layers differ in them, each has parameters of its own.
    for each in (rotary, *(value for value in rotary.values() if isinstance(value, dict))):
        if each.get("rope_type") == "longrope":
            limit = each.get("original_max_position_embeddings", stated)
            if limit is not None:
                yield int(limit)
