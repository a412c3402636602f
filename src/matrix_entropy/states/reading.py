"""A model and the texts that it is about to read, for jobs that keep no spectra."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from matrix_entropy.models.anatomy import context_window
from matrix_entropy.models.loading import load_placed, load_tokenizer
from matrix_entropy.states.extraction import Extraction, layers_to_take
from matrix_entropy.states.residual_stream import Layer
from matrix_entropy.states.token_losses import Decoder
from matrix_entropy.texts.tokens import Tokens, check_vocabulary, tokenise

# What such a result says of how the model ran.
SAID = ("bos", "center_features", "dtype", "layers", "width", "extract", "streams")


@dataclass
class Reader:
    """A model, the layers that are taken, and the texts, those that are too short left out."""

    name: str
    options: dict[str, Any]
    model: Any
    device: torch.device
    layers: list[Layer]
    decoder: Decoder
    tokenizer: Any
    tokens: Tokens
    texts: list[dict[str, str]]

    def extraction(
        self, take: Callable[[Layer, int, torch.Tensor], None], **others: Any
    ) -> Extraction:
        """What runs the model, and gives the rows of every text at every layer to ``take``."""
        return Extraction(
            self.decoder,
            self.tokens,
            self.layers,
            self.options["center_features"],
            take,
            self.name,
            [text["id"] for text in self.texts],
            **others,
        )


def reader(
    record: dict[str, Any],
    model_options: dict[str, Any],
    dataset_options: dict[str, Any],
    texts: Sequence[dict[str, str]],
    layers: Sequence[Layer],
    device: torch.device,
) -> Reader:
    """Load a model without its output matrix, and tokenise the texts.

    Parameters
    ----------
    record : dict
        A resolved model (`models.resolving`).
    model_options, dataset_options : dict
        Of the entries in the configuration: how the model runs, and ``max_tokens`` and
        ``min_tokens``.

    Raises
    ------
    InputError
        See `load_placed`, `layers_to_take`, `Decoder`, `tokenise`, `check_vocabulary`.
    """
    model: Any
    model, device = load_placed(record, model_options, device, with_head=False)
    taken = layers_to_take(model, layers, model_options)
    decoder = Decoder(model, with_losses=False, layers=taken, streams=model_options.get("streams"))
    tokenizer = load_tokenizer(record)
    tokens, chosen = tokenise(
        tokenizer,
        texts,
        model_options["bos"],
        dataset_options.get("max_tokens"),
        context_window(model),
        dataset_options.get("min_tokens", 0),
    )
    check_vocabulary(tokens.ids, decoder.vocabulary, tokenizer, record["model"])
    kept = [texts[number] for number in chosen]
    return Reader(
        record["model"], model_options, model, device, taken, decoder, tokenizer, tokens, kept
    )
