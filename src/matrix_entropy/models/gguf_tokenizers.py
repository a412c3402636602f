"""How the tokenizer in a GGUF file cuts a text into words before it joins bytes.

The file names its way by a word (``tokenizer.ggml.pre``) and holds no rule. transformers knows some
of these words and cuts as GPT-2 does for all others, which gives other tokens: SmolLM2 sets every
digit apart first, so that two line breaks before a number are one token and not two. Here the ways
that published tokenizers have are added, and a way that is not known is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import Regex, normalizers
from tokenizers.pre_tokenizers import ByteLevel, Digits, Punctuation, Sequence, Split
from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

from matrix_entropy.base.errors import InputError

WAY, KIND = "tokenizer.ggml.pre", "tokenizer.ggml.model"
BYTE_PAIRS = "gpt2"  # the one kind of tokenizer whose way is named

_GPT_2 = ByteLevel(add_prefix_space=False)
_BYTES = ByteLevel(add_prefix_space=False, use_regex=False)
_DIGITS = Sequence([Digits(individual_digits=True), _GPT_2])
_FALCON = Sequence(
    [
        Punctuation(behavior="contiguous"),
        _GPT_2,
        Digits(individual_digits=False),
        Split(Regex("[0-9][0-9][0-9]"), behavior="isolated"),
    ]
)
_BLOOM = Sequence([Split(Regex(r" ?[^(\s|.,!?…。，、।۔،)]+"), behavior="isolated"), _BYTES])

WAYS = {
    **dict.fromkeys(("gpt-2", "phi-2", "olmo", "mpt"), _GPT_2),
    **dict.fromkeys(("smollm", "starcoder", "refact"), _DIGITS),
    "falcon": _FALCON,
    "bloom": _BLOOM,
}
# Ways of tokenizers that first compose letters and their marks.
COMPOSING = ("qwen2", "qwen35", "olmo", "mpt")
# Ways of tokenizers that leave a word whole that is a token, though no merges lead to it.
WHOLE_WORDS = ("llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "tekken")


def check_way(name: str, path: Path, header: dict[str, Any]) -> None:
    """See that a file says how it cuts texts, and that this way is known.

    Raises
    ------
    InputError
        If not: its states would be those of other tokens.
    """
    if header.get(KIND) != BYTE_PAIRS or _way(header) in {*WAYS, *GGUF_PRE_TOKENIZER_SPLITS}:
        return
    way = header.get(WAY)
    said = f"cuts texts into words by {WAY} '{way}', which is not known here" if way else (
        f"does not say how it cuts texts into words ({WAY})"
    )  # fmt: skip
    raise InputError(
        f"model '{name}': {path} {said}, so that its tokens would be others than those that the "
        "model was trained on; give a folder of the model with its own tokenizer and safetensors "
        "weights instead (`path:` or `hub:`)."
    )


def cut_its_way(tokenizer: Any, header: dict[str, Any]) -> None:
    """Let a tokenizer out of a file cut texts as the file says."""
    if header.get(KIND) != BYTE_PAIRS:
        return
    way, backend = _way(header), tokenizer.backend_tokenizer
    if way in WAYS:
        backend.pre_tokenizer = WAYS[way]
    if way in COMPOSING:
        backend.normalizer = normalizers.NFC()
    if way in WHOLE_WORDS:
        backend.model.ignore_merges = True


def _way(header: dict[str, Any]) -> str | None:
    """The file's word; old files of GPT-2 itself have none."""
    plain = header.get("general.architecture") == "gpt2"
    return header.get(WAY, "gpt-2" if plain else None)
