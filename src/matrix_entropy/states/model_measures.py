"""Take the measures of hidden states that need the model itself, while it runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray

from matrix_entropy.base.errors import InputError
from matrix_entropy.maths.long_rows import long_rows
from matrix_entropy.maths.model_measures import (
    ATTENTION,
    HEAD,
    LENS,
    TO_LONG,
    TO_LONG_UNIFORM,
    of_model,
    taking,
)
from matrix_entropy.states.attention import MOST_TOKENS, attention_weights, eagerly, paid_to
from matrix_entropy.states.lens import Lens
from matrix_entropy.states.residual_stream import Layer
from matrix_entropy.states.token_losses import LOOKED_AT, Decoder
from matrix_entropy.texts.tokens import Tokens


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
    tokens : Tokens
        Of the texts that will be read.
    text_ids : sequence of str
        Of these texts, for messages, like ``model_name``.

    Attributes
    ----------
    values : ndarray of shape (measures, layers, texts)
        NaN where a text has none, or has not been read.
    most_texts : int or None
        How many texts may be read at a time, if not any number.
    provenance : dict
        What is to be said of the run.

    Raises
    ------
    InputError
        See `Lens`; if the model gives no attention weights that are asked for, or a text has more
        than `MOST_TOKENS` tokens then.
    """

    def __init__(
        self,
        measures: Sequence[str],
        decoder: Decoder,
        layers: Sequence[Layer],
        tokens: Tokens,
        text_ids: Sequence[str],
        model_name: str,
    ) -> None:
        self.names = of_model(measures)
        self.decoder, self.model_name = decoder, model_name
        self.layers, self.context = list(layers), tokens.context
        self.values = np.full((len(self.names), len(self.layers), len(text_ids)), np.nan)
        self.lens = Lens(decoder, model_name) if LENS in self.names else None
        self.attends = bool(taking(ATTENTION, self.names))
        self.most_texts = 1 if self.attends else None
        self.provenance = {"attention": "eager"} if self.attends else {}
        # Of a block that has not run yet: the text, and where in it its input is long.
        self.long: dict[int, tuple[int, NDArray[np.integer]]] = {}
        if self.attends:
            self._check_attention(tokens.lengths, text_ids)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Open while texts are read."""
        if not self.attends:
            yield
            return
        model = self.decoder.model
        with eagerly(model), attention_weights(model, self.model_name, self._attended):
            yield

    def take(
        self,
        layer: Layer,
        texts: Sequence[int],
        states: Sequence[torch.Tensor],
        rows: Sequence[torch.Tensor],
    ) -> None:
        """See some texts at a layer: states (tokens, width) as it passes them on, and measured."""
        if self.lens is not None:
            found = self.lens.entropies(torch.cat(list(states)), layer)
            ends = np.cumsum([len(of_text) for of_text in states])
            for text, of_text in zip(texts, np.split(found, ends[:-1]), strict=True):
                self._put(LENS, layer, text, float(of_text.mean()) if len(of_text) else np.nan)
        if self.attends and layer != "final":
            (text,), (of_text,) = texts, (each.cpu().numpy() for each in rows)
            places = np.flatnonzero(long_rows(of_text)) + int(self.context[text])
            self.long[int(layer)] = text, places

    def of(self, text: int) -> NDArray[np.float64]:
        """All measures of a text at all layers, one after another."""
        return self.values[:, :, text].ravel()

    def _attended(self, block: int, weights: torch.Tensor, sight: torch.Tensor) -> None:
        """See the attention of the block whose input is the layer of its number."""
        text, places = self.long.pop(block, (0, np.empty(0, dtype=np.intp)))
        if not len(places):
            return
        mean = weights[0].float().mean(dim=0).cpu().numpy()
        found = paid_to(places, mean, sight.cpu().numpy())
        for name, value in zip((TO_LONG, TO_LONG_UNIFORM), found, strict=True):
            if name in self.names:
                self._put(name, block, text, value)

    def _put(self, name: str, layer: Layer, text: int, value: float) -> None:
        places = [at for at, each in enumerate(self.layers) if str(each) == str(layer)]
        self.values[self.names.index(name), places, text] = value

    def _check_attention(self, lengths: NDArray[np.int64], text_ids: Sequence[str]) -> None:
        longest = int(lengths.argmax()) if len(lengths) else 0
        if len(lengths) and lengths[longest] > MOST_TOKENS:
            raise InputError(
                f"text '{text_ids[longest]}' has {lengths[longest]} tokens, and attention is "
                f"measured between at most {MOST_TOKENS}; set `max_tokens: {MOST_TOKENS}` for the "
                f"data set, or leave `{TO_LONG}` out of its `measures:`."
            )
        # Before all texts are read in vain.
        model = self.decoder.model
        ids = torch.arange(LOOKED_AT, device=model.get_input_embeddings().weight.device)[None]
        with (
            torch.inference_mode(),
            eagerly(model),
            attention_weights(model, self.model_name, lambda *_: None),
        ):
            self.decoder.run(ids % self.decoder.vocabulary, None)


def takes_head(measures: Sequence[str]) -> bool:
    """Whether some measure needs the model's output matrix."""
    return bool(taking(HEAD, measures))
