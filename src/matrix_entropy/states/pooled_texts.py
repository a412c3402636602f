"""Run a model over texts once and keep one vector for every text at every layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from matrix_entropy.base.errors import InputError
from matrix_entropy.maths.many_texts import POOLINGS
from matrix_entropy.results.pooled_file import HALVES, WHOLE, PooledTexts
from matrix_entropy.states.extraction import BATCH_TOKENS, not_finite
from matrix_entropy.states.reading import reader
from matrix_entropy.states.residual_stream import Layer
from matrix_entropy.texts.halves import with_halves

MOST_BYTES = 2**32


def pool_texts(
    record: dict[str, Any],
    model_options: dict[str, Any],
    dataset_options: dict[str, Any],
    texts: Sequence[dict[str, str]],
    layers: Sequence[Layer],
    device: torch.device,
    provenance: dict[str, Any],
    halves: bool = False,
    batch_tokens: int | None = None,
) -> PooledTexts:
    """The mean of every text's rows and its last row, at every layer.

    The rows are those that spectra count: without padding, without a prefix, with the row of a
    token in front (``bos``). Sums are in float64.

    Parameters
    ----------
    record : dict
        A resolved model (`models.resolving`).
    model_options, dataset_options : dict
        Of the entries in the configuration: how the model runs, and ``max_tokens`` and
        ``min_tokens``.
    texts : sequence of dict
        ``id``, ``group``, ``text`` and perhaps ``prefix``.
    halves : bool
        Also of both halves of every text, each read alone: in the text, the second half would
        know the first.
    batch_tokens : int, optional
        Token budget of a padded batch; None takes that of the device.

    Raises
    ------
    InputError
        See `states.reading.reader`, `with_halves`; if a vector is
        not finite, or if the vectors take more than `MOST_BYTES`.
    """
    reads = reader(record, model_options, dataset_options, texts, layers, device)
    layers, tokens, kept = reads.layers, reads.tokens, reads.texts
    ids, count = [text["id"] for text in kept], len(kept)
    lengths = np.diff(tokens.kept_offsets)
    parts = (WHOLE, *HALVES) if halves else (WHOLE,)
    if halves:
        reads.tokens = with_halves(tokens, int(model_options["bos"]), ids)
        reads.texts = kept * len(parts)
    shape = (len(parts), len(POOLINGS), len(layers), count, reads.decoder.width)
    _check_size(shape)
    vectors = np.empty(shape, dtype=np.float32)

    def take(layer: Layer, number: int, rows: torch.Tensor) -> None:
        pooled = torch.stack([pool(rows.double()) for pool in POOLINGS.values()])
        part, text = divmod(number, count)
        found = pooled.cpu().numpy()
        if not np.isfinite(found).all():
            raise not_finite(record["model"], ids[text], layer)
        vectors[part, :, layers.index(layer), text] = found

    extraction = reads.extraction(take, on_device=True, most_texts=model_options.get("batch_texts"))
    budget = batch_tokens or BATCH_TOKENS[reads.device.type == "cuda"]
    extraction.run_all(range(count * len(parts)), budget, reads.device, show=True)
    return PooledTexts(
        ids=np.array(ids),
        groups=np.array([text["group"] for text in kept]),
        lengths=lengths,
        parts=parts,
        poolings=tuple(POOLINGS),
        layers=tuple(map(str, layers)),
        vectors=vectors,
        provenance=provenance | {"texts_left_out": len(texts) - count},
    )


def _check_size(shape: tuple[int, ...]) -> None:
    needed = 4 * int(np.prod(shape))
    if needed > MOST_BYTES:
        raise InputError(
            f"vectors of {shape[3]:,} texts at {shape[2]} layers would take {needed / 2**30:.1f} "
            f"GiB, but at most {MOST_BYTES / 2**30:.1f} are kept; set `sample:` of the data set to "
            "fewer texts, or `extract:` of the model to fewer layers."
        )
