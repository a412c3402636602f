"""Small GGUF files, as llama.cpp's converter writes them, and a wheel that holds one."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from gguf.quants import quantize
from transformers import AutoModelForCausalLM, LlamaConfig

from matrix_entropy.models.stand_ins import train_tokenizer

BLOCKS, WIDTH, HEADS, KEY_HEADS = 2, 64, 4, 2
TEXTS = ["a fox and a lighthouse", "the old ferry rang its bell in the fog"] * 20

Q8_0, Q4_1 = gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.Q4_1
# By the end of a tensor's name in the file, how it is stored; all others are F32.
STORED = {"token_embd.weight": Q8_0, "ffn_up.weight": Q4_1, "attn_q.weight": Q4_1}


def small_llama(vocabulary: int) -> Any:
    """A Llama with tied embeddings and random weights."""
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=WIDTH,
        intermediate_size=96,
        num_hidden_layers=BLOCKS,
        num_attention_heads=HEADS,
        num_key_value_heads=KEY_HEADS,
        max_position_embeddings=128,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return AutoModelForCausalLM.from_config(config).eval()


def names_in_file(model: Any) -> dict[str, str]:
    """The file's names of a Llama's tensors, by those of transformers."""
    places = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, BLOCKS)
    return {
        name: f"{places.get_name(name.removesuffix('.weight'))}.weight"
        for name in model.state_dict()
        if name != "lm_head.weight"
    }


def turned(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of queries or keys in the order in which llama.cpp turns them by pairs."""
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, weight.shape[1])
    return halves.swapaxes(1, 2).reshape(weight.shape)


def tensors_of(model: Any) -> dict[str, np.ndarray]:
    """A Llama's tensors as the file has them before they are quantised."""
    found = {}
    for name, there in names_in_file(model).items():
        weight = model.state_dict()[name].numpy()
        if there.endswith(("attn_q.weight", "attn_k.weight")):
            weight = turned(weight, HEADS if "attn_q" in there else KEY_HEADS)
        found[there] = weight
    return found


def stored_as(name: str) -> gguf.GGMLQuantizationType:
    """How a tensor is stored."""
    kinds = (kind for end, kind in STORED.items() if name.endswith(end))
    return next(kinds, gguf.GGMLQuantizationType.F32)


def write_gguf(
    path: Path,
    architecture: str = "llama",
    left_out: Collection[str] = (),
    more: dict[str, np.ndarray] | None = None,
    values: dict[str, Any] | None = None,
    way: str = "gpt-2",
) -> Any:
    """Write a small model to ``path``; the model as it was before it was quantised.

    Parameters
    ----------
    path : Path
    architecture : str
        What the file says that it is.
    left_out : collection of str
        Tensors of the file that are not written.
    more, values : dict, optional
        Tensors and values of the header that are written besides, or instead.
    way : str
        How the file says that texts are cut into words.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    tokenizer = train_tokenizer(TEXTS, 300)
    model = small_llama(len(tokenizer))
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_block_count(BLOCKS)
    writer.add_context_length(128)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(96)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(len(tokenizer))
    adding = {str: writer.add_string, int: writer.add_uint32, float: writer.add_float32}
    for key, value in (values or {}).items():
        adding.get(type(value), writer.add_array)(key, value)
    _add_tokenizer(writer, tokenizer, way)
    for name, weight in (tensors_of(model) | (more or {})).items():
        if name not in left_out:
            kind = stored_as(name)
            quantised = kind != gguf.GGMLQuantizationType.F32
            data = quantize(weight, kind) if quantised else weight
            writer.add_tensor(name, data, raw_dtype=kind if quantised else None)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Any, way: str) -> None:
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    special = set(tokenizer.all_special_tokens)
    normal, control = gguf.TokenType.NORMAL, gguf.TokenType.CONTROL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(way)
    writer.add_token_list([token for token, _ in vocabulary])
    writer.add_token_types([control if token in special else normal for token, _ in vocabulary])
    writer.add_token_merges(merges_of(tokenizer))
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)


def merges_of(tokenizer: Any) -> list[str]:
    """The pairs that a byte-level tokenizer joins, in their order."""
    import json

    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    return [pair if isinstance(pair, str) else " ".join(pair) for pair in merges]


def write_wheel(
    folder: Path, files: dict[str, bytes], name: str = "small-model", version: str = "1.0"
) -> tuple[Path, str]:
    """A wheel that pip accepts, with these files in it; its path and SHA-256."""
    called = name.replace("-", "_")
    about = f"{called}-{version}.dist-info"
    tag = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = files | {
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{about}/WHEEL": tag.encode(),
    }
    lines = []
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(content)}\n")
    files[f"{about}/RECORD"] = "".join([*lines, f"{about}/RECORD,,\n"]).encode()
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{called}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return wheel, hashlib.sha256(wheel.read_bytes()).hexdigest()


def let_pip_know(wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pip find nothing but what is in a folder of wheels."""
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
