"""States of image and text tokens at every layer of a vision-language model, and how far apart.

The language model reads an image's tokens and the text behind them, as for H5 of
`models.vision.interface`. Medians need all rows of a layer, so rows wait on disk until all records
have been read; then one layer after another is measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch

from matrix_entropy.base.errors import InputError
from matrix_entropy.maths.modality_integration import integration_rate, modality_distance
from matrix_entropy.models.anatomy import blocks_and_norm
from matrix_entropy.models.vision.interface import (
    Texts,
    VisionLanguage,
    beginning,
    check_room,
    read_texts,
)
from matrix_entropy.results.state_files import StateFiles, open_states
from matrix_entropy.running.console import progress
from matrix_entropy.states.multimodal import (
    as_array,
    behind_image,
    enough_memory,
    exact_convolutions,
    of_one_length,
    on_device,
    pieces,
)
from matrix_entropy.states.residual_stream import Layer, residual_stream
from matrix_entropy.texts.image_records import open_image

# As many as the paper reads.
RECORDS = 100
IMAGE, TEXT = "image", "text"


@torch.inference_mode()
def measure_integration(
    model: VisionLanguage,
    records: Sequence[dict[str, Any]],
    device: torch.device | None = None,
    *,
    max_tokens: int | None = None,
    batch: int = 8,
    scratch: Path | None = None,
) -> pd.DataFrame:
    """How far image rows are from text rows at every layer, of the first `RECORDS` records.

    Layers are the residual stream behind every block but the last, and the states after the last
    normalisation, which are the hidden states that transformers gives, without the embeddings: the
    paper sums over these. Rows are those of the image's tokens and of the text's; the token that
    begins a sequence counts among neither.

    Parameters are those of `states.multimodal.measure`.

    Returns
    -------
    DataFrame
        A row for every layer: ``layer``, ``depth``, ``width``, ``records``, ``image_rows``,
        ``text_rows``, the numbers of `maths.modality_integration.Apart`, and ``mir`` and
        ``mir_without_root``, which are of all layers.

    Raises
    ------
    InputError
        As `measure`, and if the texts have a single token in all.
    """
    records = records[:RECORDS]
    texts = read_texts(model, records, max_tokens)
    text_rows = sum(map(len, texts.ids))
    if text_rows < 2:
        raise InputError(
            f"model '{model.name}': the texts have a single token in all, which has no covariance; "
            "add records."
        )
    (language,) = model.language_parts
    layers: list[Layer] = [*range(1, len(blocks_and_norm(language).blocks)), "final"]
    with (
        TemporaryDirectory(prefix="matrix_entropy_", dir=scratch) as folder,
        enough_memory(model.name, batch),
    ):
        with on_device(device, model.vision_parts), exact_convolutions():
            tokens = _image_tokens(model, records, batch)
        check_room(model, records, texts, tokens.shape[1])
        with on_device(device, model.language_parts):
            _write(model, records, texts, tokens, layers, batch, Path(folder))
        found = []
        for depth, layer in enumerate(layers):
            images, words = (open_states(Path(folder), f"{layer}_{kind}") for kind in (IMAGE, TEXT))
            found.append(
                {
                    "layer": layer,
                    "depth": depth,
                    "width": images.shape[1],
                    "records": len(records),
                    "image_rows": len(images),
                    "text_rows": len(words),
                    **modality_distance(images, words)._asdict(),
                }
            )
    table = pd.DataFrame(found)
    return table.assign(
        mir=integration_rate(table["frechet"].to_numpy()),
        mir_without_root=integration_rate(table["without_root"].to_numpy()),
    )


def _image_tokens(
    model: VisionLanguage, records: Sequence[dict[str, Any]], batch: int
) -> torch.Tensor:
    """(records, image tokens, width), on the CPU."""
    found = []
    for some in pieces(range(len(records)), batch):
        images = [open_image(records[n]["image"], records[n].get("image_sha256")) for n in some]
        found.append(model.connect(model.patches(images)).cpu())
    return torch.cat(found)


def _write(
    model: VisionLanguage,
    records: Sequence[dict[str, Any]],
    texts: Texts,
    tokens: torch.Tensor,
    layers: Sequence[Layer],
    batch: int,
    folder: Path,
) -> None:
    """Read every text behind its image, and write the rows of both at every layer."""
    (language,) = model.language_parts
    front, (count, width) = beginning(model.tokenizer), tokens.shape[1:]
    dtype = str(tokens.dtype).removeprefix("torch.")
    firsts = np.cumsum([0, *map(len, texts.ids)])
    of_images = StateFiles(folder, [f"{layer}_{IMAGE}" for layer in layers], width, dtype)
    of_texts = StateFiles(folder, [f"{layer}_{TEXT}" for layer in layers], width, dtype)
    of_images.create(len(records) * count)
    of_texts.create(int(firsts[-1]))
    some: Sequence[int] = []

    def receive(layer: Layer, states: torch.Tensor) -> None:
        for number, rows in zip(some, as_array(states[:, len(front) :]), strict=True):
            if not np.isfinite(rows).all():
                raise InputError(
                    f"model '{model.name}': the hidden states of record '{records[number]['id']}' "
                    f"at layer {layer} are not finite; run the model in a wider type (`dtype: "
                    "float32`), or look at its weights."
                )
            of_images.write(f"{layer}_{IMAGE}", number * count, rows[:count])
            of_texts.write(f"{layer}_{TEXT}", int(firsts[number]), rows[count:])

    try:
        of_images.open()
        of_texts.open()
        with progress(len(records), "record", model.name) as bar:
            for some in of_one_length(texts.ids, range(len(records)), batch):
                text = model.embed(
                    torch.from_numpy(np.array([[*front, *texts.ids[n]] for n in some]))
                )
                both = behind_image(text, tokens[list(some)].to(text), len(front))
                texts_here, rows, _ = both.shape
                with residual_stream(language, layers, (texts_here, rows, width), receive):
                    model.read(both)
                bar.update(len(some))
    finally:
        of_images.close()
        of_texts.close()
