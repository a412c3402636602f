"""Convert the authors' MiniGPT-v2, once: pickles from three places become safetensors in one.

What was trained, and only that, is in the authors' checkpoint; everything else is where they took
it from.

======================  ==================================  ====================================
file                    key there                           key here
======================  ==================================  ====================================
``eva_vit_g.pth``       cls_token                           E.class_embedding
(EVA-CLIP's ViT-g for   pos_embed (a)                       E.position_embedding
224 pixels, float16,    patch_embed.proj.*                  E.patch_embedding.*
40 blocks)              blocks.N.norm1.*                    V.layer_norm1.*
..                      blocks.N.attn.qkv.weight            V.self_attn.qkv.weight
..                      blocks.N.attn.{q,v}_bias (b)        V.self_attn.qkv.bias
..                      blocks.N.attn.proj.*                V.self_attn.projection.*
..                      blocks.N.norm2.*                    V.layer_norm2.*
..                      blocks.N.mlp.{fc1,fc2}.*            V.mlp.{fc1,fc2}.*
..                      the block after our last one,       not read: the authors' ViT ends
                        norm.*, fc_norm.*, head.*           before them
the checkpoint, under   llama_proj.*                        connector.*
``"model"`` (float32)   P.L.{q,v}_proj.lora_{A,B}.weight    merged (c) into
                        or ....lora_{A,B}.default.weight    language_model.L.{q,v}_proj.weight
..                      P.L.rotary_emb.inv_freq             not read: follows from the sizes
..                      ln_vision.* (d)                     ln_vision.*
BLIP-2's ``..._         ln_vision.* (d), under ``"model"``  ln_vision.*
flant5xxl.pth``         all others                          not read: BLIP-2's own
Llama-2-7b-chat,        all                                 language_model.*
a Hugging Face folder
======================  ==================================  ====================================

``E`` is ``vision_model.embeddings``, ``V`` ``vision_model.encoder.layers.N``, ``P``
``llama_model.base_model.model``, ``L`` ``model.layers.N.self_attn``; ``{q,v}`` means either.

(a) Stretched from 16 x 16 to 32 x 32 patches, see `stretched_positions`.
(b) ``[q_bias, 0, v_bias]``: keys have no bias.
(c) ``W + (alpha / rank) B A``, computed and kept in float32: the small product is not rounded to
    the half precision of ``W`` before the model is loaded in the precision of a run.
(d) Made fresh (weight 1, bias 0), unless the checkpoint has it or BLIP-2's file is named. So do
    the authors: they make this norm, freeze it, and store nothing frozen; MiniGPT-4 loads BLIP-2's
    values over it, MiniGPT-v2 does not.
"""

from __future__ import annotations

import logging
import math
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoConfig, Blip2VisionConfig, LlamaConfig, LlamaForCausalLM

from matrix_entropy.errors import InputError
from matrix_entropy.files import sha256, weights_sha256
from matrix_entropy.minigpt_v2 import (
    ARCHITECTURE,
    MiniGPTv2Config,
    empty_minigpt_v2,
    patches_along_a_side,
    some,
    write_minigpt_v2,
)
from matrix_entropy.models import load_tokenizer

log = logging.getLogger("matrix_entropy")

HEADS = 16
MLP_RATIO = 4.3637  # 6144 for 1408
ALPHA = 16
ADAPTED = ("q_proj", "v_proj")

EMBEDDINGS = {
    "cls_token": "embeddings.class_embedding",
    "pos_embed": "embeddings.position_embedding",
    "patch_embed.proj.weight": "embeddings.patch_embedding.weight",
    "patch_embed.proj.bias": "embeddings.patch_embedding.bias",
}
IN_BLOCK = {
    "norm1": "layer_norm1",
    "attn.proj": "self_attn.projection",
    "norm2": "layer_norm2",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}
AFTER_BLOCKS = ("norm.", "fc_norm.", "head.")
NORM = ("ln_vision.weight", "ln_vision.bias")
CONNECTOR = {"llama_proj.weight": "connector.weight", "llama_proj.bias": "connector.bias"}
LANGUAGE = "llama_model.base_model.model."


def eva_vit(layers: int, width: int, image_size: int, patch: int) -> Blip2VisionConfig:
    """EVA-CLIP's ViT as the authors build it, in sizes of which ViT-g's are (39, 1408, 448, 14).

    Sixteen heads, and an MLP as much wider than the rest as in ViT-g.
    """
    return Blip2VisionConfig(
        hidden_size=width,
        intermediate_size=int(width * MLP_RATIO),
        num_hidden_layers=layers,
        num_attention_heads=HEADS,
        image_size=image_size,
        patch_size=patch,
        hidden_act="gelu",
        layer_norm_eps=1e-6,
        qkv_bias=True,
    )


def convert_minigpt_v2(
    checkpoint: Path,
    eva: Path,
    language: Path,
    folder: Path,
    vision: Blip2VisionConfig,
    *,
    blip2: Path | None = None,
    alpha: float = ALPHA,
    fetch_from: str | None = None,
) -> None:
    """Write the authors' model as a folder for `matrix_entropy.minigpt_v2.load_minigpt_v2`.

    The three pickles are read with torch's reader that runs no code. At full size about 20 GB of
    memory are needed, and 16 GB of disk.

    Parameters
    ----------
    checkpoint : Path
        The authors' ``.pth`` after stage 2, stage 3 or of their demonstration.
    eva : Path
        ``eva_vit_g.pth``.
    language : Path
        Folder of Llama-2-7b-chat with safetensors weights and tokenizer.
    folder : Path
        Where to write; ``config.json`` keeps the sources' hashes under ``sources``.
    vision : Blip2VisionConfig
        From `eva_vit`: the sizes of the ViT, with the image size that MiniGPT-v2 works at.
    blip2 : Path, optional
        ``blip2_pretrained_flant5xxl.pth``, for its ``ln_vision``.
    alpha : float
        LoRA's factor, which no weight tells; the rank is that of the matrices.
    fetch_from : str, optional
        Where the files are to be had, for the message that one is missing.

    Raises
    ------
    InputError
        If a file is missing, cannot be read without running code, lacks a weight, has one that is
        not in the table above, or one of another shape.
    """
    pickles = [path for path in (checkpoint, eva, blip2) if path]
    for path in pickles:
        if not path.is_file():
            to_be_had = f" To be had from: {fetch_from}." if fetch_from else ""
            raise InputError(
                f"there is no file {path.absolute()}, a part of MiniGPT-v2; correct its path, or "
                f"put the file there.{to_be_had}"
            )
    config = MiniGPTv2Config(vision, _language_config(language))
    trained = read_pickle(checkpoint, "model")
    weights = vision_weights(eva, read_pickle(eva), vision)
    norm, origin = _norm(checkpoint, trained, blip2, vision.hidden_size)
    adapters = _adapters(checkpoint, trained, config.language.num_hidden_layers)
    weights |= norm | {name: trained[theirs] for theirs, name in CONNECTOR.items()}
    weights |= _language_weights(language)
    rank = _merge(checkpoint, weights, adapters, alpha)

    tokenizer = load_tokenizer({"model": ARCHITECTURE, "folder": str(language)})
    _compare_shapes(weights, empty_minigpt_v2(config, tokenizer, ARCHITECTURE))
    sources = {
        **{path.name: sha256(path) for path in pickles},
        "language_model": weights_sha256(language),
        "lora": {"rank": rank, "alpha": alpha, "targets": list(ADAPTED)},
        "ln_vision": origin,
    }
    write_minigpt_v2(folder, config.to_dict() | {"sources": sources}, weights, tokenizer)
    log.info("%s: LoRA of rank %d merged, ln_vision %s", folder, rank, origin)


def read_pickle(path: Path, part: str | None = None) -> dict[str, Tensor]:
    """Weights in a file of ``torch.save``, or in its ``part``; no code in it is run.

    Raises
    ------
    InputError
        If the file is missing, is damaged, would run code, or holds no weights there.
    """
    if not path.is_file():
        raise InputError(f"{path} is not there; download it, or correct the path.")
    try:
        # Only the newer of torch's two formats, a zip archive, can be mapped into memory.
        stored: Any = torch.load(
            path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
        )
    except Exception as error:  # whatever the reader found, the weights are not usable
        first_line = str(error).strip().splitlines()[0]
        raise InputError(
            f"{path} cannot be read without running code ({first_line}); download it again, from "
            "where its authors put it."
        ) from None
    weights = stored if part is None or not isinstance(stored, dict) else stored.get(part)
    if not isinstance(weights, dict) or not all(isinstance(w, Tensor) for w in weights.values()):
        where = f" under '{part}'" if part else ""
        raise InputError(f"{path} has no weights{where}; is it the file that its name says?")
    return weights


def vision_weights(
    path: Path, stored: dict[str, Tensor], vision: Blip2VisionConfig
) -> dict[str, Tensor]:
    """The ViT's weights under our names, from those under EVA's (read from ``path``).

    Raises
    ------
    InputError
        If weights are missing or not known, or the positions are no square grid.
    """
    blocks = range(vision.num_hidden_layers)
    ours = {theirs: f"vision_model.{name}" for theirs, name in EMBEDDINGS.items()}
    for block in blocks:
        layer = f"vision_model.encoder.layers.{block}"
        ours[f"blocks.{block}.attn.qkv.weight"] = f"{layer}.self_attn.qkv.weight"
        for theirs, name in IN_BLOCK.items():
            for kind in ("weight", "bias"):
                ours[f"blocks.{block}.{theirs}.{kind}"] = f"{layer}.{name}.{kind}"
    biases = [f"blocks.{block}.attn.{which}_bias" for block in blocks for which in "qv"]
    dropped = (*AFTER_BLOCKS, f"blocks.{len(blocks)}.")
    found = [key for key in stored if not key.startswith(dropped)]
    _compare_keys(path, found, [*ours, *biases])

    weights = {name: stored[theirs] for theirs, name in ours.items()}
    for block in blocks:
        query, value = (stored[f"blocks.{block}.attn.{which}_bias"] for which in "qv")
        bias = torch.cat([query, torch.zeros_like(query), value])
        weights[f"vision_model.encoder.layers.{block}.self_attn.qkv.bias"] = bias
    weights[ours["pos_embed"]] = stretched_positions(
        stored["pos_embed"], patches_along_a_side(vision)
    )
    return weights


def stretched_positions(positions: Tensor, side: int) -> Tensor:
    """Position embedding for ``side`` x ``side`` patches, shape (1, 1 + side * side, width).

    From one of shape (1, 1 + n * n, width): the class token's is kept, the others are a picture of
    n x n pixels that is enlarged by bicubic interpolation (a = -3/4, corners not aligned, float32).
    With ``side`` equal to n nothing changes.

    Raises
    ------
    InputError
        If the positions are not those of a class token and a square of patches.

    Examples
    --------
    >>> stretched_positions(torch.randn(1, 1 + 16 * 16, 8), 32).shape
    torch.Size([1, 1025, 8])
    """
    first, grid = positions[:, :1], positions[:, 1:]
    stored = math.isqrt(grid.shape[1])
    if stored**2 != grid.shape[1]:
        raise InputError(
            f"the position embedding `pos_embed` has {positions.shape[1]} rows, which are not one "
            "and a square number; is it EVA's?"
        )
    picture = grid.float().reshape(1, stored, stored, -1).permute(0, 3, 1, 2)
    enlarged = nn.functional.interpolate(picture, (side, side), mode="bicubic", align_corners=False)
    return torch.cat([first.float(), enlarged.flatten(2).transpose(1, 2)], dim=1)


def _norm(
    checkpoint: Path, trained: dict[str, Tensor], blip2: Path | None, width: int
) -> tuple[dict[str, Tensor], str]:
    """The weights of the norm after the ViT, and where they come from."""
    if any(key in trained for key in NORM):
        source, found = checkpoint, trained
    elif blip2:
        source, found = blip2, read_pickle(blip2, "model")
    else:
        return {NORM[0]: torch.ones(width), NORM[1]: torch.zeros(width)}, "made fresh"
    _compare_keys(source, [key for key in found if key in NORM], NORM)
    return {key: found[key] for key in NORM}, f"from {source.name}"


def _adapters(
    checkpoint: Path, trained: dict[str, Tensor], layers: int
) -> dict[str, tuple[Tensor, Tensor]]:
    """LoRA's ``A`` and ``B`` by the name of the language model's weight that they change."""
    # peft names the adapter in its keys since version 0.3.
    plain = {re.sub(r"\.default\.weight$", ".weight", key): key for key in trained}
    wanted = [
        f"model.layers.{layer}.self_attn.{target}" for layer in range(layers) for target in ADAPTED
    ]
    pairs = {name: [f"{LANGUAGE}{name}.lora_{matrix}.weight" for matrix in "AB"] for name in wanted}
    # The rotary frequencies are no parameters, so the authors' code stores them though frozen.
    found = [key for key in plain if key not in NORM and not key.endswith("rotary_emb.inv_freq")]
    _compare_keys(
        checkpoint, found, [*CONNECTOR, *(key for pair in pairs.values() for key in pair)]
    )
    return {
        f"language_model.{name}.weight": (trained[plain[a]], trained[plain[b]])
        for name, (a, b) in pairs.items()
    }


def _merge(
    checkpoint: Path,
    weights: dict[str, Tensor],
    adapters: dict[str, tuple[Tensor, Tensor]],
    alpha: float,
) -> int:
    """Put ``W + (alpha / rank) B A`` in the place of every adapted weight; the rank."""
    rank = len(next(iter(adapters.values()))[0])
    for key, (a, b) in adapters.items():
        weight = weights[key]
        if a.shape != (rank, weight.shape[1]) or b.shape != (weight.shape[0], rank):
            raise InputError(
                f"{checkpoint}: LoRA's matrices for {key} have the shapes {tuple(a.shape)} and "
                f"{tuple(b.shape)}, which do not fit rank {rank} and a weight of the shape "
                f"{tuple(weight.shape)}; is the language model the one that they were trained for?"
            )
        weights[key] = weight.float() + alpha / rank * (b.float() @ a.float())
    return rank


def _language_config(folder: Path) -> LlamaConfig:
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (ValueError, OSError) as error:
        first_line = str(error).strip().splitlines()[0]
        raise InputError(f"{folder} is not a folder of Llama-2-7b-chat: {first_line}") from None
    if not isinstance(config, LlamaConfig):
        raise InputError(
            f"{folder} holds a model of type '{config.model_type}', but MiniGPT-v2 speaks through "
            "a Llama; name the folder of Llama-2-7b-chat."
        )
    return config


def _language_weights(folder: Path) -> dict[str, Tensor]:
    try:
        loaded: Any = LlamaForCausalLM.from_pretrained(
            folder,
            dtype="auto",
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except (ValueError, OSError, RuntimeError, SafetensorError) as error:
        first_line = str(error).strip().splitlines()[0]
        raise InputError(f"the language model in {folder} cannot be loaded: {first_line}") from None
    model, report = loaded
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise InputError(
            f"{folder} lacks {len(missing)} weights of the language model ({some(missing)}); "
            "download it again."
        )
    return {f"language_model.{key}": value for key, value in model.state_dict().items()}


def _compare_keys(path: Path, found: Sequence[str], expected: Sequence[str]) -> None:
    there, wanted = set(found), set(expected)
    missing = [key for key in expected if key not in there]
    unknown = [key for key in found if key not in wanted]
    if missing:
        raise InputError(
            f"{path} lacks {len(missing)} of the {len(expected)} weights that are read from it "
            f"({some(missing)}); is it the authors' file, and whole?"
        )
    if unknown:
        raise InputError(
            f"{path} has {len(unknown)} weights that this conversion does not know "
            f"({some(unknown)}), so the model would not be the authors'; is it their file?"
        )


def _compare_shapes(weights: dict[str, Tensor], model: nn.Module) -> None:
    for key, expected in model.state_dict().items():
        if weights[key].shape != expected.shape:
            raise InputError(
                f"the weight {key} has the shape {tuple(weights[key].shape)}, but the model needs "
                f"{tuple(expected.shape)}; do checkpoint, ViT and language model belong together?"
            )
