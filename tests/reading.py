"""One small model read in two ways: by this project, and by transformers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from matrix_entropy.models.anatomy import blocks_and_norm, decoder_of
from matrix_entropy.models.loading import check_sizes
from matrix_entropy.states.extraction import Extraction
from matrix_entropy.states.residual_stream import Layer
from matrix_entropy.states.token_losses import Decoder
from matrix_entropy.texts.tokens import Tokens

Float64 = NDArray[np.float64]


@dataclass
class Reading:
    """States by layer and text, losses by text, and what was found out about the model."""

    states: dict[tuple[Layer, int], Float64]
    losses: list[NDArray[np.float32]]
    layers: list[Layer]
    decoder: Decoder


def read(model: Any, texts: Sequence[NDArray[np.int64]], batches: Sequence[list[int]]) -> Reading:
    """Read some texts of token ids in batches as `states.extraction` does."""
    blocks, norm = blocks_and_norm(model)
    config = model.config.get_text_config()
    check_sizes("the model", model.config, len(blocks), config.hidden_size)
    layers: list[Layer] = [*range(len(blocks) + 1), *(["final"] if norm is not None else [])]
    offsets = np.cumsum([0, *map(len, texts)])
    none = np.zeros(len(texts), dtype=np.int64)
    tokens = Tokens(np.concatenate(texts), offsets, none.astype(bool), none)
    states: dict[tuple[Layer, int], Float64] = {}

    def take(layer: Layer, text: int, rows: torch.Tensor) -> None:
        states[layer, text] = rows.double().numpy()

    decoder = Decoder(model, True, layers, streams="mean")
    names = [str(number) for number in range(len(texts))]
    extraction = Extraction(decoder, tokens, layers, False, take, "small", names)
    for batch in batches:
        extraction.run(batch, torch.device("cpu"))
    return Reading(states, np.split(extraction.losses, offsets[1:-1]), layers, decoder)


@torch.inference_mode()
def read_alone(model: Any, ids: NDArray[np.int64]) -> tuple[list[torch.Tensor], Float64, Float64]:
    """What transformers gives of one text: hidden states, the decoder's last ones, and logits."""
    inputs = {"input_ids": torch.from_numpy(ids)[None], "use_cache": False}
    output = model(**inputs, output_hidden_states=True)
    last = decoder_of(model)(**inputs).last_hidden_state
    return list(output.hidden_states), last[0].double().numpy(), output.logits[0].double().numpy()


def losses_of(logits: Float64, ids: NDArray[np.int64]) -> Float64:
    """−log p of the second token and those after it."""
    largest = logits.max(axis=1, keepdims=True)
    sums = np.log(np.exp(logits - largest).sum(axis=1)) + largest[:, 0]
    return sums[:-1] - logits[np.arange(len(ids) - 1), ids[1:]]


def by_singular_values(rows: Float64) -> float:
    """H of some rows by another route: singular values of the centred unit rows."""
    centred = rows - rows.mean(axis=0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    shares = np.linalg.svd(unit, compute_uv=False) ** 2 / len(unit)
    shares = shares[shares > 1e-14]
    return float(-(shares * np.log(shares)).sum())
