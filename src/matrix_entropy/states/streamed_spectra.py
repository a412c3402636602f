"""Spectra computed as the rows appear, beside the forward pass; no hidden states are written.

On a GPU the matrices are made where the layers ran (`states.device_spectra`), and the job's
threads find their eigenvalues while the device goes on, or the device itself finds those of many
at a time, where that pays (`states.device_batches`); if measures are asked for, the rows leave
the device too, and the threads take these. Without one, a job of several threads keeps
some of them for spectra, and a job of a single thread computes them in between.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from matrix_entropy.base.files import part_of_folder
from matrix_entropy.maths.model_measures import of_model
from matrix_entropy.maths.spectra import NotFinite, load_libraries
from matrix_entropy.maths.spectra import normalised_matrix as matrix_of_array
from matrix_entropy.models.loading import Loaded
from matrix_entropy.results.asked_views import precision_of
from matrix_entropy.results.counted_rows import View, views_of
from matrix_entropy.results.found_spectra import Found, FoundSpectra, found_of
from matrix_entropy.results.measuring import measuring
from matrix_entropy.results.spectra_file import EPSILON, Assembled, assembled
from matrix_entropy.states import device_batches
from matrix_entropy.states.device_spectra import normalised_matrix
from matrix_entropy.states.extraction import cleared, extract, not_finite
from matrix_entropy.states.gathered_matrices import Gathered, Unit
from matrix_entropy.states.residual_stream import Layer
from matrix_entropy.texts.tokens import Tokens

log = logging.getLogger("matrix_entropy")

# What waits for a thread on the host; beyond that the forward pass's own thread finds the spectra.
WAITING_BYTES = 2**30


def spectra_threads(threads: int, on_device: bool) -> int:
    """Threads that only compute spectra, of those of a job: a quarter, beside a GPU all.

    Examples
    --------
    >>> [spectra_threads(threads, False) for threads in (1, 2, 8)], spectra_threads(8, True)
    ([0, 1, 2], 8)
    """
    if on_device:
        return threads
    return 0 if threads == 1 else max(1, threads // 4)


class ToSpectra:
    """Sends rows into spectra.

    Parameters
    ----------
    part : Path
        Folder in which all processes leave what they find.
    precision : float
        Machine epsilon of the type in which the model computes.
    views_of : callable
        From groups and lengths of the texts to what each view counts.
    model_name : str
        For messages.
    threads : int
        Of this process.
    on_device : bool, optional
        Make the matrices where the rows are; by default, if that is a GPU.
    measures : sequence of str
        Names of measures; those that take the model are passed over.
    single : bool
        Find eigenvalues in float32, as `maths.spectra.eigenvalues_of` does.
    batched : bool, optional
        Of matrices made where the rows are, solve there in batches those that
        `device_batches.fits`; by default, if that pays there.
    """

    def __init__(
        self,
        part: Path,
        precision: float,
        views_of: Callable[[Sequence[str], np.ndarray], dict[str, View]],
        model_name: str,
        threads: int = 1,
        on_device: bool | None = None,
        measures: Sequence[str] = (),
        single: bool = False,
        batched: bool | None = None,
    ) -> None:
        self.part, self.precision, self.single = part, precision, single
        self.batched, self.gathered = batched, Gathered()
        self.measured = measuring(measures)
        self.of_rows = len(measures) - len(of_model(measures))
        self.layers: list[Layer] = []
        self.views_of, self.model_name, self.threads = views_of, model_name, threads
        self.on_device = on_device
        self.found: FoundSpectra | None = None
        self.failure: BaseException | None = None
        self.width = 0
        self.waiting, self.lock = 0, threading.Lock()
        self.pool: ThreadPoolExecutor | None = None
        self.limits: threadpool_limits | None = None

    def prepare(
        self, layers: Sequence[Layer], tokens: Tokens, texts: Sequence[dict[str, str]]
    ) -> None:
        self._places(layers, tokens, texts).create()

    def open(
        self,
        layers: Sequence[Layer],
        tokens: Tokens,
        texts: Sequence[dict[str, str]],
        device: torch.device,
    ) -> bool:
        self.layers = list(layers)
        self.ids = [text["id"] for text in texts]
        self.found = self._places(layers, tokens, texts)
        self.found.open()
        if self.on_device is None:
            self.on_device = device.type == "cuda"
        if self.batched is None:
            self.batched = device_batches.pays(device, self.single)
        count = spectra_threads(self.threads, self.on_device)
        self.pool = ThreadPoolExecutor(count) if count else None
        load_libraries(self.single)
        # NumPy's library only: the forward pass keeps torch's threads.
        self.limits = threadpool_limits(1, user_api="blas")
        return self.on_device

    def _places(
        self, layers: Sequence[Layer], tokens: Tokens, texts: Sequence[dict[str, str]]
    ) -> FoundSpectra:
        groups = [text["group"] for text in texts]
        self.views = self.views_of(groups, np.diff(tokens.kept_offsets))
        views = list(self.views.values())
        return FoundSpectra(self.part, views, len(layers), self.of_rows)

    def take(self, layer: Layer, text: int, rows: torch.Tensor) -> None:
        if self.failure is not None:
            raise self.failure
        self.width = rows.shape[1]
        parts = [(rows[view.rows(text)], view.without_long) for view in self.views.values()]
        if self.on_device:
            made = [normalised_matrix(part, self.precision, without) for part, without in parts]
            unit = Unit(layer, text, made, rows if self.of_rows else rows[:0])
            if self.batched:
                self.gathered.add(unit)
                if not self.gathered.waits(WAITING_BYTES):
                    self._find_gathered()
            else:
                unit.leave()
                self._find_of(unit)
        else:
            of_rows = parts, rows, self.precision, self.measured, self.single
            self._find_in_turn(layer, text, rows.nbytes, functools.partial(_from_rows, *of_rows))

    def _find_gathered(self) -> None:
        for unit in self.gathered.solved(self.single):
            self._find_of(unit)

    def _find_of(self, unit: Unit) -> None:
        find = functools.partial(unit.found, self.measured, self.single)
        self._find_in_turn(unit.layer, unit.text, unit.bytes_copied, find)

    def _find_in_turn(self, layer: Layer, text: int, size: int, find: Callable[[], Found]) -> None:
        if self.pool is not None and self._waits(size):
            done = self.pool.submit(self._find, layer, text, find)
            done.add_done_callback(lambda _: self._waits(-size))
        else:
            self._find(layer, text, find)

    def close(self, complete: bool) -> None:
        try:
            if complete:
                self._find_gathered()
        finally:
            if self.pool is not None:
                self.pool.shutdown(cancel_futures=not complete)
            if self.limits is not None:
                self.limits.restore_original_limits()
            if self.found is not None:
                self.found.close()
        if complete and self.failure is not None:
            raise self.failure

    def _find(self, layer: Layer, text: int, find: Callable[[], Found]) -> None:
        failure: BaseException
        assert self.found is not None
        try:
            self.found.write(self.layers.index(layer), text, find())
            return
        except NotFinite:
            failure = not_finite(self.model_name, self.ids[text], layer)
        except BaseException as error:  # told to the thread that runs the model
            failure = error
        # The first: a state that is not finite spoils all layers behind it.
        with self.lock:
            self.failure = self.failure or failure

    def _waits(self, size: int) -> bool:
        """Count so many bytes among those that wait, unless that would be too many."""
        with self.lock:
            if size > 0 and self.waiting + size > WAITING_BYTES:
                return False
            self.waiting += size
            return True


Measured = Callable[[NDArray[np.floating]], list[float]]


def _from_rows(
    parts: Sequence[tuple[torch.Tensor, bool]],
    rows: torch.Tensor,
    precision: float,
    measured: Measured,
    single: bool,
) -> Found:
    matrices = (
        matrix_of_array(part.numpy(), precision, without_long) for part, without_long in parts
    )
    return found_of(matrices, lambda: measured(rows.numpy()), single)


def stream_spectra(
    record: dict[str, Any],
    model_options: dict[str, Any],
    dataset_options: dict[str, Any],
    texts: Sequence[dict[str, str]],
    layers: Sequence[Layer],
    path: Path,
    provenance: dict[str, Any],
    batch_tokens: int | None = None,
    shard: tuple[int, int] = (1, 1),
    threads: int = 1,
    on_device: bool | None = None,
    batched: bool | None = None,
) -> None:
    """Write the file of spectra that hidden states on disk would have given, without these.

    For the parameters, and for running in several processes, see `send_spectra`.

    Raises
    ------
    InputError
        As `states.extraction.extract` does.
    """
    send_spectra(
        record,
        model_options,
        dataset_options,
        texts,
        layers,
        part_of_folder(path),
        lambda found: found.save(path),
        provenance,
        batch_tokens,
        shard,
        threads,
        on_device,
        batched=batched,
    )


def send_spectra(
    record: dict[str, Any],
    model_options: dict[str, Any],
    dataset_options: dict[str, Any],
    texts: Sequence[dict[str, str]],
    layers: Sequence[Layer],
    part: Path,
    done: Callable[[Assembled], None],
    provenance: dict[str, Any],
    batch_tokens: int | None = None,
    shard: tuple[int, int] = (1, 1),
    threads: int = 1,
    on_device: bool | None = None,
    loaded: Loaded | None = None,
    show: bool = True,
    batched: bool | None = None,
) -> None:
    """Run a model over texts, and give the spectra of all to ``done`` while ``part`` is there.

    ``dataset_options`` also hold ``controls``, ``panels`` and ``lengths`` (see
    `results.counted_rows.views_of`), ``measures`` (names of `maths.measures.MEASURES`) and
    ``spectra_precision`` (``single`` or ``double``), ``threads`` are those of this process,
    ``on_device`` and ``batched`` are for `ToSpectra`. For the other parameters, and for running in
    several processes, see `states.extraction.extract`; of those, the first calls ``done``.

    Raises
    ------
    InputError
        As `extract` does.
    """
    measures = dataset_options.get("measures", [])
    single = bool(precision_of(dataset_options))
    sink = ToSpectra(
        part,
        EPSILON[model_options["dtype"]],
        lambda groups, lengths: views_of(
            groups,
            lengths,
            dataset_options.get("controls", []),
            dataset_options.get("panels"),
            dataset_options.get("lengths", []),
        ),
        record["model"],
        threads,
        on_device,
        measures,
        single,
        batched,
    )

    def finish(arrays: dict[str, Any], counts: dict[str, Any]) -> None:
        assert sink.found is not None
        if again := sink.found.batches.get("solved_again"):
            log.warning("%d matrices that the GPU had not solved were solved again", again)
        told = arrays, provenance | counts, measures, single
        done(assembled(sink.found, list(sink.views), sink.layers, sink.width, *told))

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
            loaded,
            show,
        )
