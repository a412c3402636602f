"""Matrix entropy's spectra at five places of a vision-language model, two parts of it at a time.

The vision encoder and the connector are on the device first and see the images; the connector's
output waits on disk; then the language model takes their place and reads. So no device has to hold
both. Spectra are computed as the rows appear, and of the hidden states nothing is kept.

A language model is causal: its final states on the image alone (H3) are the first rows of those on
the image and the text behind it (H5), so that one pass gives both. Nothing is padded: the texts of
a batch have the same number of tokens.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import nn

from matrix_entropy.base.errors import InputError
from matrix_entropy.maths.spectra import normalised_matrix, solver, spectrum_of
from matrix_entropy.models.vision.interface import (
    Texts,
    VisionLanguage,
    beginning,
    check_room,
    read_texts,
    reversed_image_tokens,
)
from matrix_entropy.results.asked_views import ALL_ROWS
from matrix_entropy.results.multimodal_metrics import OPERATIONS, POSITIONS, REVERSED, ROTATED
from matrix_entropy.results.spectra_file import Spectra
from matrix_entropy.results.state_files import StateFiles, open_states
from matrix_entropy.running.console import progress
from matrix_entropy.texts.image_records import open_image, rotated

H1, H2, H3, H4, H5 = POSITIONS
WAITING = "image_tokens"  # the name of what waits on disk

# Eigenvalues, rows counted, rows, and the size of the matrix.
Found = tuple[NDArray[np.float64], int, int, int]


class Collection:
    """The spectra of all records at every position, as they come."""

    def __init__(
        self,
        model_name: str,
        records: Sequence[dict[str, Any]],
        pool: ThreadPoolExecutor,
        positions: Sequence[str] = POSITIONS,
    ) -> None:
        self.model_name, self.records, self.pool = model_name, records, pool
        self.found: dict[str, dict[int, Found]] = {position: {} for position in positions}
        self.widths: dict[str, int] = {}

    def add(self, position: str, numbers: Sequence[int], states: torch.Tensor) -> None:
        """Take the states (batch, rows, width) of some records at a position."""
        self.widths[position] = states.shape[-1]
        precision = torch.finfo(states.dtype).eps

        def of_record(rows: NDArray[np.floating]) -> Found:
            matrix, counted = normalised_matrix(rows, precision)
            return *spectrum_of(matrix, counted), len(rows), len(matrix)

        arrays = as_array(states)
        for number, rows in zip(numbers, arrays, strict=True):
            if not np.isfinite(rows).all():
                raise InputError(
                    f"model '{self.model_name}': the hidden states of record "
                    f"'{self.records[number]['id']}' at {position} are not finite; run the model "
                    "in a wider type (`dtype: float32`), or look at its weights."
                )
        self.found[position].update(zip(numbers, self.pool.map(of_record, arrays), strict=True))

    def spectra(self, position: str, texts: Texts, provenance: dict[str, Any]) -> Spectra:
        """What was found at a position, as a file of spectra with this one layer."""
        found = [self.found[position][number] for number in range(len(self.records))]
        offsets = np.cumsum([0, *(length for _, _, length, _ in found)])
        has_text = position.startswith((H4, H5))
        truncated = texts.truncated if has_text else np.zeros(len(found), dtype=bool)
        return Spectra(
            eigenvalues=np.concatenate([values for values, *_ in found]),
            counts=np.array([[[len(values) for values, *_ in found]]], dtype=np.int64),
            rows=np.array([[[rows for _, rows, *_ in found]]], dtype=np.int64),
            views=(ALL_ROWS,),
            layers=(position,),
            width=self.widths[position],
            ids=np.array([record["id"] for record in self.records]),
            groups=np.array([record["group"] for record in self.records]),
            offsets=offsets,
            truncated=truncated,
            # Of image tokens nothing is predicted.
            token_losses=np.full(offsets[-1], np.nan, dtype=np.float32),
            window_groups=np.empty(0, dtype=np.str_),
            window_losses=np.empty(0, dtype=np.float32),
            window_tokens=np.empty(0, dtype=np.int64),
            provenance=provenance
            | {"tokens": int(offsets[-1]), "truncated_texts": int(truncated.sum())}
            | solver(max(size for *_, size in found)),
        )


@dataclass(frozen=True)
class Stages:
    """The two stages of `measure`, each for some consecutive records."""

    model: VisionLanguage
    records: Sequence[dict[str, Any]]
    texts: Texts
    operation: str
    bos_counts: bool
    batch: int
    collection: Collection

    @torch.inference_mode()
    def see(self, numbers: range, folder: Path) -> None:
        """Vision encoder and connector: H1 and H2, and the image tokens into a file."""
        back = self.operation == REVERSED
        files: StateFiles | None = None
        try:
            with exact_convolutions(), reversed_image_tokens(self.model) if back else nullcontext():
                for some in pieces(numbers, self.batch):
                    images = [
                        open_image(record["image"], record.get("image_sha256"))
                        for record in (self.records[number] for number in some)
                    ]
                    if self.operation == ROTATED:
                        images = [rotated(image) for image in images]
                    patches = self.model.patches(images)
                    self.collection.add(H1, some, patches)
                    tokens = self.model.connect(patches)
                    self.collection.add(H2, some, tokens.flip(1) if back else tokens)
                    _, count, width = tokens.shape
                    if files is None:
                        check_room(self.model, self.records, self.texts, count)
                        dtype = str(tokens.dtype).removeprefix("torch.")
                        files = StateFiles(folder, [WAITING], width, dtype)
                        files.create(len(numbers) * count)
                        files.open()
                    first_row = (some[0] - numbers[0]) * count
                    files.write(WAITING, first_row, as_array(tokens.flatten(0, 1)))
        finally:
            if files is not None:
                files.close()

    @torch.inference_mode()
    def read(self, numbers: range, folder: Path) -> None:
        """Language model: H3, H4 and H5, with the image tokens from the file."""
        rows = open_states(folder, WAITING)
        image_tokens = np.asarray(rows).reshape(len(numbers), -1, rows.shape[-1])
        count, ids = image_tokens.shape[1], self.texts.ids
        front = beginning(self.model.tokenizer)
        first = 0 if self.bos_counts else len(front)
        for some in of_one_length(ids, numbers, self.batch):
            read = np.array([[*front, *ids[number]] for number in some])
            text = self.model.embed(torch.from_numpy(read))
            self.collection.add(H4, some, self.model.read(text)[:, first:])
            at = [number - numbers[0] for number in some]
            image = torch.from_numpy(image_tokens[at]).to(text)
            states = self.model.read(behind_image(text, image, len(front)))
            self.collection.add(H3, some, states[:, first : len(front) + count])
            self.collection.add(H5, some, states[:, first:])


def measure(
    model: VisionLanguage,
    records: Sequence[dict[str, Any]],
    operation: str,
    provenance: dict[str, Any],
    device: torch.device | None = None,
    *,
    max_tokens: int | None = None,
    bos_counts: bool = False,
    batch: int = 8,
    threads: int = 1,
    on_disk: int = 512,
    scratch: Path | None = None,
) -> dict[str, Spectra]:
    """The spectra of all records at every one of `POSITIONS`.

    Which rows are what is said in `models.vision.interface`. The rows of H2 are in the
    order in which the connector gives them, also where they are reversed behind it.

    Parameters
    ----------
    records : sequence of dict
        ``id``, ``group``, ``text`` and ``image``, the path of a file; with ``image_sha256``, the
        file's SHA-256 when the text was read, a file that has another one is refused.
    operation : str
        What is done to the images: one of `OPERATIONS`.
    provenance : dict
        What the results say of themselves; ``tokens`` (rows) and ``truncated_texts`` are added.
    device : torch.device, optional
        Where the vision and the language parts are moved in turn, and back to the CPU; None leaves
        them where they are (a model that is spread over the devices, or fits on its own).
    max_tokens : int, optional
        Longer texts are cut to so many tokens, in H4 and in H5.
    bos_counts : bool
        Whether the row of the token that begins a text, if the tokenizer uses one, is a row of H3,
        H4 and H5 too.
    batch : int
        Images, and texts of the same number of tokens, that are run at a time.
    threads : int
        Spectra computed at a time.
    on_disk : int
        Records whose image tokens wait on disk at a time, and after which the parts change places:
        2.4 GB in float16 for 512 images of LLaVA-1.5 with 4096 features.
    scratch : Path, optional
        Where the folder for them is made and removed; None: the system's own for such.

    Returns
    -------
    dict of str to Spectra
        By position; each has that position as its only layer, and as tokens of a text its rows.

    Raises
    ------
    InputError
        If there is no such operation, an image cannot be read, a text has no token or does not
        fit into the context behind the image tokens, a state is not finite, or a device's memory
        runs out.
    """
    if operation not in OPERATIONS:
        raise InputError(f"there is no image operation '{operation}'; use {', '.join(OPERATIONS)}.")
    texts = read_texts(model, records, max_tokens)
    with (
        progress(len(records), "record", model.name) as bar,
        # The threads of linear algebra; torch has its own.
        threadpool_limits(1, user_api="blas"),
        ThreadPoolExecutor(threads) as pool,
    ):
        collection = Collection(model.name, records, pool)
        stages = Stages(model, records, texts, operation, bos_counts, batch, collection)
        for start in range(0, len(records), on_disk):
            numbers = range(start, min(start + on_disk, len(records)))
            with (
                TemporaryDirectory(prefix="matrix_entropy_", dir=scratch) as folder,
                enough_memory(model.name, batch),
            ):
                with on_device(device, model.vision_parts):
                    stages.see(numbers, Path(folder))
                with on_device(device, model.language_parts):
                    stages.read(numbers, Path(folder))
            bar.update(len(numbers))
    return {position: collection.spectra(position, texts, provenance) for position in POSITIONS}


def pieces(numbers: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    """So many of some numbers at a time."""
    return (numbers[start : start + size] for start in range(0, len(numbers), size))


def of_one_length(
    ids: Sequence[NDArray[np.int64]], numbers: Sequence[int], batch: int
) -> Iterator[Sequence[int]]:
    """The texts of one length at a time, at most ``batch``.

    The longest come first, so that a batch too large for the memory shows itself at once.
    """
    by_length = sorted(numbers, key=lambda number: (-len(ids[number]), number))
    for _, same in itertools.groupby(by_length, key=lambda number: len(ids[number])):
        yield from pieces(list(same), batch)


def behind_image(text: torch.Tensor, image: torch.Tensor, front: int) -> torch.Tensor:
    """Texts with an image's tokens before them, behind the ``front`` tokens that begin a text."""
    return torch.cat([text[:, :front], image, text[:, front:]], dim=1)


def exact_convolutions() -> Any:
    """While open, no GPU rounds what a convolution in float32 reads to ten bits (TF32)."""
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)


def as_array(states: torch.Tensor) -> NDArray[np.floating]:
    """The same numbers for NumPy, which has no bfloat16."""
    states = states.float() if states.dtype == torch.bfloat16 else states
    array: NDArray[np.floating] = states.cpu().numpy()
    return array


@contextmanager
def enough_memory(name: str, batch: int) -> Iterator[None]:
    """While open, a device whose memory runs out is answered with what to do."""
    try:
        yield
    except torch.OutOfMemoryError:
        advice = (
            f"take fewer than {batch} images at a time (`--set-resources measure_images:images=1`)"
            if batch > 1
            else "set `device_map: auto` for the model, or a narrower `dtype:`"
        )
        raise InputError(f"model '{name}': the device's memory runs out; {advice}.") from None


@contextmanager
def on_device(device: torch.device | None, parts: Sequence[nn.Module]) -> Iterator[None]:
    """While open, the parts are on the device, afterwards on the CPU; None leaves them."""
    if device is None:
        yield
        return
    try:
        for part in parts:
            part.to(device)
        yield
    finally:
        for part in parts:
            part.to("cpu")
