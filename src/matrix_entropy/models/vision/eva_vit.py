"""EVA-CLIP's ViT as MiniGPT-v2 uses it: its sizes, and its weights from the file of ViT-g.

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
======================  ==================================  ====================================

``E`` is ``vision_model.embeddings``, ``V`` ``vision_model.encoder.layers.N``.

(a) Stretched from 16 x 16 to 32 x 32 patches, see `stretched_positions`.
(b) ``[q_bias, 0, v_bias]``: keys have no bias.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import Blip2VisionConfig

from matrix_entropy.base.errors import InputError
from matrix_entropy.models.vision.minigpt_v2 import patches_along_a_side
from matrix_entropy.models.vision.pickles import compare_keys

HEADS = 16
MLP_RATIO = 4.3637  # 6144 for 1408

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
    compare_keys(path, found, [*ours, *biases])

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
