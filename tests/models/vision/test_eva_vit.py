"""EVA's vision transformer under its names: what it computes, and the same written out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import erf, softmax
from transformers import Blip2VisionModel

import small_minigpt_v2 as small
from matrix_entropy.base.errors import InputError
from matrix_entropy.models.vision.eva_vit import eva_vit, stretched_positions, vision_weights

Array = NDArray[np.float64]
FILE = Path("eva_vit_g.pth")


def normed(rows: Array, weight: Array, bias: Array, epsilon: float) -> Array:
    centred = rows - rows.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon) * weight + bias


def eva_block(rows: Array, weights: dict[str, Array]) -> Array:
    """A block of the authors' ViT, on the tokens of one picture, head by head."""
    before = normed(rows, weights["norm1.weight"], weights["norm1.bias"], 1e-6)
    query, key, value = (
        before @ part.T for part in np.split(weights["attn.qkv.weight"], 3, axis=0)
    )
    query, value = query + weights["attn.q_bias"], value + weights["attn.v_bias"]
    heads = []
    for head in np.split(np.arange(small.WIDTH), small.HEADS):
        scores = query[:, head] @ key[:, head].T / np.sqrt(len(head))
        heads.append(softmax(scores, axis=-1) @ value[:, head])
    attended = np.concatenate(heads, axis=-1)
    rows = rows + attended @ weights["attn.proj.weight"].T + weights["attn.proj.bias"]
    before = normed(rows, weights["norm2.weight"], weights["norm2.bias"], 1e-6)
    hidden = before @ weights["mlp.fc1.weight"].T + weights["mlp.fc1.bias"]
    hidden = hidden * (1 + erf(hidden / np.sqrt(2))) / 2
    return rows + hidden @ weights["mlp.fc2.weight"].T + weights["mlp.fc2.bias"]


def eva(pixels: Array, weights: dict[str, Array], positions: Array) -> Array:
    """The authors' ViT: pixels of shape (3, size, size) to tokens, the class token first."""
    side = pixels.shape[1] // small.PATCH
    kernel = weights["patch_embed.proj.weight"].reshape(small.WIDTH, -1)
    rows = [weights["cls_token"][0, 0]]
    for i in range(side):
        for j in range(side):
            top, left = small.PATCH * i, small.PATCH * j
            patch = pixels[:, top : top + small.PATCH, left : left + small.PATCH]
            rows.append(kernel @ patch.reshape(-1) + weights["patch_embed.proj.bias"])
    tokens = np.stack(rows) + positions
    for block in range(small.BLOCKS):
        start = f"blocks.{block}."
        tokens = eva_block(
            tokens, {key[len(start) :]: w for key, w in weights.items() if key.startswith(start)}
        )
    return tokens


def cubic(stored: int, side: int) -> Array:
    """Matrix of bicubic enlargement along one axis, a = -3/4, the border repeated."""
    matrix = np.zeros((side, stored))
    for row in range(side):
        place = (row + 0.5) * stored / side - 0.5
        for pixel in range(int(np.floor(place)) - 1, int(np.floor(place)) + 3):
            x = abs(place - pixel)
            if x <= 1:
                weight = 1.25 * x**3 - 2.25 * x**2 + 1
            else:
                weight = -0.75 * (x**3 - 5 * x**2 + 8 * x - 4)
            matrix[row, min(max(pixel, 0), stored - 1)] += weight
    return matrix


def stretched(positions: Array, side: int) -> Array:
    stored = round(np.sqrt(len(positions) - 1))
    grid = positions[1:].reshape(stored, stored, -1)
    matrix = cubic(stored, side)
    larger = np.einsum("ia,jb,abw->ijw", matrix, matrix, grid)
    return np.concatenate([positions[:1], larger.reshape(side * side, -1)])


class TestVision:
    def test_the_tower_computes_what_the_authors_does(self) -> None:
        weights = vision_weights(FILE, small.eva_weights(), small.vision_config())
        tower = Blip2VisionModel(small.vision_config()).eval()
        tower.post_layernorm = torch.nn.Identity()  # EVA's own is not used
        ours = {key.removeprefix("vision_model."): value for key, value in weights.items()}
        tower.load_state_dict(ours)
        theirs = {key: value.double().numpy() for key, value in small.eva_weights().items()}
        positions = stretched(theirs["pos_embed"][0], small.SIZE // small.PATCH)
        pixels = small.drawn(6, 2, 3, small.SIZE, small.SIZE, deviation=1)
        with torch.no_grad():
            states = tower(pixels).last_hidden_state
        for picture in range(2):
            expected = eva(pixels[picture].double().numpy(), theirs, positions)
            # float32 was off by 7e-7 of the largest value on one processor: ten times that.
            np.testing.assert_allclose(
                states[picture], expected, rtol=0, atol=1e-5 * np.abs(expected).max()
            )

    def test_keys_have_no_bias(self) -> None:
        stored = small.eva_weights()
        weights = vision_weights(FILE, stored, small.vision_config())
        bias = weights["vision_model.encoder.layers.1.self_attn.qkv.bias"]
        query, key, value = bias.split(small.WIDTH)
        assert torch.equal(query, stored["blocks.1.attn.q_bias"])
        assert torch.equal(value, stored["blocks.1.attn.v_bias"])
        assert not key.any()

    def test_the_sizes_are_those_of_the_authors(self) -> None:
        # int(1408 * 4.3637) is how the authors write the width of the MLP.
        vit = eva_vit(39, 1408, 448, 14)
        assert vit.intermediate_size == 6144
        assert vit.hidden_size // vit.num_attention_heads == 88
        assert (vit.num_hidden_layers, (vit.image_size // vit.patch_size) ** 2) == (39, 1024)

    def test_of_other_sizes_it_is_the_one_that_is_computed_here(self) -> None:
        vit = eva_vit(small.BLOCKS, small.WIDTH, small.SIZE, small.PATCH)
        assert vit.to_dict() == small.vision_config().to_dict()


class TestPositions:
    @pytest.mark.parametrize(("stored", "side"), [(3, 6), (4, 7), (5, 3)])
    def test_against_the_cubic_written_out(self, stored: int, side: int) -> None:
        positions = small.drawn(1, 1, 1 + stored**2, 5)
        ours = stretched_positions(positions, side)
        assert ours.shape == (1, 1 + side**2, 5)
        expected = stretched(positions[0].double().numpy(), side)
        # Sixteen products in float32: 3e-7 of the largest value was seen.
        np.testing.assert_allclose(ours[0], expected, rtol=0, atol=1e-5 * np.abs(expected).max())

    def test_nothing_changes_at_the_stored_size(self) -> None:
        positions = small.drawn(1, 1, 26, 5).half()
        assert torch.equal(stretched_positions(positions, 5), positions.float())

    def test_half_precision_is_left_before_and_not_after(self) -> None:
        positions = small.drawn(1, 1, 10, 5).half()
        ours = stretched_positions(positions, 6)
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, stretched_positions(positions.float(), 6))

    def test_no_square(self) -> None:
        with pytest.raises(InputError, match="12 rows"):
            stretched_positions(torch.zeros(1, 12, 5), 6)
