"""Take the measures of hidden states that need the model itself, while it runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray

from matrix_entropy.maths.model_measures import LENS, of_model
from matrix_entropy.states.lens import Lens
from matrix_entropy.states.residual_stream import Layer
from matrix_entropy.states.token_losses import Decoder


class ModelMeasures:
    """Measures of texts at layers, filled in while a model reads the texts.

    Parameters
    ----------
    measures : sequence of str
        Names of measures; those that the states alone give are passed over.
    decoder : Decoder
        The model, with its output matrix if a measure takes that (`takes_head`).
    layers : sequence
        Those whose states will be taken.
    texts : int
        How many.
    model_name : str
        For messages.

    Attributes
    ----------
    values : ndarray of shape (measures, layers, texts)
        NaN where a text has none, or has not been read.

    Raises
    ------
    InputError
        See `Lens`.
    """

    def __init__(
        self,
        measures: Sequence[str],
        decoder: Decoder,
        layers: Sequence[Layer],
        texts: int,
        model_name: str,
    ) -> None:
        self.names = of_model(measures)
        self.layers = list(layers)
        self.values = np.full((len(self.names), len(self.layers), texts), np.nan)
        self.lens = Lens(decoder, model_name) if LENS in self.names else None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Open while texts are read."""
        yield

    def take(self, layer: Layer, texts: Sequence[int], states: Sequence[torch.Tensor]) -> None:
        """See some texts' states (tokens, width) at a layer, as the layer passes them on."""
        if self.lens is not None:
            found = self.lens.entropies(torch.cat(list(states)), layer)
            ends = np.cumsum([len(of_text) for of_text in states])
            for text, of_text in zip(texts, np.split(found, ends[:-1]), strict=True):
                self._put(LENS, layer, text, float(of_text.mean()) if len(of_text) else np.nan)

    def of(self, text: int) -> NDArray[np.float64]:
        """All measures of a text at all layers, one after another."""
        return self.values[:, :, text].ravel()

    def _put(self, name: str, layer: Layer, text: int, value: float) -> None:
        self.values[self.names.index(name), self.layers.index(layer), text] = value


def takes_head(measures: Sequence[str]) -> bool:
    """Whether some measure needs the model's output matrix."""
    return LENS in measures
