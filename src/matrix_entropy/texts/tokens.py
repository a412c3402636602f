"""Texts as tokens: ids and offsets known before any model runs, and batches of similar length."""

from __future__ import annotations

import logging
import random
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import writing

log = logging.getLogger("matrix_entropy")

# A batch is padded to its longest text; a text much shorter than that begins the next batch.
LARGEST_PADDING = 0.15

TEXTS_AT_A_TIME = 256

# Stands between two texts of a corpus that is read in windows.
BETWEEN_TEXTS = "\n\n"


class Encoded(NamedTuple):
    """Ids of a text, those of its prefix included, and the number of those of the prefix alone."""

    ids: NDArray[np.int64]
    before: int


@dataclass(frozen=True)
class Tokens:
    """Token ids of all texts one after another, with the beginning-of-sequence rows if any.

    ``context`` counts the tokens at the beginning of each text that the model reads but whose rows
    are not kept: those of a prefix.
    """

    ids: NDArray[np.int64]
    offsets: NDArray[np.int64]
    truncated: NDArray[np.bool_]
    context: NDArray[np.int64]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens that the model reads, per text."""
        return np.diff(self.offsets)

    @property
    def kept_offsets(self) -> NDArray[np.int64]:
        """Where each text's kept rows begin."""
        return np.cumsum([0, *(self.lengths - self.context)])

    def of(self, text: int) -> NDArray[np.int64]:
        """Ids of one text, its prefix included."""
        return self.ids[self.offsets[text] : self.offsets[text + 1]]

    def kept_ids(self) -> NDArray[np.int64]:
        """Ids of the kept rows of all texts."""
        if not self.context.any():
            return self.ids
        texts = range(len(self.context))
        return np.concatenate(
            [np.empty(0, np.int64), *(self.of(t)[self.context[t] :] for t in texts)]
        )

    def some(self, texts: slice) -> Tokens:
        """The tokens of some consecutive texts."""
        first, last, _ = texts.indices(len(self.context))
        offsets = self.offsets[first : last + 1]
        return Tokens(
            self.ids[offsets[0] : offsets[-1]],
            offsets - offsets[0],
            self.truncated[first:last],
            self.context[first:last],
        )


def tokenise(
    tokenizer: Any,
    texts: Sequence[dict[str, str]],
    bos: bool,
    limit: int | None = None,
    window: int | None = None,
    fewest: int = 0,
    encoded: Sequence[Encoded] | None = None,
) -> tuple[Tokens, list[int]]:
    """Token ids of every text, without special tokens but for one in front if ``bos``.

    Parameters
    ----------
    limit : int, optional
        Most rows kept of a text, the one in front counted; longer texts are cut and marked.
    window : int, optional
        Most tokens the model can read, prefix included.
    fewest : int
        Texts of fewer tokens (before any cut, the one in front not counted) are left out.
    encoded : sequence of Encoded, optional
        What `encode` gave, if that has been done already.

    Returns
    -------
    tokens : Tokens
        Of the texts that are left.
    chosen : list of int
        Their positions in ``texts``.

    Raises
    ------
    InputError
        If ``bos`` is asked of a tokenizer that has no such token, a text has no token, a prefix
        leaves no room for its text, or no text is long enough.
    """
    if bos and tokenizer.bos_token_id is None:
        raise InputError(
            f"the tokenizer in {tokenizer.name_or_path} has no beginning-of-sequence token; set "
            "`bos: false` for this model."
        )
    front = np.array([tokenizer.bos_token_id] if bos else [], dtype=np.int64)
    # One array that grows: an object for each of many texts would take more than its ids.
    together = array("q")
    lengths, truncated, context, chosen = [], [], [], []
    each = _encoding(tokenizer, texts) if encoded is None else encoded
    for number, (text, (ids, before)) in enumerate(zip(texts, each, strict=True)):
        if len(ids) == before:
            raise InputError(f"text '{text['id']}' has no token for this model; remove it.")
        if len(ids) - before < fewest:
            continue
        # In front of a prefix the extra row belongs to what is not kept.
        unkept = before + len(front) if before else 0
        room = min(
            window if window is not None else len(front) + len(ids),
            unkept + limit if limit is not None else len(front) + len(ids),
        )
        if room <= unkept:
            raise InputError(
                f"the prefix of text '{text['id']}' has {before} tokens and fills the model's "
                f"context of {window}; shorten it."
            )
        truncated.append(len(front) + len(ids) > room)
        together.frombytes(front.tobytes())
        together.frombytes(ids[: room - len(front)].tobytes())
        lengths.append(min(len(front) + len(ids), room))
        context.append(unkept)
        chosen.append(number)
    if not chosen:
        raise InputError(
            f"none of the {len(texts)} texts has the {fewest} tokens that `min_tokens:` asks for; "
            "lower it."
        )
    offsets = np.cumsum([0, *lengths])
    tokens = Tokens(
        np.frombuffer(together, dtype=np.int64), offsets, np.array(truncated), np.array(context)
    )
    return tokens, chosen


def encode(tokenizer: Any, texts: Sequence[dict[str, str]]) -> list[Encoded]:
    """Ids of every text without special tokens, whole.

    A text with a ``prefix`` is tokenised together with it, as a model would read both. A token
    belongs to the text if any of its characters does, also where prefix and text share it. With
    ``in_its_place`` or ``drawn_with`` (`texts.variants.vary`) other tokens stand in the place of
    the prefix's, but for the line break at its end: as many.

    Raises
    ------
    InputError
        If there is a prefix and the tokenizer cannot tell which token is whose, or a text has not
        as many tokens as the prefix in whose place it stands.
    """
    return list(_encoding(tokenizer, texts))


def _encoding(tokenizer: Any, texts: Sequence[dict[str, str]]) -> Iterator[Encoded]:
    """`encode`, one text after another."""
    # In pieces, since what a tokenizer gives is many times larger than the ids that are kept.
    for start in range(0, len(texts), TEXTS_AT_A_TIME):
        piece = texts[start : start + TEXTS_AT_A_TIME]
        prefixes = [text.get("prefix", "") for text in piece]
        if any(prefixes) and not tokenizer.is_fast:
            raise InputError(
                f"the tokenizer in {tokenizer.name_or_path} cannot tell which token belongs to a "
                "prefix (it is no fast tokenizer); use a model with tokenizer.json."
            )
        encoded = tokenizer(
            [prefix + text["text"] for prefix, text in zip(prefixes, piece, strict=True)],
            add_special_tokens=False,
            return_attention_mask=False,
            return_offsets_mapping=any(prefixes),
            verbose=False,
        )
        for at, prefix in enumerate(prefixes):
            before, ids = 0, np.array(encoded["input_ids"][at], dtype=np.int64)
            if prefix:
                ends = [end for _, end in encoded["offset_mapping"][at]]
                before = sum(end <= len(prefix) for end in ends)
                words = sum(end <= len(prefix.rstrip()) for end in ends)
                ids[:words] = _in_place_of(tokenizer, ids[:words], piece[at])
            yield Encoded(ids, before)


def _in_place_of(
    tokenizer: Any, ids: NDArray[np.int64], text: dict[str, str]
) -> NDArray[np.int64] | list[int]:
    """As many tokens as a prefix has: its own, those of another text, or random ones."""
    if "drawn_with" in text:
        ordinary = set(tokenizer.get_vocab().values()) - set(tokenizer.all_special_ids)
        # From a string the generator takes SHA-512, not Python's hash, which is salted.
        return random.Random(text["drawn_with"]).choices(sorted(ordinary), k=len(ids))
    if "in_its_place" not in text:
        return ids
    found: list[int] = tokenizer(text["in_its_place"], add_special_tokens=False)["input_ids"]
    if len(found) < len(ids):
        raise InputError(
            f"variant '{text['group']}': its `text:` has {len(found)} tokens for this model, fewer "
            f"than the {len(ids)} of the prefix in whose place it stands; make it longer."
        )
    return found[: len(ids)]


def token_left_out(tokenizer: Any, bos: bool, model_name: str) -> str | None:
    """The token that a tokenizer puts in front of texts by itself, where that is left out."""
    alone = tokenizer("a", add_special_tokens=False)["input_ids"]
    ids = tokenizer("a")["input_ids"]
    if bos or len(ids) == len(alone) or ids[0] not in tokenizer.all_special_ids:
        return None
    token = str(tokenizer.convert_ids_to_tokens(ids[0]))
    log.info(
        "the tokenizer of '%s' puts %s in front of texts by itself, which is left out: `bos: true` "
        "for the model puts one there and counts it as a row",
        model_name, token,
    )  # fmt: skip
    return token


def check_vocabulary(
    ids: NDArray[np.int64], vocabulary: int, tokenizer: Any, model_name: str
) -> None:
    """See that a model has an embedding for every token that it is to read.

    Raises
    ------
    InputError
        If its ``vocabulary`` is smaller; the first token beyond it is named.
    """
    beyond = ids[ids >= vocabulary]
    if len(beyond):
        raise InputError(
            f"model '{model_name}' has embeddings of {vocabulary:,} tokens, but its tokenizer "
            f"knows more: a text has '{tokenizer.convert_ids_to_tokens(int(beyond[0]))}', token "
            f"{beyond[0]}; put the tokenizer into the model's folder that it was trained with."
        )


def corpus_windows(
    tokenizer: Any,
    texts: Sequence[dict[str, str]],
    length: int,
    encoded: Sequence[Encoded] | None = None,
) -> tuple[Tokens, list[str]]:
    """All texts of a group one after another, a blank line between them, cut into windows.

    ``encoded`` is what `encode` gave for the texts, if that has been done already.

    Returns
    -------
    tokens : Tokens
        One window of ``length`` tokens after another; the last of a group may be shorter, and one
        of a single token, which predicts nothing, is left out.
    groups : list of str
        The group of each window.
    """
    between = tokenizer(BETWEEN_TEXTS, add_special_tokens=False)["input_ids"]
    streams: dict[str, list[NDArray[np.int64]]] = {}
    encoded = encode(tokenizer, texts) if encoded is None else encoded
    for text, (ids, before) in zip(texts, encoded, strict=True):
        stream = streams.setdefault(text["group"], [])
        stream.append(np.array([*(between if stream else []), *ids[before:]], dtype=np.int64))
    windows, groups = [], []
    for group, parts in streams.items():
        stream_ids = np.concatenate(parts)
        for start in range(0, len(stream_ids) - 1, length):
            windows.append(stream_ids[start : start + length])
            groups.append(group)
    none = np.zeros(len(windows), dtype=np.int64)
    offsets = np.cumsum([0, *map(len, windows)])
    return Tokens(np.concatenate(windows), offsets, none.astype(bool), none), groups


def batches_by_length(
    texts: Sequence[int],
    lengths: NDArray[np.int64],
    budget: int,
    most: int | None = None,
    limits: Sequence[int] = (),
) -> list[list[int]]:
    """Texts in batches of similar length whose padded size is at most ``budget`` tokens.

    The longest come first, so that a batch too large for the memory shows itself at once. A text
    longer than the budget is a batch of its own. No batch has more than ``most`` texts, nor texts
    on both sides of one of the ``limits``, beyond which the model computes otherwise.
    """
    batches: list[list[int]] = []
    for text in sorted(texts, key=lambda text: (-lengths[text], text)):
        longest, size = (lengths[batches[-1][0]], len(batches[-1])) if batches else (0, 0)
        fits = 0 < size < (most or size + 1) and longest * (size + 1) <= budget
        apart = any(lengths[text] <= limit < longest for limit in limits)
        if fits and not apart and lengths[text] >= (1 - LARGEST_PADDING) * longest:
            batches[-1].append(text)
        else:
            batches.append([text])
    return batches


def token_arrays(
    tokens: Tokens,
    losses: NDArray[np.float32],
    texts: Sequence[dict[str, str]],
    more: dict[str, NDArray[Any]],
) -> dict[str, NDArray[Any]]:
    """What is known of all texts: per text ids, groups and offsets, per token id and loss.

    ``more`` holds, for the corpus read in windows, each window's group, mean loss and number of
    predicted tokens, empty arrays if it was not read so; and measures that the model gave.
    """
    return {
        "ids": np.array([text["id"] for text in texts]),
        "groups": np.array([text["group"] for text in texts]),
        "offsets": tokens.kept_offsets,
        "truncated": tokens.truncated,
        "token_ids": tokens.kept_ids(),
        "token_losses": losses,
        **more,
    }


def save_tokens(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write what `token_arrays` gave."""
    with writing(path) as temporary:
        np.savez(temporary, **arrays)  # type: ignore[arg-type]
