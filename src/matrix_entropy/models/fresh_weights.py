"""Weights of an architecture as they are before any training, drawn from a seed."""

from __future__ import annotations

import math

import torch
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

from matrix_entropy.base.errors import InputError

# Standard errors of a standard deviation within which drawn weights have the one asked for, or the
# share of it, which a row of zeros for padding takes from an embedding.
SURE, CLOSE = 5.0, 0.01


def fresh_model(
    name: str,
    config: PretrainedConfig,
    seed: int,
    dtype: torch.dtype,
    initializer_range: float | None = None,
) -> PreTrainedModel:
    """A model of a configuration with weights of its own, drawn by transformers from the seed.

    They are drawn in float32 on the CPU and cast afterwards, so that every dtype and every machine
    starts from the same draw. ``initializer_range`` is the standard deviation that weights are
    drawn with; None leaves the configuration's own. An architecture may draw some of its matrices
    in another way, as GPT-2 those that write to the residual stream.

    Raises
    ------
    InputError
        If the architecture does not draw its weights with ``initializer_range``.
    """
    if initializer_range is not None:
        for part in (config, config.get_text_config()):
            part.initializer_range = initializer_range
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    if initializer_range is not None:
        _require_deviation(name, model, initializer_range)
    # The parameters only: as in a loaded model, rotary frequencies stay in float32.
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)
    return model


def _require_deviation(name: str, model: PreTrainedModel, wanted: float) -> None:
    """See that at least half of the numbers in the model's matrices have the deviation wanted."""
    numbers, right, found = 0, 0, {}
    for matrix in model.parameters():
        if matrix.ndim < 2:
            continue
        deviation, size = float(matrix.detach().std()), matrix.numel()
        numbers += size
        found[deviation] = size
        if abs(deviation / wanted - 1) <= max(CLOSE, SURE / math.sqrt(2 * size)):
            right += size
    if 2 * right < numbers:
        largest = max(found, key=lambda deviation: found[deviation])
        raise InputError(
            f"model '{name}': its architecture, {type(model).__name__}, does not draw its weights "
            f"with an `initializer_range:`; asked for {wanted:.4g}, its largest matrix has a "
            f"standard deviation of {largest:.4g}. Leave it out, and the weights are drawn as the "
            "architecture does."
        )
