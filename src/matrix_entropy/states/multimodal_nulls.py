"""Spectra that image–text alignment is held against: other pairs, connectors that learnt nothing.

Of the first `NULL_RECORDS` records: each text behind another record's image (a derangement, several
times), and each behind its own image seen through a connector with fresh weights (several draws).
The rows that the connector reads are measured as well, which is the other reading of H1.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import nn
from torch.func import functional_call

from matrix_entropy.base.errors import InputError
from matrix_entropy.models.vision.interface import (
    VisionLanguage,
    beginning,
    check_room,
    read_texts,
)
from matrix_entropy.results.multimodal_metrics import (
    CONNECTOR_INPUT,
    FRESH,
    NULL_POSITIONS,
    NULL_RECORDS,
    POSITIONS,
    SHUFFLES,
)
from matrix_entropy.results.spectra_file import Spectra
from matrix_entropy.results.state_files import StateFiles, open_states
from matrix_entropy.running.console import progress
from matrix_entropy.states.multimodal import (
    Collection,
    as_array,
    behind_image,
    enough_memory,
    exact_convolutions,
    of_one_length,
    on_device,
    pieces,
)
from matrix_entropy.texts.image_records import open_image

_, H2, H3, _, H5 = POSITIONS
OWN = "own"


def derangement(count: int, seed: int) -> NDArray[np.int64]:
    """For each of some records another one, every one once: each gets the next in a shuffled order.

    Examples
    --------
    >>> derangement(4, 1).tolist()
    [3, 2, 0, 1]
    """
    order = list(range(count))
    random.Random(seed).shuffle(order)
    found = np.empty(count, dtype=np.int64)
    found[order] = np.roll(order, 1)
    return found


def fresh_connector(connector: nn.Module, seed: int) -> dict[str, torch.Tensor]:
    """Weights for a connector as torch draws those of `nn.Linear`, of which both papers' are made.

    Raises
    ------
    InputError
        If it has other weights too.
    """
    drawn: dict[str, torch.Tensor] = {}
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        for name, part in connector.named_modules():
            if isinstance(part, nn.Linear):
                made = nn.Linear(part.in_features, part.out_features, part.bias is not None)
                drawn |= {
                    f"{name}.{key}".removeprefix("."): value.detach()
                    for key, value in made.named_parameters()
                }
    if others := {name for name, _ in connector.named_parameters()} - set(drawn):
        raise InputError(
            f"the connector {type(connector).__name__} has weights that are not of linear layers "
            f"({min(others)}), so none can be drawn; choose another model."
        )
    return drawn


@torch.inference_mode()
def measure_nulls(
    model: VisionLanguage,
    records: Sequence[dict[str, Any]],
    provenance: dict[str, Any],
    device: torch.device | None = None,
    *,
    max_tokens: int | None = None,
    bos_counts: bool = False,
    batch: int = 8,
    threads: int = 1,
    scratch: Path | None = None,
) -> dict[str, Spectra]:
    """The spectra of the first records at every one of `NULL_POSITIONS`.

    Parameters are those of `states.multimodal.measure`.

    Raises
    ------
    InputError
        As there, and if there is a single record, which has no other image.
    """
    records = records[:NULL_RECORDS]
    if len(records) < 2:
        raise InputError(
            f"model '{model.name}': a single record has no other image to be read with."
        )
    texts = read_texts(model, records, max_tokens)
    connectors = {name: fresh_connector(model.connector, seed) for name, seed in FRESH.items()}
    with (
        threadpool_limits(1, user_api="blas"),
        ThreadPoolExecutor(threads) as pool,
        TemporaryDirectory(prefix="matrix_entropy_", dir=scratch) as folder,
        enough_memory(model.name, batch),
    ):
        collection = Collection(model.name, records, pool, NULL_POSITIONS)
        with on_device(device, model.vision_parts), exact_convolutions():
            _see(model, records, connectors, batch, collection, Path(folder))
        waiting = {name: open_states(Path(folder), name) for name in (OWN, *connectors)}
        tokens = {name: np.asarray(rows).reshape(len(records), -1, rows.shape[-1])
                  for name, rows in waiting.items()}  # fmt: skip
        count = tokens[OWN].shape[1]
        check_room(model, records, texts, count)
        places = np.arange(len(records))
        read = {
            f"{H5}_{name}": (tokens[OWN], derangement(len(records), seed))
            for name, seed in SHUFFLES.items()
        } | {f"{H5}_{name}": (tokens[name], places) for name in connectors}
        front = beginning(model.tokenizer)
        first = 0 if bos_counts else len(front)
        with (
            on_device(device, model.language_parts),
            progress(len(records), "record", model.name) as bar,
        ):
            for some in of_one_length(texts.ids, places.tolist(), batch):
                text = model.embed(
                    torch.from_numpy(np.array([[*front, *texts.ids[n]] for n in some]))
                )
                for position, (images, order) in read.items():
                    image = torch.from_numpy(images[order[some]]).to(text)
                    states = model.read(behind_image(text, image, len(front)))
                    collection.add(position, some, states[:, first:])
                    alone = position.replace(H5, H3)
                    if alone in NULL_POSITIONS:
                        collection.add(alone, some, states[:, first : len(front) + count])
                bar.update(len(some))
        return {at: collection.spectra(at, texts, provenance) for at in NULL_POSITIONS}


def _see(
    model: VisionLanguage,
    records: Sequence[dict[str, Any]],
    connectors: dict[str, dict[str, torch.Tensor]],
    batch: int,
    collection: Collection,
    folder: Path,
) -> None:
    """What the connector reads, and what it and fresh ones make of it, the latter into files."""
    files: StateFiles | None = None
    try:
        for some in pieces(range(len(records)), batch):
            images = [open_image(records[n]["image"], records[n].get("image_sha256")) for n in some]
            read = model.connector_input(model.patches(images))
            collection.add(CONNECTOR_INPUT, some, read)
            made = {OWN: model.connector(read)}
            for name, weights in connectors.items():
                like = {key: value.to(made[OWN]) for key, value in weights.items()}
                made[name] = functional_call(model.connector, like, (read.to(made[OWN]),))
                collection.add(f"{H2}_{name}", some, made[name])
            _, count, width = made[OWN].shape
            if files is None:
                dtype = str(made[OWN].dtype).removeprefix("torch.")
                files = StateFiles(folder, [*made], width, dtype)
                files.create(len(records) * count)
                files.open()
            for name, tokens in made.items():
                files.write(name, some[0] * count, as_array(tokens.flatten(0, 1)))
    finally:
        if files is not None:
            files.close()
