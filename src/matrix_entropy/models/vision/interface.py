"""What is asked of a vision-language model, and what all of them share.

A picture goes through the vision encoder, whose patches the connector makes into image tokens as
wide as the language model's own; the language model reads them in front of a text. Wei et al. 2024
measure entropies at five places of this way (section 6, figure 4),
`results.multimodal_metrics.POSITIONS`:

- ``h1_vision_encoder``: the patches, as the connector reads them;
- ``h2_connector``: the image tokens, as the connector gives them;
- ``h3_llm_image``: the language model's final states on the image tokens alone;
- ``h4_llm_text``: its final states on the text alone;
- ``h5_llm_image_text``: its final states on the image tokens and the text behind them, the rows of
  both.

Final states are those after the language model's last normalisation. If its tokenizer begins texts
with a token of its own, the language model reads one in front of the image and in front of a text
that stands alone; its row is none of the rows unless ``bos_counts`` is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from matrix_entropy.base.errors import InputError
from matrix_entropy.texts.tokens import encode

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor, nn


class VisionLanguage(Protocol):
    """A vision encoder, a connector and a causal language model, in evaluation mode."""

    name: str
    tokenizer: Any
    context: int | None
    """Most tokens that the language model reads, image tokens included; None: no limit."""
    connector: nn.Module
    """The module whose output, (batch, image tokens, width), is what `connect` gives."""
    vision_parts: list[nn.Module]
    """What `patches` and `connect` need on the device; none of it is in ``language_parts``."""
    language_parts: list[nn.Module]
    """What `embed` and `read` need on the device."""

    def sizes(self) -> dict[str, int]:
        """``layers``, ``width``, ``image_size`` and ``patch`` of the vision encoder, and the
        ``image_tokens`` that the connector makes of an image."""
        ...

    def patches(self, images: list[Image.Image]) -> Tensor:
        """(batch, patches, vision width): the rows of H1, one per patch of the image.

        That is what the connector reads, without what the vision encoder adds to the patches (its
        class token). The images are preprocessed here and every one gives the same number of rows.
        """
        ...

    def connector_input(self, patches: Tensor) -> Tensor:
        """(batch, image tokens, any width): the rows that the connector makes image tokens of."""
        ...

    def connect(self, patches: Tensor) -> Tensor:
        """(batch, image tokens, width): the rows of H2, one per image token."""
        ...

    def embed(self, ids: Tensor) -> Tensor:
        """(batch, tokens, width): embeddings of token ids, on the language model's device."""
        ...

    def read(self, embeddings: Tensor) -> Tensor:
        """(batch, tokens, width): states after the last norm, a row for each embedding.

        The language model is causal: a row depends on the embeddings up to its own only.
        """
        ...


@dataclass(frozen=True)
class Texts:
    """The token ids of all texts, none of them special, and which were cut."""

    ids: list[NDArray[np.int64]]
    truncated: NDArray[np.bool_]


def read_texts(
    model: VisionLanguage, records: Sequence[dict[str, str]], max_tokens: int | None = None
) -> Texts:
    """The records' texts as the model's tokens, the one that begins a text not among them.

    Parameters
    ----------
    records : sequence of dict
        ``id`` and ``text``.
    max_tokens : int, optional
        Longer texts are cut to so many tokens and marked.

    Raises
    ------
    InputError
        If a text has no token.
    """
    ids = [encoded.ids for encoded in encode(model.tokenizer, records)]
    for record, of_text in zip(records, ids, strict=True):
        if not len(of_text):
            raise InputError(
                f"the text of record '{record['id']}' has no token for model '{model.name}'; "
                "remove the record."
            )
    limit = max_tokens or max(map(len, ids))
    return Texts([of_text[:limit] for of_text in ids], np.array([len(x) > limit for x in ids]))


def beginning(tokenizer: Any) -> list[int]:
    """The id that this tokenizer puts in front of every text, as a list; empty if it does not."""
    first: list[int] = tokenizer("a")["input_ids"][:1]
    return first if first == [tokenizer.bos_token_id] else []


def check_room(
    model: VisionLanguage, records: Sequence[dict[str, str]], texts: Texts, image_tokens: int
) -> None:
    """See that every text fits into the model's context behind an image's tokens.

    Raises
    ------
    InputError
        If one does not; the first is named, and to how many tokens texts would have to be cut.
    """
    if model.context is None:
        return
    room = model.context - image_tokens - len(beginning(model.tokenizer))
    if room < 1:
        raise InputError(
            f"model '{model.name}' reads {model.context} tokens, but an image alone has "
            f"{image_tokens}: there is no room for a text; use a model with a longer context."
        )
    too_long = [number for number, ids in enumerate(texts.ids) if len(ids) > room]
    if too_long:
        first = too_long[0]
        raise InputError(
            f"the text of record '{records[first]['id']}' has {len(texts.ids[first])} tokens, but "
            f"behind the {image_tokens} tokens of an image the context of model '{model.name}' "
            f"({model.context}) has room for {room}; {len(too_long)} of {len(records)} texts are "
            f"too long: set `max_tokens: {room}` for the data set, which cuts them, or remove them."
        )


def brought_to(inputs: Tensor, weight: Tensor) -> Tensor:
    """Inputs on the device of the weight that reads them; numbers, not ids, in its type too.

    An offloaded weight is on no device ("meta") until its module is called: accelerate's hooks then
    bring both to where the module runs, so such inputs stay where they are.
    """
    dtype = weight.dtype if inputs.is_floating_point() else inputs.dtype
    return inputs.to(inputs.device if weight.is_meta else weight.device, dtype)


@contextmanager
def reversed_image_tokens(model: VisionLanguage) -> Iterator[None]:
    """While open, the connector gives every image's tokens in reverse order.

    By a hook on the connector, which is removed at the end; the model itself is as before.
    """

    def hook(_: nn.Module, __: tuple, tokens: Tensor) -> Tensor:
        return tokens.flip(1)

    handle = model.connector.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
