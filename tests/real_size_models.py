"""Models with random weights in the shapes and the files that the hub has them in.

A file is first laid out, with holes in the place of its weights, and then filled weight by weight
through a mapping, so that no more than one weight is held in memory. Nothing in it is learnt: what
such a model is good for is to be downloaded, converted, loaded and run.
"""

from __future__ import annotations

import json
import mmap
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

import real_size_tokenizers

SAFETENSORS = {torch.float32: "F32", torch.float16: "F16", torch.uint8: "U8", torch.bool: "BOOL"}
SPREAD = 0.02  # what all four families state as `initializer_range`
NOTHING = -1e4  # GPT-2's `masked_bias`: what a masked score became
MASKED = {"gpt2": "h.{}.attn", "gpt_neo": "h.{}.attn.attention", "gpt_neox": "layers.{}.attention"}
# Of LLaVA before its parts had a model around them: its name here, and there.
LLAVA_PARTS = {
    "model.vision_tower.": "vision_tower.vision_model.",
    "model.multi_modal_projector.": "multi_modal_projector.",
    "model.language_model.": "language_model.model.",
    "lm_head.": "language_model.lm_head.",
}


@dataclass(frozen=True)
class Layout:
    """How a repository of the hub holds a model."""

    config: dict[str, Any]  # config.json, as there
    dtype: torch.dtype
    tokenizer: Callable[[dict[str, Any]], dict[str, Any]]
    mask: torch.dtype | None = None  # of the causal masks that lie among the weights
    pickled: bool = False
    shards: int = 1
    # Names without that of the part under the output matrix, which is then not there.
    bare: bool = False


def gpt2_config(layers: int, width: int, heads: int, positions: int) -> dict[str, Any]:
    sizes = {"n_layer": layers, "n_embd": width, "n_head": heads, "n_positions": positions}
    ends = {"bos_token_id": 50256, "eos_token_id": 50256, "vocab_size": 50257}
    return {"model_type": "gpt2", "initializer_range": SPREAD, **sizes, **ends}


def cerebras(layers: int, width: int, heads: int, **layout: Any) -> Layout:
    config = gpt2_config(layers, width, heads, 2048) | {"activation_function": "gelu"}
    files = {"mask": torch.uint8, "pickled": True} | layout
    return Layout(config, torch.float32, real_size_tokenizers.two_files, **files)


GPT2_LARGE = Layout(
    gpt2_config(36, 1280, 20, 1024) | {"architectures": ["GPT2LMHeadModel"], "n_ctx": 1024},
    torch.float32,
    real_size_tokenizers.gpt2,
    mask=torch.float32,
    bare=True,
)
CEREBRAS_1_3B = cerebras(24, 2048, 16)
CEREBRAS_6_7B = cerebras(32, 4096, 32)
# The shapes of 1.3B in the files of 13B, for which most machines are too small.
CEREBRAS_IN_SHARDS = cerebras(24, 2048, 16, shards=2, bare=True)
PYTHIA_1_4B = Layout(
    {
        "architectures": ["GPTNeoXForCausalLM"],
        "model_type": "gpt_neox",
        "bos_token_id": 0,
        "eos_token_id": 0,
        "hidden_act": "gelu",
        "hidden_size": 2048,
        "initializer_range": SPREAD,
        "intermediate_size": 8192,
        "max_position_embeddings": 2048,
        "num_attention_heads": 16,
        "num_hidden_layers": 24,
        "rotary_emb_base": 10000,
        "rotary_pct": 0.25,
        "tie_word_embeddings": False,
        "torch_dtype": "float16",
        "use_parallel_residual": True,
        "vocab_size": 50304,
    },
    torch.float16,
    real_size_tokenizers.gpt_neox,
    mask=torch.bool,
)
OPT_1_3B = Layout(
    {
        "architectures": ["OPTForCausalLM"],
        "model_type": "opt",
        "activation_function": "relu",
        "bos_token_id": 2,
        "do_layer_norm_before": True,
        "eos_token_id": 2,
        "ffn_dim": 8192,
        "hidden_size": 2048,
        "init_std": SPREAD,
        "max_position_embeddings": 2048,
        "num_attention_heads": 32,
        "num_hidden_layers": 24,
        "pad_token_id": 1,
        "torch_dtype": "float16",
        "vocab_size": 50272,
        "word_embed_proj_dim": 2048,
    },
    torch.float16,
    real_size_tokenizers.opt,
    pickled=True,
    bare=True,
)


def write_model(
    layout: Layout, tokenizer: dict[str, Any], folder: Path, filled: bool = True
) -> dict[str, Path]:
    """Write a repository's files, and give them by name.

    Parameters
    ----------
    layout : Layout
    tokenizer : dict
        From `real_size_tokenizers.learnt`.
    folder : Path
    filled : bool
        Otherwise the weights stay holes, which are read as zeros and take no room on disk.
    """
    folder.mkdir(parents=True)
    settings = {"config.json": layout.config, **layout.tokenizer(tokenizer)}
    for name, content in settings.items():
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        (folder / name).write_text(text, encoding="utf-8")
    weights, buffers = named_weights(layout)
    parts = _in_parts(weights | buffers, layout.shards)
    stem, ending = ("pytorch_model", "bin") if layout.pickled else ("model", "safetensors")
    index = {}
    for number, part in enumerate(parts, 1):
        shard = f"-{number:05}-of-{len(parts):05}" if len(parts) > 1 else ""
        path = folder / f"{stem}{shard}.{ending}"
        mapped = (_pickle if layout.pickled else _safetensors)(path, part)
        index |= dict.fromkeys(part, path.name)
        for name, tensor in mapped.items() if filled else ():
            _fill(name, tensor, buffers.get(name))
    if len(parts) > 1:
        size = sum(tensor.nbytes for tensor in (weights | buffers).values())
        whole = {"metadata": {"total_size": size}, "weight_map": index}
        (folder / f"{stem}.{ending}.index.json").write_text(json.dumps(whole))
    return {path.name: path for path in folder.iterdir()}


def named_weights(layout: Layout) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Names and shapes of the weights of a repository, and of the masks between them, with values.

    An output matrix that is the embedding is the same tensor.
    """
    config = AutoConfig.for_model(**layout.config)
    sees = "vision_config" in layout.config
    kind = AutoModelForImageTextToText if sees else AutoModelForCausalLM
    with torch.device("meta"):
        model: Any = kind.from_config(config, dtype=layout.dtype)
    found = (model.base_model if layout.bare else model).state_dict()
    if not layout.bare and config.tie_word_embeddings:
        found["lm_head.weight"] = found["transformer.wte.weight"]
    elif config.model_type == "gpt_neox":
        found["embed_out.weight"] = found.pop("lm_head.weight")  # its name of before
    elif sees:
        for part, before in LLAVA_PARTS.items():
            found = {re.sub(rf"^{part}", before, name): held for name, held in found.items()}
    masks = {}
    if layout.mask is not None:
        whole = config.max_position_embeddings
        mask = torch.ones(1, 1, whole, whole, dtype=torch.bool).tril().to(layout.mask)
        inside = MASKED[config.model_type].format
        prefix = "" if layout.bare else f"{model.base_model_prefix}."
        for block in range(config.num_hidden_layers):
            masks[f"{prefix}{inside(block)}.bias"] = mask.clone()
            if not layout.bare:
                masked = torch.tensor(NOTHING, dtype=layout.dtype)
                masks[f"{prefix}{inside(block)}.masked_bias"] = masked
    return found, masks


def _in_parts(tensors: dict[str, Tensor], count: int) -> list[dict[str, Tensor]]:
    """The tensors in their order, in so many parts of about one size."""
    whole = sum(tensor.nbytes for tensor in tensors.values())
    parts: list[dict[str, Tensor]] = [{} for _ in range(count)]
    before = 0
    for name, tensor in tensors.items():
        parts[before * count // whole][name] = tensor
        before += tensor.nbytes
    return parts


def _safetensors(path: Path, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Lay a file out, and map its tensors, which are all zero."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    places, end = {}, 0
    for name, tensor in sorted(tensors.items(), key=lambda item: -item[1].element_size()):
        places[name] = end, end + tensor.nbytes
        kind = SAFETENSORS[tensor.dtype]
        header[name] = {"dtype": kind, "shape": [*tensor.shape], "data_offsets": places[name]}
        end += tensor.nbytes
    written = json.dumps(header).encode()
    written += b" " * (-len(written) % 8)
    start = 8 + len(written)
    with path.open("wb") as stream:
        stream.write(len(written).to_bytes(8, "little") + written)
        stream.truncate(start + end)
    content = torch.from_file(str(path), shared=True, size=start + end, dtype=torch.uint8)
    return {
        name: content[start + first : start + last]
        .view(tensors[name].dtype)
        .view(tensors[name].shape)
        for name, (first, last) in places.items()
    }


def _pickle(path: Path, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same for a file of ``torch.save``; a tensor of two names is there once."""
    # Memory that nobody touches takes none.
    empty = {id(held): torch.empty(held.shape, dtype=held.dtype) for held in tensors.values()}
    with torch.serialization.skip_data():
        torch.save({name: empty[id(tensor)] for name, tensor in tensors.items()}, path)
    with torch.serialization.set_default_mmap_options(mmap.MAP_SHARED):
        mapped: dict[str, Tensor] = torch.load(path, mmap=True, weights_only=True)
    return mapped


def _fill(name: str, tensor: Tensor, value: Tensor | None) -> None:
    """Give a tensor its value, or, from a seed that its name makes, those that a start has."""
    if value is not None:
        tensor.copy_(value)
    elif tensor.ndim == 1:
        tensor.fill_(0 if name.endswith("bias") else 1)
    else:
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        tensor.normal_(0, SPREAD, generator=generator)
