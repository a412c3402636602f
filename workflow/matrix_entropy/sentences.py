"""Run a model over a few sentences and keep the states of every token and where it attended to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from matrix_entropy.errors import InputError
from matrix_entropy.hidden_states import Extraction
from matrix_entropy.models import context_window, load_placed, load_tokenizer
from matrix_entropy.residual_stream import Layer
from matrix_entropy.sentences_file import Sentences
from matrix_entropy.token_losses import Decoder
from matrix_entropy.tokens import tokenise


class WatchedDecoder(Decoder):
    """A decoder that remembers the attention weights of its last run."""

    def run(self, ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        output = self.decoder(
            input_ids=ids, attention_mask=mask, use_cache=False, output_attentions=True
        )
        self.attentions = output.attentions
        final: torch.Tensor = output.last_hidden_state
        return final


def read_sentences(
    record: dict[str, Any],
    model_options: dict[str, Any],
    texts: Sequence[dict[str, str]],
    layers: Sequence[Layer],
    device: torch.device,
    provenance: dict[str, Any],
) -> Sentences:
    """Hidden states of every token of every text, and attention weights as means over heads.

    The texts run one at a time through the implementation of attention that gives its weights
    (`eager`), which differs from others by rounding.

    Parameters
    ----------
    record : dict
        A resolved model (`matrix_entropy.models`).
    model_options : dict
        The model's entry in the configuration.
    texts : sequence of dict
        ``id``, ``group``, ``text`` and perhaps ``label``.

    Raises
    ------
    InputError
        See `load_model`, `tokenise`, `residual_stream`; if a text is longer than the model's
        context, or the architecture gives no attention weights.
    """
    model: Any
    model, device = load_placed(record, model_options, device)
    model.set_attn_implementation("eager")
    tokenizer = load_tokenizer(record)
    window = context_window(model.config)
    tokens, _ = tokenise(tokenizer, texts, model_options["bos"], None, window)
    for text, cut in zip(texts, tokens.truncated, strict=True):
        if cut:
            raise InputError(
                f"text '{text['id']}' ({text['text'][:40]} ...) has more tokens than the {window} "
                f"that model '{record['model']}' can read; shorten it."
            )
    offsets = tokens.kept_offsets
    states = np.empty((len(layers), offsets[-1], model_options["width"]), dtype=np.float32)
    attention = np.empty(
        (model_options["layers"], int((np.diff(offsets) ** 2).sum())), dtype=np.float32
    )

    def write(layer: Layer, first_row: int, rows: np.ndarray) -> None:
        states[layers.index(layer), first_row : first_row + len(rows)] = rows

    decoder = WatchedDecoder(model, with_losses=False)
    extraction = Extraction(
        decoder,
        tokens,
        layers,
        model_options["center_features"],
        write,
        record["model"],
        [text["id"] for text in texts],
    )
    start = 0
    for number, length in enumerate(np.diff(offsets)):
        extraction.run([number], device)
        weights = decoder.attentions
        if not weights or len(weights) != len(attention) or any(w is None for w in weights):
            raise InputError(
                f"architecture {type(model).__name__} of model '{record['model']}' does not give "
                "the attention weights of every block; choose another model."
            )
        for block, of_block in enumerate(weights):
            mean = of_block[0].float().mean(dim=0)
            attention[block, start : start + length**2] = mean.cpu().numpy().ravel()
        start += length**2
    return Sentences(
        ids=np.array([text["id"] for text in texts]),
        groups=np.array([text["group"] for text in texts]),
        labels=np.array([text.get("label", "") for text in texts]),
        texts=np.array([text["text"] for text in texts]),
        offsets=offsets,
        tokens=np.array([tokenizer.decode([int(token)]) for token in tokens.kept_ids()]),
        layers=tuple(map(str, layers)),
        states=states,
        attention=attention,
        provenance=provenance,
    )
