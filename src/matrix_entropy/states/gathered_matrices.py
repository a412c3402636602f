"""Matrices between the device that made them and their eigenvalues.

Those that `states.device_batches` solves wait on the device for others of their size, the rest go
to the host at once. What came between waits with them, so that all leave in the order in which they
came: the first that is not finite is then the first that is told of.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from matrix_entropy.results.found_spectra import Found, found_of
from matrix_entropy.states import device_batches
from matrix_entropy.states.device_spectra import on_host
from matrix_entropy.states.residual_stream import Layer

# A matrix, and which rows are counted in it (`states.device_spectra.normalised_matrix`).
Made = tuple[torch.Tensor, torch.Tensor]


class Unit:
    """One text at one layer.

    Parameters
    ----------
    layer, text
        Which.
    made : sequence
        Of every view, its matrix where it was made.
    rows : tensor
        Those that are measured.
    """

    def __init__(self, layer: Layer, text: int, made: Sequence[Made], rows: torch.Tensor) -> None:
        self.layer, self.text = layer, text
        # By the number of the view: what is on the device, on its way to the host, and solved, with
        # how many rows are counted.
        self.made: dict[int, Made] = dict(enumerate(made))
        self.copies: dict[int, Made] = {}
        self.values: dict[int, tuple[NDArray[np.float64], int]] = {}
        self.copied: list[torch.cuda.Event] = []
        self.batched, self.again = 0, 0
        (self.rows,) = self._to_host([rows])

    @property
    def bytes_made(self) -> int:
        """Of matrices on the device."""
        return sum(matrix.nbytes for matrix, _ in self.made.values())

    @property
    def bytes_copied(self) -> int:
        """Of what is on the host."""
        return self.rows.nbytes + sum(matrix.nbytes for matrix, _ in self.copies.values())

    def leave(self, but: Sequence[int] = ()) -> None:
        """Begin to copy matrices to the host, but for those of some views."""
        for view in [view for view in self.made if view not in but]:
            matrix, valid = self._to_host(self.made.pop(view))
            self.copies[view] = matrix, valid

    def found(self, measured: Callable[[NDArray[np.floating]], list[float]], single: bool) -> Found:
        """The spectra and measures, when everything has left the device."""
        for event in self.copied:
            event.synchronize()
        matrices = (
            self.values[view]
            if view in self.values
            else on_host(*(tensor.numpy() for tensor in self.copies[view]))
            for view in range(len(self.values) + len(self.copies))
        )
        of_all = found_of(matrices, lambda: measured(self.rows.numpy()), single)
        return of_all._replace(batched=self.batched, again=self.again)

    def _to_host(self, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Begin to copy tensors of one GPU; they are whole after the event that is kept.

        The copies follow the kernels that make the tensors, whose memory is free behind them.
        """
        device = tensors[0].device
        if device.type != "cuda":
            return list(tensors)
        copies = [
            torch.empty(each.shape, dtype=each.dtype, pin_memory=True).copy_(
                each, non_blocking=True
            )
            for each in tensors
        ]
        self.copied.append(torch.cuda.current_stream(device).record_event())
        return copies


class Gathered:
    """Texts at layers, of some of which a matrix waits for others of its size."""

    def __init__(self) -> None:
        self.units: dict[tuple[Layer, int], Unit] = {}
        self.on_device, self.on_host = 0, 0  # bytes

    def add(self, unit: Unit) -> None:
        """Take a text at a layer; if it was there, as when memory ran out behind it, anew."""
        unit.leave([view for view in unit.made if device_batches.fits(len(unit.made[view][0]))])
        self.units.pop((unit.layer, unit.text), None)
        self.units[unit.layer, unit.text] = unit
        self.on_device += unit.bytes_made
        self.on_host += unit.bytes_copied

    def waits(self, most_on_host: int) -> bool:
        """Whether any matrix waits, and there is room for more."""
        full = self.on_device >= device_batches.WAITING_BYTES or self.on_host >= most_on_host
        return self.on_device > 0 and not full

    def solved(self, single: bool) -> list[Unit]:
        """All in their order: solved where enough matrices are of a size, else on their way."""
        groups: dict[tuple[torch.device, int], list[tuple[Unit, int]]] = defaultdict(list)
        for unit in self.units.values():
            for view, (matrix, _) in unit.made.items():
                groups[matrix.device, device_batches.padded(len(matrix))].append((unit, view))
        for places in groups.values():
            if len(places) >= device_batches.FEWEST:
                _solve(places, single)
        units = list(self.units.values())
        for unit in units:
            unit.leave()
        self.units, self.on_device, self.on_host = {}, 0, 0
        return units


def _solve(places: Sequence[tuple[Unit, int]], single: bool) -> None:
    """Solve matrices of one size, of units and their views; what fails stays where it was."""
    made = [unit.made[view] for unit, view in places]
    found = device_batches.eigenvalues_of([matrix for matrix, _ in made], single)
    rows = torch.stack([valid.sum() for _, valid in made]).tolist()
    for (unit, view), values, counted in zip(places, found, rows, strict=True):
        unit.batched += 1
        if values is None:
            unit.again += 1
        else:
            unit.values[view] = values, counted
            del unit.made[view]
