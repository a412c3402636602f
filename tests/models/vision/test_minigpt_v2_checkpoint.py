"""The authors' files under their names: what they compute, converted and written out by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model

import random_models
import small_minigpt_v2 as small
from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import sha256
from matrix_entropy.models.vision.eva_vit import vision_weights
from matrix_entropy.models.vision.minigpt_v2 import load_minigpt_v2
from matrix_entropy.models.vision.minigpt_v2_checkpoint import convert_minigpt_v2


def convert(files: dict[str, Path]) -> None:
    convert_minigpt_v2(**files, vision=small.vision_config())


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The authors' files, converted."""
    files = small.save_authors_files(tmp_path_factory.mktemp("authors"))
    convert(files)
    return files


def test_the_vision_encoder_is_the_one_in_evas_file(files: dict[str, Path]) -> None:
    tower = load_minigpt_v2(files["folder"], "float32").vision_model.state_dict()
    expected = vision_weights(files["eva"], small.eva_weights(), small.vision_config())
    assert {f"vision_model.{key}" for key in tower} == set(expected)
    for key, value in tower.items():
        assert torch.equal(value, expected[f"vision_model.{key}"].float())


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

    def test_an_adapted_weight_by_hand(self, files: dict[str, Path]) -> None:
        """``W + (16 / rank) B A`` for each of the adapted weights, and no other is changed."""
        trained = small.trained_weights()
        before = small.language_model().state_dict()
        after = load_minigpt_v2(files["folder"], "float32").language_model.state_dict()
        assert set(before) == set(after)
        adapted = 0
        for key, weight in before.items():
            name = f"llama_model.base_model.model.{key.removesuffix('.weight')}"
            if f"{name}.lora_A.weight" not in trained:
                assert torch.equal(after[key], weight)
                continue
            adapted += 1
            a, b = (trained[f"{name}.lora_{matrix}.weight"].double() for matrix in "AB")
            expected = weight.double() + (16 / small.RANK) * b @ a
            torch.testing.assert_close(after[key].double(), expected, atol=1e-5, rtol=0)
        assert adapted == 2 * small.LAYERS

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
    def test_made_fresh_or_from_the_checkpoint(
        self, files: dict[str, Path], tmp_path: Path
    ) -> None:
        fresh = load_minigpt_v2(files["folder"], "float32").ln_vision
        assert torch.equal(fresh.weight, torch.ones(small.WIDTH))
        assert torch.equal(fresh.bias, torch.zeros(small.WIDTH))

        own = {"ln_vision.weight": small.drawn(1, small.WIDTH)}
        own["ln_vision.bias"] = small.drawn(2, small.WIDTH)
        others = small.save_authors_files(tmp_path / "own", trained=small.trained_weights() | own)
        convert(others)
        from_checkpoint = load_minigpt_v2(others["folder"], "float32").ln_vision
        assert torch.equal(from_checkpoint.weight, own["ln_vision.weight"])
        assert torch.equal(from_checkpoint.bias, own["ln_vision.bias"])
        sources = json.loads((others["folder"] / "config.json").read_text())["sources"]
        assert sources["ln_vision"] == "from checkpoint.pth"

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

    @pytest.mark.parametrize("missing", ["checkpoint", "eva"])
    def test_a_file_that_is_not_there_is_named(self, tmp_path: Path, missing: str) -> None:
        files = small.save_authors_files(tmp_path)
        files[missing].unlink()
        with pytest.raises(InputError, match=f"{re.escape(str(files[missing]))} is not there"):
            convert(files)
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
        with pytest.raises(InputError, match=r"1 weight is missing .*\(model\.norm\.weight\)"):
            convert(files)
