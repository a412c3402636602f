"""Tokenizers with as many tokens as the real ones of four families, in their files.

The real vocabularies are on the hub. These are learnt from the standard library of Python, which
every machine has: they have the right number of tokens, and other tokens.
"""

from __future__ import annotations

import json
import sysconfig
from pathlib import Path
from typing import Any

from matrix_entropy.models.stand_ins import END_OF_TEXT, train_tokenizer

TOKENS = 50257
OPT_TOKENS = 50265
OPT_BEGINS = ["<s>", "<pad>", "</s>", "<unk>"]
LLAMA_TOKENS = 32000
LLAMA_BEGINS = ["<unk>", "<s>", "</s>"]
SPACE = "\u2581"  # in front of a word of Llama

Files = dict[str, Any]  # by name: a text, or what is to be written as JSON


def learnt(kept: Path) -> dict[str, Any]:
    """The tokenizer as `tokenizers` writes it, which is kept in a file: learning takes a minute."""
    if not kept.is_file():
        library = Path(sysconfig.get_path("stdlib"))
        sources = (path for path in sorted(library.rglob("*.py")) if "packages" not in str(path))
        texts = [path.read_text(encoding="utf-8", errors="replace") for path in sources]
        kept.write_text(train_tokenizer(texts, TOKENS).backend_tokenizer.to_str())
    found: dict[str, Any] = json.loads(kept.read_text())
    assert len(found["model"]["vocab"]) == TOKENS
    return found


def two_files(tokenizer: dict[str, Any]) -> Files:
    """vocab.json and merges.txt alone, as Cerebras-GPT has them; the end of a text is the last."""
    merges = "\n".join(" ".join(pair) for pair in tokenizer["model"]["merges"])
    vocabulary = {token: number for number, token in enumerate(_in_order(tokenizer))}
    return {"vocab.json": vocabulary, "merges.txt": f"#version: 0.2\n{merges}\n"}


def gpt2(tokenizer: dict[str, Any]) -> Files:
    """The same with a tokenizer.json, and a tokenizer_config.json of one key."""
    files = two_files(tokenizer)
    added = tokenizer["added_tokens"][0] | {"id": len(files["vocab.json"]) - 1}
    whole = tokenizer | {
        "added_tokens": [added],
        "model": tokenizer["model"] | {"vocab": files["vocab.json"]},
    }
    return files | {"tokenizer.json": whole, "tokenizer_config.json": {"model_max_length": 1024}}


def gpt_neox(tokenizer: dict[str, Any]) -> Files:
    """A tokenizer.json; the end of a text is the first token."""
    named = dict.fromkeys(("bos_token", "eos_token", "unk_token"), END_OF_TEXT)
    settings = {"add_prefix_space": False, "tokenizer_class": "GPTNeoXTokenizer"}
    return {
        "tokenizer.json": tokenizer,
        "tokenizer_config.json": settings | named,
        "special_tokens_map.json": named,
    }


def opt(tokenizer: dict[str, Any]) -> Files:
    """vocab.json with tokens of its own in front, merges.txt, and settings that name no class."""
    tokens = [*OPT_BEGINS, *_in_order(tokenizer)[:-1]]
    tokens += [f"madeupword{number:04}" for number in range(OPT_TOKENS - len(tokens))]
    named = {"bos_token": "</s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "</s>"}
    return {
        "vocab.json": {token: number for number, token in enumerate(tokens)},
        "merges.txt": two_files(tokenizer)["merges.txt"],
        "tokenizer_config.json": named | {"add_prefix_space": False, "add_bos_token": True},
        "special_tokens_map.json": named,
    }


def llama(tokenizer: dict[str, Any], *added: str) -> Files:
    """A tokenizer.json of Llama's kind: spaces and bytes are tokens, and one begins every text."""
    known = [token.replace("\u0120", SPACE) for token in _in_order(tokenizer)[:-1]]
    tokens = LLAMA_BEGINS + [f"<0x{byte:02X}>" for byte in range(256)]
    tokens += [token for token in known if token.replace(SPACE, "").isascii()]
    tokens = tokens[:LLAMA_TOKENS]
    tokens += [f"madeupword{number:05}" for number in range(LLAMA_TOKENS - len(tokens))]
    kept = set(tokens)
    merges = [
        [part.replace("\u0120", SPACE) for part in pair] for pair in tokenizer["model"]["merges"]
    ]
    special = [*enumerate(LLAMA_BEGINS), *enumerate(added, LLAMA_TOKENS)]
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    begin = {"SpecialToken": {"id": "<s>", "type_id": 0}}
    text = {"Sequence": {"id": "A", "type_id": 0}}
    begins = {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}
    replaced = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    back = {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}
    strip = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
    whole = {
        "version": "1.0",
        "added_tokens": [
            {"id": number, "content": token, "special": True} | flags for number, token in special
        ],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [{"type": "Prepend", "prepend": SPACE}, replaced],
        },
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [begin, text],
            "pair": [begin, text, text],
            "special_tokens": begins,
        },
        "decoder": {
            "type": "Sequence",
            "decoders": [back, {"type": "ByteFallback"}, {"type": "Fuse"}, strip],
        },
        "model": {
            "type": "BPE",
            "unk_token": "<unk>",
            "fuse_unk": True,
            "byte_fallback": True,
            "vocab": {token: number for number, token in enumerate(tokens)},
            "merges": [pair for pair in merges if kept.issuperset([*pair, "".join(pair)])],
        },
    }
    named = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    settings = {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "legacy": False}
    return {"tokenizer.json": whole, "tokenizer_config.json": settings | named}


def _in_order(tokenizer: dict[str, Any]) -> list[str]:
    """All tokens, the end of a text, which is learnt as the first, behind the others."""
    vocabulary = tokenizer["model"]["vocab"]
    first, *others = sorted(vocabulary, key=vocabulary.__getitem__)
    assert first == END_OF_TEXT
    return [*others, first]
