"""Run a model over texts once and keep every layer's hidden states, row by row, on disk.

Every file has its final size before the model runs and each process writes its own rows.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from matrix_entropy.base.files import part_of_folder, write_json
from matrix_entropy.results.state_files import StateFiles
from matrix_entropy.states.extraction import cleared, extract
from matrix_entropy.states.residual_stream import Layer
from matrix_entropy.texts.tokens import Tokens, save_tokens


class ToFiles:
    """Sends rows to their places in the files of hidden states."""

    def __init__(self, folder: Path, width: int, dtype: str) -> None:
        self.folder, self.width, self.dtype = folder, width, dtype
        self.files: StateFiles | None = None

    def prepare(
        self, layers: Sequence[Layer], tokens: Tokens, texts: Sequence[dict[str, str]]
    ) -> None:
        files = StateFiles(self.folder, layers, self.width, self.dtype)
        files.create(int(tokens.kept_offsets[-1]))

    def open(
        self,
        layers: Sequence[Layer],
        tokens: Tokens,
        texts: Sequence[dict[str, str]],
        device: torch.device,
    ) -> bool:
        self.first_rows = tokens.kept_offsets
        self.files = StateFiles(self.folder, layers, self.width, self.dtype)
        self.files.open()
        return False

    def take(self, layer: Layer, text: int, rows: torch.Tensor) -> None:
        assert self.files is not None
        self.files.write(layer, int(self.first_rows[text]), rows.numpy())

    def close(self, complete: bool) -> None:
        if self.files is not None:
            self.files.close()


def dump_hidden_states(
    record: dict[str, Any],
    model_options: dict[str, Any],
    dataset_options: dict[str, Any],
    texts: Sequence[dict[str, str]],
    layers: Sequence[Layer],
    folder: Path,
    provenance: dict[str, Any],
    batch_tokens: int | None = None,
    shard: tuple[int, int] = (1, 1),
) -> None:
    """Write ``layer_{layer}.npy``, ``tokens.npz`` and ``provenance.json`` into ``folder``.

    It appears only when everything in it is complete. For the parameters, and for running in
    several processes, see `states.extraction.extract`.

    Raises
    ------
    InputError
        As `extract` does.
    """
    part = part_of_folder(folder)
    sink = ToFiles(part, model_options["width"], model_options["dtype"])

    def finish(arrays: dict[str, Any], counts: dict[str, Any]) -> None:
        save_tokens(part / "tokens.npz", arrays)
        write_json(part / "provenance.json", provenance | counts)
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)

    with cleared(part):
        extract(
            record,
            model_options,
            dataset_options,
            texts,
            layers,
            part,
            sink,
            finish,
            batch_tokens,
            shard,
        )
