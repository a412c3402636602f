"""A MiniGPT-v2 of small widths, and the authors' files for it: their key names, made-up numbers."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import Blip2VisionConfig, LlamaConfig, LlamaForCausalLM

from matrix_entropy.models.stand_ins import train_tokenizer
from matrix_entropy.models.vision.minigpt_v2 import MiniGPTv2, MiniGPTv2Config

WIDTH, HEADS, BLOCKS, MLP = 32, 16, 2, 139
PATCH, SIZE = 4, 24  # 6 x 6 patches, 9 image tokens
STORED_SIDE = 3  # patches along the image that the ViT was trained on
LANGUAGE_WIDTH, LAYERS, RANK = 48, 2, 6
ALPHA = 16  # the authors'
PREFIX = "llama_model.base_model.model.model.layers"


def vision_config(size: int = SIZE) -> Blip2VisionConfig:
    return Blip2VisionConfig(
        hidden_size=WIDTH,
        intermediate_size=MLP,
        num_hidden_layers=BLOCKS,
        num_attention_heads=HEADS,
        image_size=size,
        patch_size=PATCH,
    )


def language_config(**options: Any) -> LlamaConfig:
    return LlamaConfig(
        **{
            "vocab_size": 300,
            "hidden_size": LANGUAGE_WIDTH,
            "intermediate_size": 48,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,  # so that a value matrix is not square
            "max_position_embeddings": 64,
            "tie_word_embeddings": False,
            **options,
        }
    )


@cache
def tokenizer() -> Any:
    return train_tokenizer(["a red circle on a blue square"] * 20, 300)


def drawn(seed: int, *shape: int, mean: float = 0.0, deviation: float = 0.3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return mean + deviation * torch.randn(shape, generator=generator)


def filled(module: torch.nn.Module, seed: int) -> Any:
    """A module with numbers in which no two parameters agree, biases and norms included."""
    with torch.no_grad():
        for i, parameter in enumerate(module.parameters()):
            parameter.copy_(drawn(1000 * seed + i, *parameter.shape, mean=0.1))
    return module.eval()


def small_model(seed: int = 0, **options: Any) -> MiniGPTv2:
    config = MiniGPTv2Config(vision_config(), language_config(**options))
    model: MiniGPTv2 = filled(MiniGPTv2(config, tokenizer(), "small"), seed)
    return model


def pictures(count: int = 2) -> list[Image.Image]:
    """Noise of several sizes, none of them square."""
    random = np.random.default_rng(5)
    return [
        Image.fromarray(random.integers(0, 256, (20 + 7 * i, 31, 3), dtype=np.uint8))
        for i in range(count)
    ]


def eva_weights(
    blocks: int = BLOCKS,
    stored_side: int = STORED_SIDE,
    vision: Blip2VisionConfig | None = None,
) -> dict[str, Tensor]:
    """EVA's key names, with what follows the blocks that MiniGPT-v2 uses."""
    vision = vision or vision_config()
    width, mlp, patch = vision.hidden_size, vision.intermediate_size, vision.patch_size
    shapes: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, width),
        "pos_embed": (1, 1 + stored_side**2, width),
        "patch_embed.proj.weight": (width, 3, patch, patch),
        "patch_embed.proj.bias": (width,),
    }
    for block in range(blocks + 1):
        shapes |= {
            f"blocks.{block}.{name}": shape
            for name, shape in {
                "norm1.weight": (width,),
                "norm1.bias": (width,),
                "attn.q_bias": (width,),
                "attn.v_bias": (width,),
                "attn.qkv.weight": (3 * width, width),
                "attn.proj.weight": (width, width),
                "attn.proj.bias": (width,),
                "norm2.weight": (width,),
                "norm2.bias": (width,),
                "mlp.fc1.weight": (mlp, width),
                "mlp.fc1.bias": (mlp,),
                "mlp.fc2.weight": (width, mlp),
                "mlp.fc2.bias": (width,),
            }.items()
        }
    shapes |= {"norm.weight": (width,), "norm.bias": (width,), "head.weight": (10, width)}
    return {
        # Half precision, as the file has it.
        key: drawn(i, *shape, mean=0.1).half()
        for i, (key, shape) in enumerate(shapes.items())
    }


def trained_weights(
    default: str = "", vision_width: int = WIDTH, language: LlamaConfig | None = None
) -> dict[str, Tensor]:
    """The checkpoint's ``"model"``; ``default`` is ``".default"`` in newer versions of peft."""
    language = language or language_config()
    width = language.hidden_size
    values = width * language.num_key_value_heads // language.num_attention_heads
    shapes: dict[str, tuple[int, ...]] = {
        "llama_proj.weight": (width, 4 * vision_width),
        "llama_proj.bias": (width,),
    }
    for layer in range(language.num_hidden_layers):
        for target, out in (("q_proj", width), ("v_proj", values)):
            name = f"{PREFIX}.{layer}.self_attn.{target}"
            shapes[f"{name}.lora_A{default}.weight"] = (RANK, width)
            shapes[f"{name}.lora_B{default}.weight"] = (out, RANK)
        shapes[f"{PREFIX}.{layer}.self_attn.rotary_emb.inv_freq"] = (4,)
    return {key: drawn(100 + i, *shape) for i, (key, shape) in enumerate(shapes.items())}


def language_model() -> LlamaForCausalLM:
    """What stands for Llama-2-7b-chat, in float32."""
    model: LlamaForCausalLM = filled(LlamaForCausalLM(language_config()), 7)
    return model


def save_language_model(folder: Path) -> LlamaForCausalLM:
    """A folder as that of Llama-2-7b-chat; the model in it."""
    model = language_model()
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return model


def save_authors_files(folder: Path, **changed: Any) -> dict[str, Path]:
    """The four sources in a folder, by the parameter of `convert_minigpt_v2` that takes them.

    ``eva`` and ``trained`` replace what is in those files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(changed.get("eva", eva_weights()), folder / "eva_vit_g.pth")
    stored = {
        "model": changed.get("trained", trained_weights()),
        "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 1e-5}]},
        "config": {"model": {"arch": "minigpt_v2"}},
        "epoch": 49,
    }
    torch.save(stored, folder / "checkpoint.pth")
    save_language_model(folder / "llama")
    return {
        "checkpoint": folder / "checkpoint.pth",
        "eva": folder / "eva_vit_g.pth",
        "language": folder / "llama",
        "folder": folder / "converted",
    }
