"""MiniGPT-v2 out of parts that transformers has: EVA-CLIP's ViT-g, one linear layer, Llama-2-chat.

With the sizes of the released model, for one image:

    448 x 448 pixels  --ViT-g-->  1 + 1024 tokens of 1408  --LayerNorm, class token off-->
    1024 x 1408  --four in a row become one-->  256 x 5632  --linear-->  256 x 4096  -->  Llama-2

The ViT has 39 of EVA-CLIP's 40 blocks. The language model was trained with LoRA beside the query
and value matrices; here that product is already merged into them, so that this is an ordinary
Llama. Its folder is ``config.json``, safetensors and the tokenizer's files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from huggingface_hub import save_torch_state_dict
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import (
    Blip2VisionConfig,
    Blip2VisionModel,
    BlipImageProcessorPil,
    LlamaConfig,
    LlamaForCausalLM,
)

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import read_json, write_json, writing_folder
from matrix_entropy.models.loaded_weights import first_names
from matrix_entropy.models.loading import load_tokenizer
from matrix_entropy.models.loading_errors import explaining
from matrix_entropy.models.vision.interface import brought_to

ARCHITECTURE = "minigpt_v2"
LARGEST_FILE = "5GB"
OUTPUT_MATRIX = "language_model.lm_head.weight"


@dataclass(frozen=True)
class MiniGPTv2Config:
    """Sizes of a MiniGPT-v2.

    ``joined`` neighbouring patches become one image token; ``epsilon`` is that of the LayerNorm
    after the ViT, ten times the one in its blocks.
    """

    vision: Blip2VisionConfig
    language: LlamaConfig
    joined: int = 4
    epsilon: float = 1e-5

    def to_dict(self) -> dict[str, Any]:
        """What ``config.json`` holds; `from_dict` reads it."""
        parts = {"vision": self.vision.to_dict(), "language": self.language.to_dict()}
        for part in parts.values():
            part.pop("_name_or_path", None)  # a folder of this machine
        return {
            "architecture": ARCHITECTURE,
            "joined": self.joined,
            "epsilon": self.epsilon,
            **parts,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> MiniGPTv2Config:
        return cls(
            Blip2VisionConfig.from_dict(values["vision"]),
            LlamaConfig.from_dict(values["language"]),
            values["joined"],
            values["epsilon"],
        )


class MiniGPTv2(nn.Module):
    """MiniGPT-v2 as a `models.vision.interface.VisionLanguage`.

    The weights are those of an untrained model; `load_minigpt_v2` gives a trained one.

    Parameters
    ----------
    config : MiniGPTv2Config
    tokenizer
        The language model's.
    name : str
        What the configuration calls the model.

    Raises
    ------
    InputError
        If the image's patches cannot be joined in groups of ``config.joined``.
    """

    def __init__(self, config: MiniGPTv2Config, tokenizer: Any, name: str = ARCHITECTURE) -> None:
        super().__init__()
        vision, language = config.vision, config.language
        size: Any = vision.image_size
        patches = patches_along_a_side(vision) ** 2
        if patches % config.joined:
            raise InputError(
                f"model '{name}': an image of {size} x {size} pixels has {patches} patches, "
                f"which cannot be joined in groups of {config.joined}; choose another size."
            )
        self.name = name
        self.config = config
        self.tokenizer = tokenizer
        self.context: int | None = language.max_position_embeddings
        self.preprocess = BlipImageProcessorPil(size={"height": size, "width": size})
        self.vision_model = Blip2VisionModel(vision)
        # BLIP-2's own norm has the epsilon of the blocks.
        self.vision_model.post_layernorm = nn.Identity()  # type: ignore[assignment]
        self.ln_vision = nn.LayerNorm(vision.hidden_size, eps=config.epsilon)
        self.connector: nn.Module = nn.Linear(
            config.joined * vision.hidden_size, language.hidden_size
        )
        self.language_model = LlamaForCausalLM(language)
        self.vision_parts: list[nn.Module] = [self.vision_model, self.ln_vision, self.connector]
        # Not the output matrix: no logits are asked for.
        self.language_parts: list[nn.Module] = [self.language_model.model]

    def sizes(self) -> dict[str, int]:
        """Of the ViT, and the number of image tokens: a quarter of its patches."""
        vision: Any = self.config.vision
        return {
            "layers": vision.num_hidden_layers,
            "width": vision.hidden_size,
            "image_size": vision.image_size,
            "patch": vision.patch_size,
            "image_tokens": patches_along_a_side(vision) ** 2 // self.config.joined,
        }

    def tie_weights(self) -> None:
        """Give the output matrix the embeddings' numbers, where the language model shares them."""
        self.language_model.tie_weights()

    def pixels(self, images: list[Image.Image]) -> Tensor:
        """Images as the ViT reads them, shape (batch, 3, size, size).

        RGB, squeezed to a square by bicubic interpolation, minus CLIP's mean, over its deviation.
        """
        pixels: Tensor = self.preprocess(images, return_tensors="pt")["pixel_values"]
        return pixels

    def patches(self, images: list[Image.Image]) -> Tensor:
        """``LayerNorm(ViT(image))`` without the class token, shape (batch, patches, vision width).

        Patches are in reading order, row by row.
        """
        pixels = brought_to(self.pixels(images), next(self.vision_model.parameters()))
        tokens: Tensor = self.ln_vision(self.vision_model(pixels).last_hidden_state)
        return tokens[:, 1:]

    def connector_input(self, patches: Tensor) -> Tensor:
        """Four patches as one row, shape (batch, patches / 4, 4 · vision width)."""
        batch, count, width = patches.shape
        joined = self.config.joined
        return patches.reshape(batch, count // joined, joined * width)

    def connect(self, patches: Tensor) -> Tensor:
        """``W [p_4i; p_4i+1; p_4i+2; p_4i+3] + b`` for image token ``i``.

        Shape (batch, patches / 4, width) from (batch, patches, vision width): four patches that
        stand side by side in the image, as long as its rows hold a multiple of four.
        """
        tokens: Tensor = self.connector(self.connector_input(patches))
        return tokens

    def embed(self, ids: Tensor) -> Tensor:
        """Embeddings of token ids, shape (batch, tokens, width)."""
        table = self.language_model.model.embed_tokens
        embeddings: Tensor = table(brought_to(ids, table.weight))
        return embeddings

    def read(self, embeddings: Tensor) -> Tensor:
        """The language model's states after its last norm, shape (batch, tokens, width)."""
        states: Tensor = self.language_model.model(
            inputs_embeds=embeddings, use_cache=False
        ).last_hidden_state
        return states


def patches_along_a_side(vision: Blip2VisionConfig) -> int:
    """Patches along a side of the image, which is a square."""
    size: Any = vision.image_size  # a number here; other models' images may have two
    patch: Any = vision.patch_size
    return int(size // patch)


def save_minigpt_v2(model: MiniGPTv2, folder: Path) -> None:
    """Write a model for `load_minigpt_v2`, in the precision it has; the folder appears whole."""
    write_minigpt_v2(folder, model.config.to_dict(), model.state_dict(), model.tokenizer)


def write_minigpt_v2(
    folder: Path, config: dict[str, Any], weights: dict[str, Tensor], tokenizer: Any
) -> None:
    """Write ``config.json``, weights and tokenizer; the folder appears only when complete.

    Whatever stood there before is gone then. Weights may differ in precision.
    """
    if config["language"]["tie_word_embeddings"]:  # then one matrix goes by two names
        weights = {key: weights[key] for key in weights if key != OUTPUT_MATRIX}
    with writing_folder(folder) as part:
        save_torch_state_dict(weights, part, max_shard_size=LARGEST_FILE)
        tokenizer.save_pretrained(part)
        write_json(part / "config.json", config)


def load_minigpt_v2(folder: Path, dtype: str, name: str = ARCHITECTURE) -> MiniGPTv2:
    """The model in a folder, on the CPU, in evaluation mode.

    Parameters
    ----------
    folder : Path
        From `save_minigpt_v2` or `models.vision.minigpt_v2_checkpoint.convert_minigpt_v2`.
    dtype : str
        ``float32``, ``float16`` or ``bfloat16``, for all parameters.
    name : str
        What the configuration calls the model.

    Raises
    ------
    InputError
        If the folder holds no MiniGPT-v2, or its weights are damaged, not all of those that its
        ``config.json`` calls for, or others.
    """
    values = read_json(folder / "config.json") if (folder / "config.json").is_file() else {}
    if values.get("architecture") != ARCHITECTURE:
        raise InputError(
            f"model '{name}': {folder} holds no MiniGPT-v2 (no config.json with the architecture "
            f"'{ARCHITECTURE}'); delete the folder and make it again."
        )
    with explaining(f"model '{name}'", folder):
        config = MiniGPTv2Config.from_dict(values)
    tokenizer = load_tokenizer({"model": name, "folder": str(folder)})
    with explaining(f"model '{name}'", folder):
        model = empty_minigpt_v2(config, tokenizer, name)
    for path in sorted(folder.glob("*.safetensors")):
        try:
            stored = load_file(path)
            weights = {key: value.to(getattr(torch, dtype)) for key, value in stored.items()}
            unknown = model.load_state_dict(weights, strict=False, assign=True).unexpected_keys
        except (SafetensorError, RuntimeError) as error:
            last_line = str(error).strip().splitlines()[-1].strip()
            raise InputError(
                f"model '{name}': the weights in {path} cannot be used: {last_line}"
            ) from None
        if unknown:
            raise InputError(
                f"model '{name}': {path} has {len(unknown)} weights that MiniGPT-v2 has not "
                f"({first_names(unknown)}); delete the folder and make it again."
            )
    model.tie_weights()
    missing = [key for key, value in model.named_parameters() if value.is_meta]
    if missing:
        raise InputError(
            f"model '{name}': {folder} lacks {len(missing)} weights of MiniGPT-v2 "
            f"({first_names(missing)}); delete the folder and make it again."
        )
    return model.eval()


def empty_minigpt_v2(config: MiniGPTv2Config, tokenizer: Any, name: str) -> MiniGPTv2:
    """A model whose parameters have shapes and take up no memory yet."""
    with init_empty_weights():
        return MiniGPTv2(config, tokenizer, name)
