"""Run a model over a few sentences and keep the states of every token and where it attended to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from matrix_entropy.base.errors import InputError
from matrix_entropy.models.anatomy import context_window
from matrix_entropy.results.sentences_file import Sentences
from matrix_entropy.states.attention import attention_weights
from matrix_entropy.states.reading import reader
from matrix_entropy.states.residual_stream import Layer
from matrix_entropy.texts.tokens import Tokens, token_left_out

MOST_SENTENCES = 300
MOST_ATTENTION = 2**30  # bytes


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
        A resolved model (`models.resolving`).
    model_options : dict
        The model's entry in the configuration.
    texts : sequence of dict
        ``id``, ``group``, ``text`` and perhaps ``label``.

    Raises
    ------
    InputError
        See `load_model`, `tokenise`, `token_spans`, `residual_stream`; if there are more than
        `MOST_SENTENCES` texts or their attention weights take more than `MOST_ATTENTION`, if a text
        has a prefix or is longer than the model's context, or if the architecture gives no
        attention weights.
    """
    if len(texts) > MOST_SENTENCES:
        raise InputError(
            f"there are {len(texts):,} sentences, but all states of at most {MOST_SENTENCES} are "
            f"kept; set `sample: {{first: {MOST_SENTENCES}}}` of the data set."
        )
    for text in texts:
        if "prefix" in text:
            raise InputError(
                f"text '{text['id']}' has a prefix, whose states are not kept; choose a data set "
                "without a `prefix:` in its `variants:`."
            )
    reads = reader(record, model_options, {}, texts, layers, device)
    layers, tokens, tokenizer = reads.layers, reads.tokens, reads.tokenizer
    reads.model.set_attn_implementation("eager")
    front = token_left_out(tokenizer, model_options["bos"], reads.name)
    for text, cut in zip(texts, tokens.truncated, strict=True):
        if cut:
            raise InputError(
                f"text '{text['id']}' ({text['text'][:40]} ...) has more tokens than the "
                f"{context_window(reads.model)} that model '{reads.name}' can read; shorten it."
            )
    _check_size(tokens, model_options["layers"])
    offsets = tokens.kept_offsets
    spans = token_spans(tokenizer, texts, model_options["bos"])
    states = np.empty((len(layers), offsets[-1], model_options["width"]), dtype=np.float32)
    attention = np.empty(
        (model_options["layers"], int((np.diff(offsets) ** 2).sum())), dtype=np.float32
    )

    def take(layer: Layer, text: int, rows: torch.Tensor) -> None:
        states[layers.index(layer), offsets[text] : offsets[text + 1]] = rows.numpy()

    extraction = reads.extraction(take)
    starts = np.cumsum([0, *(np.diff(offsets) ** 2)])

    def receive(block: int, weights: torch.Tensor, _: torch.Tensor) -> None:
        (number,) = extraction.batch
        mean = weights[0].float().mean(dim=0)
        attention[block, starts[number] : starts[number + 1]] = mean.cpu().numpy().ravel()

    with attention_weights(reads.model, reads.name, receive):
        extraction.run_alone(range(len(texts)), reads.device)
    return Sentences(
        ids=np.array([text["id"] for text in texts]),
        groups=np.array([text["group"] for text in texts]),
        labels=np.array([text.get("label", "") for text in texts]),
        texts=np.array([text["text"] for text in texts]),
        offsets=offsets,
        tokens=np.array(_words(tokenizer, texts, tokens, spans)),
        spans=spans,
        layers=tuple(map(str, layers)),
        states=states,
        attention=attention,
        provenance=provenance | {"left_out_in_front": front},
    )


def token_spans(tokenizer: Any, texts: Sequence[dict[str, str]], bos: bool) -> NDArray[np.int64]:
    """Which characters of its text every token covers, first and behind the last, shape (R, 2).

    The tokens are those of `tokenise`. One in front (``bos``) covers none: (0, 0). Several tokens
    that spell one character in bytes all cover it.

    Raises
    ------
    InputError
        If the tokenizer does not know.
    """
    if not tokenizer.is_fast:
        raise InputError(
            f"the tokenizer in {tokenizer.name_or_path} cannot tell which characters a token "
            "covers (it is no fast tokenizer); use a model with tokenizer.json."
        )
    encoded = tokenizer(
        [text["text"] for text in texts],
        add_special_tokens=False,
        return_attention_mask=False,
        return_offsets_mapping=True,
        verbose=False,
    )
    front = [(0, 0)] if bos else []
    spans = [span for of_text in encoded["offset_mapping"] for span in (*front, *of_text)]
    return np.array(spans, dtype=np.int64)


def _words(
    tokenizer: Any, texts: Sequence[dict[str, str]], tokens: Tokens, spans: NDArray[np.int64]
) -> list[str]:
    """The part of its text that every token covers, or the token's own name if it covers none."""
    of_texts = np.split(spans, tokens.offsets[1:-1])
    covered = [
        text["text"][start:end]
        for text, of_text in zip(texts, of_texts, strict=True)
        for start, end in of_text
    ]
    return [
        said or tokenizer.decode([int(token)])
        for said, token in zip(covered, tokens.ids, strict=True)
    ]


def _check_size(tokens: Tokens, blocks: int) -> None:
    lengths = tokens.lengths
    needed = blocks * 4 * int((lengths**2).sum())
    if needed > MOST_ATTENTION:
        raise InputError(
            f"attention weights of {blocks} blocks between the tokens of {len(lengths)} sentences "
            f"(up to {lengths.max():,} tokens) would take {needed / 2**30:.1f} GiB, but at most "
            f"{MOST_ATTENTION / 2**30:.1f} are kept; set `sample:` of the data set to fewer, or "
            "shorten them."
        )
