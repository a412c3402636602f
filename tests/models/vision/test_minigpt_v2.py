"""MiniGPT-v2's parts against the same formulas written out in float64, and its folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import small_minigpt_v2 as small
from matrix_entropy.base.errors import InputError
from matrix_entropy.models.resolving import resolve_path
from matrix_entropy.models.vision import minigpt_v2
from matrix_entropy.models.vision.interface import reversed_image_tokens
from matrix_entropy.models.vision.minigpt_v2 import (
    MiniGPTv2,
    MiniGPTv2Config,
    load_minigpt_v2,
    save_minigpt_v2,
)

MEAN = np.array([0.48145466, 0.4578275, 0.40821073])
DEVIATION = np.array([0.26862954, 0.26130258, 0.27577711])


@pytest.fixture(scope="module")
def model() -> MiniGPTv2:
    return small.small_model()


@pytest.fixture
def folder(tmp_path: Path, model: MiniGPTv2) -> Path:
    save_minigpt_v2(model, tmp_path / "small")
    return tmp_path / "small"


def outputs(model: MiniGPTv2) -> list[torch.Tensor]:
    """What a model makes of two pictures and of a text, at every stage."""
    with torch.inference_mode():
        patches = model.patches(small.pictures())
        tokens = model.connect(patches)
        words = model.embed(torch.tensor([[5, 9, 17], [4, 4, 250]]))
        return [patches, tokens, words, model.read(torch.cat([tokens, words], dim=1))]


class TestVision:
    @pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
    def test_pictures_become_square_bicubically(self, model: MiniGPTv2, mode: str) -> None:
        picture = small.pictures(1)[0].convert(mode)
        resized = picture.convert("RGB").resize((small.SIZE, small.SIZE), Image.Resampling.BICUBIC)
        expected = (np.asarray(resized) / 255 - MEAN) / DEVIATION
        pixels = model.pixels([picture])
        assert pixels.shape == (1, 3, small.SIZE, small.SIZE)
        np.testing.assert_allclose(pixels[0].permute(1, 2, 0), expected, atol=1e-5)

    def test_the_norm_has_an_epsilon_of_its_own(self) -> None:
        model = small.small_model()
        with torch.no_grad():
            # States as small as the epsilons: nothing but the class token and the positions.
            for name, parameter in model.vision_model.named_parameters():
                parameter.mul_(0.002 if name.startswith("embeddings") else 0)
            patches = model.patches(small.pictures(1))[0].double()
            raw = model.vision_model.embeddings(model.pixels(small.pictures(1)))[0, 1:].double()
        centred = raw - raw.mean(-1, keepdim=True)
        normed = {
            epsilon: centred / (centred.pow(2).mean(-1, keepdim=True) + epsilon).sqrt()
            for epsilon in (1e-5, 1e-6)
        }
        weight, bias = model.ln_vision.weight.double(), model.ln_vision.bias.double()
        right, wrong = (normed[epsilon] * weight + bias for epsilon in (1e-5, 1e-6))
        torch.testing.assert_close(patches, right, atol=1e-5, rtol=0)
        assert (wrong - right).abs().max() > 0.1

    def test_the_class_token_is_left_out(self) -> None:
        model = small.small_model()
        # Without blocks nothing of the class token reaches a patch.
        model.vision_model.encoder.layers = torch.nn.ModuleList()
        with torch.no_grad():
            before = model.patches(small.pictures(1))
            model.vision_model.embeddings.class_embedding.add_(small.drawn(4, small.WIDTH))
            after = model.patches(small.pictures(1))
        assert before.shape == (1, 36, small.WIDTH)
        assert torch.equal(after, before)


class TestConnector:
    def test_four_patches_in_a_row_become_one_token(self, model: MiniGPTv2) -> None:
        patches = small.drawn(3, 2, 36, small.WIDTH)
        weight = model.connector.weight.detach().double().numpy()
        bias = model.connector.bias.detach().double().numpy()
        with torch.no_grad():
            tokens = model.connect(patches)
        assert tokens.shape == (2, 9, small.LANGUAGE_WIDTH)
        for picture in range(2):
            for token in range(9):
                four = patches[picture, 4 * token : 4 * token + 4].double().numpy()
                expected = bias + sum(
                    weight[:, small.WIDTH * i : small.WIDTH * (i + 1)] @ four[i] for i in range(4)
                )
                np.testing.assert_allclose(tokens[picture, token], expected, atol=1e-5)

    def test_the_hook_that_reverses_the_image_tokens(self, model: MiniGPTv2) -> None:
        patches = small.drawn(3, 2, 36, small.WIDTH)
        with torch.no_grad():
            before = model.connect(patches)
            with reversed_image_tokens(model):
                assert torch.equal(model.connect(patches), before.flip(1))
            assert torch.equal(model.connect(patches), before)

    def test_patches_that_cannot_be_joined(self) -> None:
        config = MiniGPTv2Config(small.vision_config(size=20), small.language_config())
        with pytest.raises(InputError, match=r"'small': an image of 20 x 20 pixels has 25 patches"):
            MiniGPTv2(config, small.tokenizer(), "small")


class TestLanguage:
    def test_the_states_are_those_after_the_last_norm(self, model: MiniGPTv2) -> None:
        ids = torch.tensor([[5, 9, 17, 30]])
        raw: list[torch.Tensor] = []
        norm = model.language_model.model.norm
        handle = norm.register_forward_pre_hook(lambda _, inputs: raw.append(inputs[0]))
        with torch.no_grad():
            states = model.read(model.embed(ids))
            handle.remove()
            logits = model.language_model(input_ids=ids).logits
        (before,) = (each.double() for each in raw)
        size = (before.pow(2).mean(-1, keepdim=True) + norm.variance_epsilon).sqrt()
        torch.testing.assert_close(
            states.double(), before / size * norm.weight.double(), atol=1e-5, rtol=0
        )
        torch.testing.assert_close(model.language_model.lm_head(states), logits)

    def test_what_stands_behind_changes_nothing(self, model: MiniGPTv2) -> None:
        embeddings = small.drawn(8, 1, 5, small.LANGUAGE_WIDTH)
        longer = torch.cat([embeddings, small.drawn(9, 1, 3, small.LANGUAGE_WIDTH)], dim=1)
        with torch.no_grad():
            alone = model.read(embeddings)
            before = model.read(longer)[:, :5]
        torch.testing.assert_close(before, alone)


def test_the_parts_are_all_of_it(model: MiniGPTv2) -> None:
    parts = [*model.vision_parts, *model.language_parts]
    listed = [id(each) for part in parts for each in part.parameters()]
    unused = model.language_model.lm_head.weight
    assert sorted(listed) == sorted(id(p) for p in model.parameters() if p is not unused)
    assert model.context == 64
    assert model.name == "small"


class TestFolder:
    def test_a_saved_model_does_the_same(self, folder: Path, model: MiniGPTv2) -> None:
        loaded = load_minigpt_v2(folder, "float32", "again")
        for theirs, ours in zip(outputs(loaded), outputs(model), strict=True):
            torch.testing.assert_close(theirs, ours, atol=0, rtol=0)
        assert (loaded.name, loaded.training) == ("again", False)
        assert loaded.tokenizer("a red")["input_ids"] == model.tokenizer("a red")["input_ids"]
        assert set(resolve_path("small", "small", folder)["weights_sha256"]) == {
            "model.safetensors"
        }

    def test_the_stated_dtype_wins(self, folder: Path, model: MiniGPTv2) -> None:
        loaded = load_minigpt_v2(folder, "float16")
        assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float16}
        for half, full in zip(outputs(loaded), outputs(model), strict=True):
            assert half.dtype == torch.float16
            torch.testing.assert_close(half.float(), full, atol=0.1, rtol=0.05)

    def test_the_configuration_comes_back(self, tmp_path: Path) -> None:
        model = small.small_model(rope_parameters={"rope_type": "default", "rope_theta": 500.0})
        model.config = replace(model.config, epsilon=0.5)
        save_minigpt_v2(model, tmp_path / "small")
        loaded = load_minigpt_v2(tmp_path / "small", "float32")
        assert loaded.ln_vision.eps == 0.5
        assert loaded.config.vision.to_dict() == model.config.vision.to_dict()
        assert loaded.config.language.rope_parameters["rope_theta"] == 500.0
        model.ln_vision.eps = 0.5
        for theirs, ours in zip(outputs(loaded), outputs(model), strict=True):
            torch.testing.assert_close(theirs, ours, atol=0, rtol=0)

    def test_several_files_and_a_tied_output_matrix(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(minigpt_v2, "LARGEST_FILE", "20KB")
        model = small.small_model(tie_word_embeddings=True)
        save_minigpt_v2(model, tmp_path / "small")
        assert len(list((tmp_path / "small").glob("*.safetensors"))) > 2
        loaded = load_minigpt_v2(tmp_path / "small", "float32")
        for theirs, ours in zip(outputs(loaded), outputs(model), strict=True):
            torch.testing.assert_close(theirs, ours, atol=0, rtol=0)
        language = loaded.language_model
        assert language.lm_head.weight is language.model.embed_tokens.weight

    def test_saving_again_leaves_nothing_of_before(self, folder: Path) -> None:
        (folder / "model-00001-of-00002.safetensors").write_bytes(b"old")
        save_minigpt_v2(small.small_model(seed=1), folder)
        load_minigpt_v2(folder, "float32")
        assert [path.name for path in folder.parent.iterdir()] == [folder.name]

    @pytest.mark.parametrize("content", [None, {"model_type": "llama"}])
    def test_a_folder_of_something_else(self, tmp_path: Path, content: object) -> None:
        if content:
            (tmp_path / "config.json").write_text(json.dumps(content))
        with pytest.raises(InputError, match=r"model 'm': .* holds no MiniGPT-v2"):
            load_minigpt_v2(tmp_path, "float32", "m")

    def test_damaged_weights(self, folder: Path) -> None:
        path = folder / "model.safetensors"
        path.write_bytes(path.read_bytes()[:1000])
        with pytest.raises(InputError, match=r"model\.safetensors cannot be used"):
            load_minigpt_v2(folder, "float32")

    def test_missing_unknown_and_misshapen_weights(self, folder: Path) -> None:
        path = folder / "model.safetensors"
        weights = load_file(path)
        bias = weights.pop("connector.bias")
        save_file(weights, path)
        with pytest.raises(InputError, match=r"lacks 1 weights .*\(connector\.bias\)"):
            load_minigpt_v2(folder, "float32")
        save_file(weights | {"connector.bias": bias, "what.is.this": bias + 1}, path)
        with pytest.raises(InputError, match=r"has 1 weights .*\(what\.is\.this\)"):
            load_minigpt_v2(folder, "float32")
        save_file(weights | {"connector.bias": torch.ones(3)}, path)
        with pytest.raises(InputError, match=r"cannot be used: size mismatch for connector\.bias"):
            load_minigpt_v2(folder, "float32")
