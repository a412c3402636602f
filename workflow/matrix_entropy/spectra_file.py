"""The spectra of a data set: every text, every layer, in one small file that is kept for good.

Beside the spectra of all rows stand those of the controls, from the same hidden states:
``without_first_row`` drops the first token's row (often an attention sink), ``equal_length`` cuts
all texts that are compared with each other to the same number of rows, which for a causal model is
the same as cutting the texts. In the same way ``first_{n}`` keeps the first n rows of every text.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from matrix_entropy.npz_files import load_npz, save_npz
from matrix_entropy.provenance import joined_provenance
from matrix_entropy.spectra import spectrum
from matrix_entropy.state_files import open_folder, open_states

ALL_ROWS = "all_rows"
FIRST = "first_"  # and a number: the first so many rows
# Below this many rows a spectrum says little; a shorter text has no equal-length spectrum.
FEWEST_EQUAL_ROWS = 16
EPSILON = {"float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}


@dataclass(frozen=True)
class Spectra:
    """Eigenvalues of V views, L layers and T texts, one after another, and what they belong to."""

    eigenvalues: NDArray[np.float64]
    counts: NDArray[np.int64]  # (V, L, T): how many eigenvalues
    rows: NDArray[np.int64]  # (V, L, T): how many rows were counted
    views: tuple[str, ...]
    layers: tuple[str, ...]
    width: int
    ids: NDArray[np.str_]
    groups: NDArray[np.str_]
    offsets: NDArray[np.int64]  # (T + 1,): where a text's tokens begin
    truncated: NDArray[np.bool_]
    token_losses: NDArray[np.float32]
    window_groups: NDArray[np.str_]  # (W,): of the corpus read in windows; empty if it was not
    window_losses: NDArray[np.float32]  # (W,): mean negative log-likelihood of a window's tokens
    window_tokens: NDArray[np.int64]  # (W,): how many tokens a window predicts
    provenance: dict[str, Any]

    @property
    def starts(self) -> NDArray[np.int64]:
        """(V, L, T): where a spectrum begins in ``eigenvalues``."""
        ends = np.cumsum(self.counts.ravel())
        return (ends - self.counts.ravel()).reshape(self.counts.shape)

    def of(self, view: int, layer: int, text: int) -> NDArray[np.float64]:
        """Eigenvalues of one text at one layer, ascending; empty if undefined."""
        start = self.starts[view, layer, text]
        return self.eigenvalues[start : start + self.counts[view, layer, text]]

    def save(self, path: str | Path) -> None:
        """Write everything into one file."""
        save_npz(path, vars(self))

    @staticmethod
    def load(path: str | Path) -> Spectra:
        """Read a file that `save` wrote; `InputError` if it is damaged."""
        known = [field.name for field in fields(Spectra)]
        values = load_npz(path, known)
        names = {key: tuple(map(str, values[key])) for key in ("views", "layers")}
        return Spectra(**{name: values[name] for name in known} | names)


def equal_lengths(
    groups: Sequence[str] | NDArray[np.str_],
    lengths: NDArray[np.int64],
    panels: dict[str, list[str]],
) -> NDArray[np.int64]:
    """Rows that each text keeps when all texts of its panel are cut to the same number.

    The shortest text of a panel gives the number, but never less than `FEWEST_EQUAL_ROWS`; a text
    shorter than that, or in no panel, gets 0.
    """
    cut = np.zeros_like(lengths)
    for members in panels.values():
        inside = np.isin(groups, members) & (cut == 0)
        if inside.any():
            shared = max(FEWEST_EQUAL_ROWS, int(lengths[inside].min()))
            cut[inside & (lengths >= shared)] = shared
    return cut


def gathered(shards: Sequence[Spectra], data_set: str) -> Spectra:
    """The spectra of a data set from those of its shards, as if it had never been cut.

    Raises
    ------
    InputError
        If a shard is missing, or the shards come from different models, texts or options.
    """
    provenance = joined_provenance([shard.provenance for shard in shards], data_set, "spectra")
    views, layers = shards[0].counts.shape[:2]
    # Texts vary fastest, so what a shard has of one view and layer is in one piece.
    pieces = [
        np.split(shard.eigenvalues, np.cumsum(shard.counts.sum(axis=2).ravel())[:-1])
        for shard in shards
    ]
    spectra = [piece[at] for at in range(views * layers) for piece in pieces]
    lengths = np.concatenate([np.diff(shard.offsets) for shard in shards])
    joined: dict[str, Any] = {
        field.name: np.concatenate([getattr(shard, field.name) for shard in shards], axis=-1)
        for field in fields(Spectra)
        if field.name not in ("eigenvalues", "views", "layers", "width", "offsets", "provenance")
    }
    return Spectra(
        eigenvalues=np.concatenate([np.empty(0), *spectra]),
        views=shards[0].views,
        layers=shards[0].layers,
        width=shards[0].width,
        offsets=np.cumsum([0, *lengths]),
        provenance=provenance,
        **joined,
    )


def compute_spectra(
    folder: Path,
    layers: Sequence[int | str],
    controls: Sequence[str],
    panels: dict[str, list[str]] | None,
    threads: int = 1,
    cuts: Sequence[int] = (),
) -> Spectra:
    """Spectra of all texts and layers in a folder of hidden states.

    Parameters
    ----------
    folder : Path
        As `matrix_entropy.hidden_states.dump_hidden_states` writes it.
    layers : sequence
        Layers to read.
    controls : sequence of str
        ``without_first_row`` and ``equal_length``, computed beside all rows.
    panels : dict of str to list of str, optional
        Groups compared with each other; None compares all.
    threads : int
        Texts worked on at a time, each by one thread: small matrices gain nothing from more.
    cuts : sequence of int
        Further spectra of the first so many rows; undefined for a shorter text.

    Raises
    ------
    InputError
        If a file is missing, cut short, or does not fit the tokens beside it.
    """
    provenance, tokens = open_folder(folder)
    offsets, lengths = tokens["offsets"], np.diff(tokens["offsets"])
    # Spectra are published, and from its ids a text could be read.
    tokens.pop("token_ids", None)
    if panels is None:
        panels = {"": sorted(set(tokens["groups"]))}
    kept = {
        ALL_ROWS: [slice(0, int(length)) for length in lengths],
        "without_first_row": [slice(1, int(length)) for length in lengths],
        "equal_length": [
            slice(0, int(length)) for length in equal_lengths(tokens["groups"], lengths, panels)
        ],
    }
    for cut in cuts:
        kept[f"{FIRST}{cut}"] = [slice(0, cut if length >= cut else 0) for length in lengths]
    views = [ALL_ROWS, *controls, *(f"{FIRST}{cut}" for cut in cuts)]
    precision = EPSILON[provenance["options"]["dtype"]]
    shape = (len(views), len(layers), len(lengths))
    results: list[list[list[NDArray[np.float64]]]] = [[] for _ in views]
    rows = np.zeros(shape, dtype=np.int64)
    width = 0
    with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:
        for at, layer in enumerate(layers):
            states = open_states(folder, layer, int(offsets[-1]))
            width = states.shape[1]

            def of_text(text: int, states: NDArray[np.floating] = states) -> list[Any]:
                whole = states[offsets[text] : offsets[text + 1]]
                return [spectrum(whole[kept[view][text]], precision) for view in views]

            found = list(pool.map(of_text, range(len(lengths))))
            for number in range(len(views)):
                results[number].append([views_of_text[number][0] for views_of_text in found])
                rows[number, at] = [views_of_text[number][1] for views_of_text in found]
    flat = [values for view in results for layer_values in view for values in layer_values]
    return Spectra(
        eigenvalues=np.concatenate([np.empty(0), *flat]),
        counts=np.array([len(values) for values in flat], dtype=np.int64).reshape(shape),
        rows=rows,
        views=tuple(views),
        layers=tuple(map(str, layers)),
        width=width,
        provenance=provenance,
        **tokens,
    )
