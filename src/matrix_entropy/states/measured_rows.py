"""Run a model over texts once and keep how long every row is and how much attention it gets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from matrix_entropy.base.errors import InputError
from matrix_entropy.maths.long_rows import distances, row_norms
from matrix_entropy.results.rows_file import Rows
from matrix_entropy.states.attention import MOST_TOKENS, attention_weights
from matrix_entropy.states.reading import reader
from matrix_entropy.states.residual_stream import Layer

MOST_BYTES = 2**30


def measure_rows(
    record: dict[str, Any],
    model_options: dict[str, Any],
    dataset_options: dict[str, Any],
    texts: Sequence[dict[str, str]],
    layers: Sequence[Layer],
    device: torch.device,
    provenance: dict[str, Any],
) -> Rows:
    """Norms of every row at every layer, and the attention that it receives in every block.

    The texts run one at a time. Those of at most `MOST_TOKENS` tokens run through the
    implementation of attention that gives its weights (`eager`), of which only means are kept,
    block by block; those that are longer have no attention.

    Parameters
    ----------
    record : dict
        A resolved model (`models.resolving`).
    model_options, dataset_options : dict
        Of the entries in the configuration: how the model runs, and ``max_tokens`` and
        ``min_tokens``.
    texts : sequence of dict
        ``id``, ``group``, ``text`` and perhaps ``prefix``, whose rows count as those that look.

    Raises
    ------
    InputError
        See `states.reading.reader`; if a state is not finite, if
        there are more rows than `MOST_BYTES` hold, or if the architecture gives no attention
        weights.
    """
    reads = reader(record, model_options, dataset_options, texts, layers, device)
    layers, tokens, kept = reads.layers, reads.tokens, reads.texts
    offsets, blocks = tokens.kept_offsets, model_options["layers"]
    _check_size(int(offsets[-1]), len(layers), blocks)
    norms, from_mean = np.empty((2, len(layers), offsets[-1]))
    attention, uniform = np.full((2, blocks, offsets[-1]), np.nan, dtype=np.float32)

    def take(layer: Layer, text: int, rows: torch.Tensor) -> None:
        here = layers.index(layer), slice(*offsets[text : text + 2])
        norms[here], from_mean[here] = row_norms(rows.numpy()), distances(rows.numpy())

    def receive(block: int, weights: torch.Tensor, sight: torch.Tensor) -> None:
        (text,) = extraction.batch
        found = received(weights[0].float().mean(dim=0).cpu().numpy(), sight.cpu().numpy())
        here = block, slice(*offsets[text : text + 2])
        attention[here], uniform[here] = (of[tokens.context[text] :] for of in found)

    extraction = reads.extraction(take)
    shorter = np.flatnonzero(tokens.lengths <= MOST_TOKENS).tolist()
    extraction.run_alone(np.flatnonzero(tokens.lengths > MOST_TOKENS).tolist(), reads.device)
    if shorter:
        reads.model.set_attn_implementation("eager")
        with attention_weights(reads.model, reads.name, receive):
            extraction.run_alone(shorter, reads.device)
    return Rows(
        ids=np.array([text["id"] for text in kept]),
        offsets=offsets,
        layers=tuple(map(str, layers)),
        norms=norms,
        distances=from_mean,
        attention=attention,
        uniform=uniform,
        provenance=provenance,
    )


def received(
    weights: NDArray[np.floating], sight: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Attention that every token gets from later ones, and what it would get if all were alike.

    Parameters
    ----------
    weights : ndarray of shape (tokens, tokens)
        How much each (row) looks at each (column), a mean over heads.
    sight : ndarray of shape (tokens, tokens)
        Whether it can: no later one, none outside its window. A weight may be rounded to zero.

    Returns
    -------
    attention, uniform : ndarray of shape (tokens,)
        Means over the later tokens that can look; NaN where there are none, as for the last.

    Examples
    --------
    >>> weights = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.5, 0.1, 0.4]])
    >>> attention, uniform = received(weights, np.tri(3, dtype=bool))
    >>> [float(values.round(3)) for values in (attention[0], attention[1], uniform[0])]
    [0.75, 0.1, 0.417]
    """
    alike = sight / np.maximum(sight.sum(axis=1, keepdims=True), 1)
    later = np.tril(sight, -1)
    looking = later.sum(axis=0)

    def mean(of: NDArray[np.floating]) -> NDArray[np.float64]:
        sums = np.where(later, of, 0.0).sum(axis=0, dtype=np.float64)
        return np.divide(sums, looking, out=np.full(len(sums), np.nan), where=looking > 0)

    return mean(weights), mean(alike)


def _check_size(rows: int, layers: int, blocks: int) -> None:
    needed = rows * (16 * layers + 8 * blocks)
    if needed > MOST_BYTES:
        raise InputError(
            f"the norms and the attention of {rows:,} rows would take {needed / 2**30:.1f} GiB, "
            f"but at most {MOST_BYTES / 2**30:.1f} are kept; set `sample:` of the data set to "
            "fewer texts, or `max_tokens:`."
        )
