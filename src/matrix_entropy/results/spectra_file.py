"""The spectra of a data set: every text, every layer, in one small file that is kept for good.

Beside the spectra of all rows stand those of the controls, from the same hidden states:
``without_first_row`` drops the first token's row (often an attention sink), ``without_long_rows``
every row that is far longer than the others (`maths.long_rows`), wherever it stands.
``equal_length`` cuts all texts that are compared with each other to the same number of rows, which
for a causal model is the same as cutting the texts; ``equal_length_without_long_rows`` then drops
the long rows of what is left. ``first_{n}`` keeps the first n rows of every text.

With them are kept the measures of the hidden states (`maths.measures`) that were asked for, each of
all rows of a text.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import working_beside
from matrix_entropy.maths.model_measures import of_model
from matrix_entropy.maths.spectra import load_libraries, normalised_matrix, solver
from matrix_entropy.models.provenance import joined_provenance
from matrix_entropy.results.counted_rows import views_of
from matrix_entropy.results.found_spectra import FoundSpectra, found_of
from matrix_entropy.results.in_pieces import InPieces
from matrix_entropy.results.measuring import measuring
from matrix_entropy.results.npz_files import load_npz, save_npz
from matrix_entropy.results.state_files import open_folder, reading_states

# Reads hidden states from one row to another.
Rows = Callable[[int, int], NDArray[np.floating]]

# Each spectrum is divided by its sum, so what is left is rounding: 2e-16, some thousand times.
SUM_TOLERANCE = 1e-10
# Beyond this, texts wait in a queue that has its own size.
TEXTS_AT_A_TIME = 4096
# Beside the tokens: names of measures, and their values (measures, layers, texts).
OF_MODEL = ("model_measures", "model_measured")
EPSILON = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}


@dataclass(frozen=True)
class Spectra:
    """Eigenvalues of V views, L layers and T texts, one after another, and what they belong to.

    Beside them are M measures, of all rows; in a file of none, nothing is said of them.
    """

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
    measures: tuple[str, ...] = ()
    # (M, L, T): NaN where a text has too few rows.
    measured: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0, 0)))

    @property
    def starts(self) -> NDArray[np.int64]:
        """(V, L, T): where a spectrum begins in ``eigenvalues``."""
        ends = np.cumsum(self.counts.ravel())
        return (ends - self.counts.ravel()).reshape(self.counts.shape)

    def of(self, view: int, layer: int, text: int) -> NDArray[np.float64]:
        """Eigenvalues of one text at one layer, ascending; empty if undefined."""
        start = self.starts[view, layer, text]
        return self.eigenvalues[start : start + self.counts[view, layer, text]]

    def with_views(self, names: Sequence[str]) -> Spectra:
        """Only some views, in this order; `InputError` if one was not made."""
        for name in names:
            if name not in self.views:
                raise InputError(
                    f"{self.called} have no view '{name}', but {', '.join(self.views)}; delete "
                    "them and run again."
                )
        places = [self.views.index(name) for name in names]
        of_views = np.split(self.eigenvalues, np.cumsum(self.counts.sum(axis=(1, 2)))[:-1])
        return replace(
            self,
            eigenvalues=np.concatenate([np.empty(0), *(of_views[place] for place in places)]),
            counts=self.counts[places],
            rows=self.rows[places],
            views=tuple(names),
        )

    def with_measures(self, names: Sequence[str]) -> Spectra:
        """Only some measures, in this order; `InputError` if one was not taken."""
        for name in names:
            if name not in self.measures:
                raise InputError(
                    f"{self.called} have no measure '{name}', but "
                    f"{', '.join(self.measures) or 'none'}; delete them and run again."
                )
        places = [self.measures.index(name) for name in names]
        # Of none, as in spectra that were made without any, so that both can be gathered.
        measured = self.measured[places] if names else np.empty((0, 0, 0))
        return replace(self, measures=tuple(names), measured=measured)

    def with_groups(self, names: dict[str, str]) -> Spectra:
        """Groups under other names, if there are any; `InputError` if one is not named then."""
        if not names:
            return self
        for group in dict.fromkeys(map(str, self.groups)):
            if group not in names:
                raise InputError(
                    f"{self.called} have texts of a group '{group}', which `groups:` of the data "
                    "set does not name; delete them and run again."
                )

        def renamed(groups: NDArray[np.str_]) -> NDArray[np.str_]:
            return np.array([names[group] for group in map(str, groups)], dtype=np.str_)

        return replace(self, groups=renamed(self.groups), window_groups=renamed(self.window_groups))

    def of_precision(self, wanted: str) -> Spectra:
        """These spectra; `InputError` if their eigenvalues were found in another precision."""
        found = self.provenance.get("spectra_precision", "double")
        if found != wanted:
            raise InputError(
                f"{self.called} are of `spectra_precision: {found}`, but the configuration has "
                f"{wanted}; delete them and run again."
            )
        return self

    @property
    def called(self) -> str:
        """What messages call these spectra."""
        made_of = self.provenance
        return f"the spectra of {made_of['model']['model']} on {made_of['dataset']['name']}"

    def save(self, path: str | Path) -> None:
        """Write everything into one file."""
        _save(path, vars(self))

    @staticmethod
    def load(path: str | Path) -> Spectra:
        """Read a file that `save` wrote; `InputError` if it is damaged or holds no spectra."""
        return load_npz(Spectra, path)

    def fault(self) -> str | None:
        """What cannot be in spectra."""
        texts, lengths = len(self.ids), np.diff(self.offsets)
        shape = (len(self.views), len(self.layers), texts)
        per_text: dict[str, Any] = {
            "groups": self.groups,
            "truncated": self.truncated,
            "offsets": lengths,
        }
        per_window: dict[str, Any] = {"losses": self.window_losses, "tokens": self.window_tokens}
        if self.counts.shape != shape or self.rows.shape != shape:
            return f"its numbers of eigenvalues are not those of {shape} views, layers and texts"
        for name, values in per_text.items():
            if len(values) != texts:
                return f"its {name} are not those of {texts} texts"
        for name, values in per_window.items():
            if len(values) != len(self.window_groups):
                return f"the {name} of its windows are not those of their groups"
        if (
            self.offsets[0] != 0
            or (lengths < 0).any()
            or len(self.token_losses) != self.offsets[-1]
        ):
            return "its losses are not those of its tokens"
        if (self.counts < 0).any() or (self.counts > self.width).any():
            return f"it has more eigenvalues than the width of {self.width}"
        if (self.rows < 0).any() or (self.rows > lengths).any():
            return "it counts more rows than a text has"
        if self.counts.sum() != len(self.eigenvalues):
            return "it has not as many eigenvalues as it says"
        if not (np.isfinite(self.eigenvalues).all() and (self.eigenvalues >= 0).all()):
            return "some eigenvalues are negative or no numbers"
        sums = np.add.reduceat(self.eigenvalues, self.starts[self.counts > 0].ravel())
        if len(sums) and np.abs(sums - 1).max() > SUM_TOLERANCE:
            return "the eigenvalues of a text do not sum to one"
        if self.measures and self.measured.shape != (len(self.measures), *shape[1:]):
            return f"its measures are not those of {shape[1:]} layers and texts"
        if np.isinf(self.measured).any():
            return "a measure is an infinite number"
        return None


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
        each.name: np.concatenate([getattr(shard, each.name) for shard in shards], axis=-1)
        for each in fields(Spectra)
        if each.name
        not in ("eigenvalues", "views", "layers", "width", "offsets", "provenance", "measures")
    }
    return Spectra(
        eigenvalues=np.concatenate([np.empty(0), *spectra]),
        views=shards[0].views,
        layers=shards[0].layers,
        width=shards[0].width,
        offsets=np.cumsum([0, *lengths]),
        provenance=provenance,
        measures=shards[0].measures,
        **joined,
    )


@dataclass(frozen=True)
class Assembled:
    """Spectra whose arrays are still on disk, by the names of `Spectra`."""

    values: dict[str, Any]

    def save(self, path: str | Path) -> None:
        """Write the file that `Spectra.save` writes, piece by piece."""
        _save(path, self.values)

    def loaded(self) -> Spectra:
        """All of it in memory."""
        in_memory: dict[str, Any] = {
            name: value.whole() if isinstance(value, InPieces) else value
            for name, value in self.values.items()
        }
        return Spectra(**in_memory)


def assembled(
    found: FoundSpectra,
    views: Sequence[str],
    layers: Sequence[int | str],
    width: int,
    tokens: dict[str, NDArray[Any]],
    provenance: dict[str, Any],
    measures: Sequence[str] = (),
    single: bool = False,
) -> Assembled:
    """The spectra of all texts out of what was ``found``, as long as its files are there.

    ``tokens`` is what `texts.tokens.token_arrays` knows of the texts; ids are left out,
    since spectra are published, and from them a text could be read. Of the ``measures``, those that
    the model gave are among it (of these layers), the others were found.
    """
    of_rows = found.arrays()
    given = dict(zip(*(tokens.get(name, ()) for name in OF_MODEL), strict=True))

    def in_order() -> Iterator[NDArray[Any]]:
        """A piece for every measure of a model, and for every layer of another."""
        others = iter(of_rows["measured"].pieces() if "measured" in of_rows else ())
        for name in measures:
            yield from [given[name]] if name in given else itertools.islice(others, len(layers))

    shape = (len(measures), *found.shape[1:])
    values = {
        **of_rows,
        **({"measured": InPieces(shape, np.dtype(np.float64), in_order)} if measures else {}),
        "views": tuple(views),
        "layers": tuple(map(str, layers)),
        "width": width,
        "provenance": provenance | solver(found.largest, single) | found.batches,
        "measures": tuple(measures),
        **{name: of for name, of in tokens.items() if name not in ("token_ids", *OF_MODEL)},
    }
    # In the order of the file.
    return Assembled(
        {each.name: values[each.name] for each in fields(Spectra) if each.name in values}
    )


def _save(path: str | Path, values: dict[str, Any]) -> None:
    left_out = () if values["measures"] else ("measures", "measured")
    save_npz(path, {name: of for name, of in values.items() if name not in left_out})


def compute_spectra(
    folder: Path,
    layers: Sequence[int | str],
    controls: Sequence[str],
    panels: Sequence[Sequence[str]] | None,
    threads: int = 1,
    cuts: Sequence[int] = (),
    measures: Sequence[str] = (),
    single: bool = False,
) -> Spectra:
    """Spectra of all texts and layers in a folder of hidden states.

    Parameters
    ----------
    folder : Path
        As `states.hidden_states.dump_hidden_states` writes it.
    layers : sequence
        Layers to read; one that the run left out since the model does not have it is left out.
    controls, panels, cuts
        See `results.counted_rows.views_of`.
    threads : int
        Texts worked on at a time, each by one thread: small matrices gain nothing from more.
    measures : sequence of str
        Names of `maths.measures.MEASURES`.
    single : bool
        Find eigenvalues in float32, as `maths.spectra.eigenvalues_of` does.

    Raises
    ------
    InputError
        If a file is missing, cut short, or does not fit the tokens beside it, or if a measure is
        asked for that needs the model, and was not taken when it ran.
    """
    with TemporaryDirectory(prefix="matrix_entropy_") as part:
        asked = controls, panels, threads, cuts, measures, single
        return _of_folder(folder, layers, *asked, Path(part)).loaded()


def write_spectra(
    path: Path,
    folder: Path,
    layers: Sequence[int | str],
    controls: Sequence[str],
    panels: Sequence[Sequence[str]] | None,
    threads: int = 1,
    cuts: Sequence[int] = (),
    measures: Sequence[str] = (),
    single: bool = False,
) -> tuple[int, int]:
    """Write what `compute_spectra` gives into a file, with never more than a piece in memory.

    Returns
    -------
    spectra, undefined : int
        How many there are, and how many texts have none of all rows at some layer.

    Raises
    ------
    InputError
        As `compute_spectra` does.
    """
    with working_beside(path.with_suffix("")) as part:
        found = _of_folder(folder, layers, controls, panels, threads, cuts, measures, single, part)
        found.save(path)
        counts: InPieces = found.values["counts"]
        views, of_layers, texts = counts.shape
        undefined = np.zeros(texts, dtype=bool)
        for of_layer in itertools.islice(counts.pieces(), of_layers):  # those of all rows
            undefined |= of_layer == 0
        return views * of_layers * texts, int(undefined.sum())


def _of_folder(
    folder: Path,
    layers: Sequence[int | str],
    controls: Sequence[str],
    panels: Sequence[Sequence[str]] | None,
    threads: int,
    cuts: Sequence[int],
    measures: Sequence[str],
    single: bool,
    part: Path,
) -> Assembled:
    """`compute_spectra`, with its files in ``part``."""
    provenance, tokens = open_folder(folder)
    offsets, lengths = tokens["offsets"], np.diff(tokens["offsets"])
    views = views_of(tokens["groups"], lengths, controls, panels, cuts)
    precision = EPSILON[provenance["options"]["dtype"]]
    made = provenance.get("layers", list(layers))
    layers = [layer for layer in layers if layer in made]
    _check_model_measures(folder, tokens, measures)
    if "model_measured" in tokens:
        places = [made.index(layer) for layer in layers]
        tokens["model_measured"] = tokens["model_measured"][:, places]
    measured = measuring(measures)
    found = FoundSpectra(
        part, list(views.values()), len(layers), len(measures) - len(of_model(measures))
    )
    found.create()
    found.open()
    width = 0
    load_libraries(single)
    try:
        with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:
            for at, layer in enumerate(layers):
                with reading_states(folder, layer, int(offsets[-1])) as (width, rows_of):

                    def of_text(text: int, at: int = at, rows_of: Rows = rows_of) -> None:
                        whole = rows_of(int(offsets[text]), int(offsets[text + 1]))
                        matrices = (
                            normalised_matrix(whole[view.rows(text)], precision, view.without_long)
                            for view in views.values()
                        )
                        of_all = found_of(matrices, lambda: measured(whole), single)
                        found.write(at, text, of_all)

                    for first in range(0, len(lengths), TEXTS_AT_A_TIME):
                        some = range(first, min(first + TEXTS_AT_A_TIME, len(lengths)))
                        for _ in pool.map(of_text, some):  # what fails in a thread fails here
                            pass
    finally:
        found.close()
    return assembled(found, list(views), layers, width, tokens, provenance, measures, single)


def _check_model_measures(
    folder: Path, tokens: dict[str, NDArray[Any]], measures: Sequence[str]
) -> None:
    for name in of_model(measures):
        if name not in tokens.get("model_measures", ()):
            raise InputError(
                f"{folder} was written without the measure '{name}', which only the model itself "
                "can give; delete the folder and run again."
            )
