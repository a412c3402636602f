"""The authors' files under their names: what they compute, converted and written out by hand."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from peft import LoraConfig, get_peft_model
from scipy.special import erf, softmax

import random_models
import small_minigpt_v2 as small
from matrix_entropy.errors import InputError
from matrix_entropy.files import sha256
from matrix_entropy.minigpt_v2 import load_minigpt_v2
from matrix_entropy.minigpt_v2_checkpoint import (
    convert_minigpt_v2,
    eva_vit,
    read_pickle,
    stretched_positions,
)

Array = NDArray[np.float64]


def convert(files: dict[str, Path], **options: Any) -> None:
    convert_minigpt_v2(**files, **{"vision": small.vision_config(), "alpha": small.ALPHA} | options)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The authors' files, converted."""
    files = small.save_authors_files(tmp_path_factory.mktemp("authors"))
    convert(files)
    return files


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
    def test_the_tower_computes_what_the_authors_does(self, files: dict[str, Path]) -> None:
        model = load_minigpt_v2(files["folder"], "float32")
        theirs = {key: value.double().numpy() for key, value in small.eva_weights().items()}
        positions = stretched(theirs["pos_embed"][0], small.SIZE // small.PATCH)
        pictures = small.pictures()
        with torch.no_grad():
            ours = model.patches(pictures)
            pixels = model.pixels(pictures).double().numpy()
        for picture in range(2):
            tokens = eva(pixels[picture], theirs, positions)[1:]
            expected = normed(tokens, np.ones(small.WIDTH), np.zeros(small.WIDTH), 1e-5)
            np.testing.assert_allclose(ours[picture], expected, atol=1e-5)

    def test_keys_have_no_bias(self, files: dict[str, Path]) -> None:
        model = load_minigpt_v2(files["folder"], "float32")
        bias = model.vision_model.encoder.layers[1].self_attn.qkv.bias
        query, key, value = bias.split(small.WIDTH)
        assert torch.equal(query, small.eva_weights()["blocks.1.attn.q_bias"].float())
        assert torch.equal(value, small.eva_weights()["blocks.1.attn.v_bias"].float())
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
        np.testing.assert_allclose(
            ours[0], stretched(positions[0].double().numpy(), side), atol=1e-5
        )

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


class TestLanguageModel:
    @pytest.mark.parametrize("default", ["", ".default"])
    def test_merged_is_what_peft_computes(self, tmp_path: Path, default: str) -> None:
        trained = small.trained_weights(default)
        files = small.save_authors_files(tmp_path, trained=trained)
        convert(files)
        merged = load_minigpt_v2(files["folder"], "float32")

        base = small.save_language_model(tmp_path / "base")
        config = LoraConfig(
            task_type="CAUSAL_LM",
            r=small.RANK,
            lora_alpha=small.ALPHA,
            target_modules=["q_proj", "v_proj"],
        )
        unmerged = get_peft_model(base, config).eval()
        lora = {
            key.removeprefix("llama_model.").replace(f"{default}.weight", ".default.weight"): value
            for key, value in trained.items()
            if "lora_" in key
        }
        report = unmerged.load_state_dict(lora, strict=False)
        assert not report.unexpected_keys
        assert not any("lora_" in key for key in report.missing_keys)

        ids = torch.tensor([[5, 9, 17, 250, 3]])
        with torch.no_grad():
            theirs = unmerged(input_ids=ids, output_hidden_states=True).hidden_states[-1]
            ours = merged.read(merged.embed(ids))
            without = small.save_language_model(tmp_path / "base").model(ids).last_hidden_state
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
        assert (ours - without).abs().max() > 0.1

    def test_the_product_is_not_rounded_to_half(self, tmp_path: Path) -> None:
        trained = {
            # An adapter so small that half precision would lose it.
            key: value * 1e-3 if "lora_B" in key else value
            for key, value in small.trained_weights().items()
        }
        files = small.save_authors_files(tmp_path, trained=trained)
        base = small.save_language_model(tmp_path / "base").half()
        base.save_pretrained(files["language"])
        convert(files)
        model = load_minigpt_v2(files["folder"], "float32").language_model.model
        weight = base.model.layers[0].self_attn.q_proj.weight.double()
        name = f"{small.PREFIX}.0.self_attn.q_proj"
        product = (
            trained[f"{name}.lora_B.weight"].double() @ trained[f"{name}.lora_A.weight"].double()
        )
        expected = weight + small.ALPHA / small.RANK * product
        exact = model.layers[0].self_attn.q_proj.weight.double()
        torch.testing.assert_close(exact, expected, atol=1e-7, rtol=0)
        assert (expected.half().double() - expected).abs().max() > 1e-5
        # Everything else is as it was.
        other = model.layers[0].self_attn.k_proj.weight
        assert torch.equal(other, base.model.layers[0].self_attn.k_proj.weight.float())

    def test_the_connector_is_the_checkpoints(self, files: dict[str, Path]) -> None:
        model = load_minigpt_v2(files["folder"], "float32")
        assert torch.equal(model.connector.weight, small.trained_weights()["llama_proj.weight"])
        assert torch.equal(model.connector.bias, small.trained_weights()["llama_proj.bias"])

    def test_another_architecture(self, tmp_path: Path) -> None:
        files = small.save_authors_files(tmp_path)
        random_models.gpt2().save_pretrained(tmp_path / "gpt2")
        with pytest.raises(InputError, match="model of type 'gpt2'"):
            convert(files | {"language": tmp_path / "gpt2"})
        with pytest.raises(InputError, match="nowhere is not a folder of Llama"):
            convert(files | {"language": tmp_path / "nowhere"})


class TestNorm:
    def test_made_fresh_from_the_checkpoint_or_from_blip2(
        self, files: dict[str, Path], tmp_path: Path
    ) -> None:
        fresh = load_minigpt_v2(files["folder"], "float32").ln_vision
        assert torch.equal(fresh.weight, torch.ones(small.WIDTH))
        assert torch.equal(fresh.bias, torch.zeros(small.WIDTH))

        norm = {"ln_vision.weight": small.drawn(1, small.WIDTH)}
        norm["ln_vision.bias"] = small.drawn(2, small.WIDTH)
        blip2 = tmp_path / "blip2.pth"
        torch.save({"model": norm | {"query_tokens": torch.ones(1, 32, 5)}}, blip2)
        convert(files | {"folder": tmp_path / "second"}, blip2=blip2)
        from_blip2 = load_minigpt_v2(tmp_path / "second", "float32").ln_vision
        assert torch.equal(from_blip2.weight, norm["ln_vision.weight"])
        assert torch.equal(from_blip2.bias, norm["ln_vision.bias"])

        own = {key: value + 1 for key, value in norm.items()}
        others = small.save_authors_files(tmp_path / "own", trained=small.trained_weights() | own)
        convert(others, blip2=blip2)
        from_checkpoint = load_minigpt_v2(others["folder"], "float32").ln_vision
        assert torch.equal(from_checkpoint.weight, own["ln_vision.weight"])

        del own["ln_vision.bias"]
        half = small.save_authors_files(tmp_path / "half", trained=small.trained_weights() | own)
        with pytest.raises(InputError, match=r"checkpoint\.pth lacks 1 .*\(ln_vision\.bias\)"):
            convert(half)


class TestSources:
    def test_the_folder_says_what_it_was_made_of(self, files: dict[str, Path]) -> None:
        sources = json.loads((files["folder"] / "config.json").read_text())["sources"]
        assert sources == {
            "checkpoint.pth": sha256(files["checkpoint"]),
            "eva_vit_g.pth": sha256(files["eva"]),
            "language_model": {
                "model.safetensors": sha256(files["language"] / "model.safetensors")
            },
            "lora": {"rank": small.RANK, "alpha": small.ALPHA, "targets": ["q_proj", "v_proj"]},
            "ln_vision": "made fresh",
        }
        assert str(files["language"]) not in (files["folder"] / "config.json").read_text()

    def test_missing_weights(self, tmp_path: Path) -> None:
        trained, eva = small.trained_weights(), small.eva_weights()
        for key in list(trained):
            if ".1.self_attn" in key or key == "llama_proj.bias":
                del trained[key]
        files = small.save_authors_files(tmp_path / "first", trained=trained)
        with pytest.raises(
            InputError,
            match=r"checkpoint\.pth lacks 5 of the 10 .*\(llama_proj\.bias, "
            r"llama_model\.\S+\.1\.self_attn\.q_proj\.lora_A\.weight, \S+lora_B\.weight, …\)",
        ):
            convert(files)
        assert not files["folder"].exists()
        del eva["blocks.1.attn.v_bias"]
        files = small.save_authors_files(tmp_path / "second", eva=eva)
        with pytest.raises(InputError, match=r"vit_g\.pth lacks 1 .*\(blocks\.1\.attn\.v_bias\)"):
            convert(files)

    @pytest.mark.parametrize("missing", ["checkpoint", "eva", "blip2"])
    def test_a_file_that_is_not_there_is_said_where_to_be_had(
        self, tmp_path: Path, missing: str
    ) -> None:
        files = small.save_authors_files(tmp_path)
        torch.save({"model": {}}, tmp_path / "blip2.pth")
        files["blip2"] = tmp_path / "blip2.pth"
        files[missing].unlink()
        plain = (
            f"there is no file {files[missing]}, a part of MiniGPT-v2; correct its path, or put "
            "the file there."
        )
        for where, told in (
            ({}, ""),
            ({"fetch_from": "their site"}, " To be had from: their site."),
        ):
            with pytest.raises(InputError) as raised:
                convert(files, **where)
            assert str(raised.value) == plain + told
        assert not files["folder"].exists()

    @pytest.mark.parametrize(
        ("part", "key"),
        [
            ("trained", "visual_encoder.cls_token"),
            ("trained", f"{small.PREFIX}.0.self_attn.k_proj.lora_A.weight"),
            ("trained", f"{small.PREFIX}.2.self_attn.q_proj.lora_A.weight"),
            ("eva", "blocks.0.gamma_1"),
            ("eva", "blocks.4.norm1.weight"),
        ],
    )
    def test_weights_that_are_not_known(self, tmp_path: Path, part: str, key: str) -> None:
        stored = small.trained_weights() if part == "trained" else small.eva_weights()
        files = small.save_authors_files(tmp_path, **{part: stored | {key: torch.ones(2)}})
        with pytest.raises(InputError, match=f"has 1 weights .*\\({key}\\), so the model"):
            convert(files)

    def test_weights_of_other_shapes(self, tmp_path: Path) -> None:
        trained = small.trained_weights()
        trained["llama_proj.weight"] = torch.ones(small.LANGUAGE_WIDTH, small.WIDTH)
        files = small.save_authors_files(tmp_path / "first", trained=trained)
        with pytest.raises(InputError, match=r"connector\.weight has the shape \(48, 32\), but"):
            convert(files)
        trained = small.trained_weights()
        trained[f"{small.PREFIX}.1.self_attn.v_proj.lora_B.weight"] = torch.ones(32, small.RANK)
        files = small.save_authors_files(tmp_path / "second", trained=trained)
        with pytest.raises(
            InputError, match=r"layers\.1\.self_attn\.v_proj\.weight have the shapes"
        ):
            convert(files)

    def test_a_language_model_that_is_not_whole(self, tmp_path: Path) -> None:
        files = small.save_authors_files(tmp_path)
        model = small.save_language_model(files["language"])
        weights = model.state_dict()
        del weights["model.norm.weight"]
        model.save_pretrained(files["language"], state_dict=weights)
        with pytest.raises(InputError, match=r"lacks 1 weights .*\(model\.norm\.weight\)"):
            convert(files)


class Harmful:
    """An object whose unpickling makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


class TestPickles:
    @pytest.mark.parametrize("newer", [True, False])
    def test_both_formats_of_torch(self, tmp_path: Path, newer: bool) -> None:
        weights = small.eva_weights()
        torch.save(weights, tmp_path / "w.pth", _use_new_zipfile_serialization=newer)
        found = read_pickle(tmp_path / "w.pth")
        assert list(found) == list(weights)
        assert all(torch.equal(found[key], weights[key]) for key in weights)

    @pytest.mark.parametrize("newer", [True, False])
    def test_code_is_refused_and_not_run(self, tmp_path: Path, newer: bool) -> None:
        made = tmp_path / "made"
        stored = {"model": small.trained_weights(), "config": Harmful(made)}
        torch.save(stored, tmp_path / "w.pth", _use_new_zipfile_serialization=newer)
        with pytest.raises(InputError, match=r"w\.pth cannot be read without running code"):
            read_pickle(tmp_path / "w.pth", "model")
        assert not made.exists()
        # The file is one that an ordinary reader would have been harmed by.
        torch.load(tmp_path / "w.pth", weights_only=False)
        assert made.is_dir()

    def test_no_file_no_pickle_no_weights(self, tmp_path: Path) -> None:
        path = tmp_path / "w.pth"
        with pytest.raises(InputError, match="is not there"):
            read_pickle(path)
        path.write_bytes(b"<html>too many downloads</html>")
        with pytest.raises(InputError, match="cannot be read without running code"):
            read_pickle(path)
        for stored in ({"weights": {}}, {"model": {"a": 1}}, [torch.ones(2)]):
            torch.save(stored, path)
            with pytest.raises(InputError, match="has no weights under 'model'"):
                read_pickle(path, "model")
