"""LoRA adapters, and models that are made from another: untrained, or with an adapter."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, GPT2LMHeadModel

import random_models
from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import sha256
from matrix_entropy.models import lora
from matrix_entropy.models.loading import load_model, load_tokenizer
from matrix_entropy.models.lora import train_lora
from matrix_entropy.models.provenance import untrained_record
from matrix_entropy.models.resolving import resolve_path
from matrix_entropy.models.stand_ins import train_tokenizer
from matrix_entropy.texts.synthetic.grammar import stories

# peft's own: it asks transformers for a property by its older name.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

WIDTH, LAYERS, VOCABULARY = 16, 2, 300
TARGETS = {
    "gpt2": ["c_attn", "c_proj"],
    "gpt_neo": ["q_proj"],
    "gpt_neox": ["query_key_value"],
    "llama": ["v_proj", "q_proj", "up_proj", "down_proj"],
    "opt": ["v_proj", "fc1"],
}
OPTIONS = {
    "dataset": "stories",
    "layers": LAYERS,
    "width": WIDTH,
    "dtype": "float32",
    "rank": 4,
    "alpha": 8,
    "dropout": 0.1,
    "targets": ["c_attn"],
    "epochs": 1,
    "learning_rate": 0.01,
    "batch": 4,
    "max_tokens": 32,
    "seed": 5,
}
TEXTS = [{"id": story["id"], "text": story["text"]} for story in stories(24)]
IDS = torch.arange(20).reshape(2, 10)


def base_record(folder: Path, architecture: str = "gpt2") -> dict[str, Any]:
    """A small random model with a tokenizer, as a record."""
    model = getattr(random_models, architecture)(
        width=WIDTH, blocks=LAYERS, heads=2, vocabulary=VOCABULARY
    )
    model.save_pretrained(folder)
    train_tokenizer([text["text"] for text in TEXTS], VOCABULARY).save_pretrained(folder)
    return resolve_path("base", "small/model", folder) | {"id": "small/model"}


def logits(model: nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        return model(input_ids=IDS).logits.float()


def same(first: nn.Module, second: nn.Module) -> bool:
    one, other = first.state_dict(), second.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return base_record(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def tuned(base: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("tuned") / "adapter"
    return train_lora("tuned", base, OPTIONS | {"epochs": 4}, TEXTS, folder)


class TestUntrained:
    @pytest.mark.parametrize("architecture", TARGETS)
    def test_the_seed_decides_and_the_trained_weights_do_not(
        self, architecture: str, tmp_path: Path
    ) -> None:
        base = base_record(tmp_path, architecture)
        first = load_model(untrained_record("fresh", base, 1), LAYERS, WIDTH, "float32")
        # Only the configuration is needed.
        (tmp_path / "model.safetensors").unlink()
        second = load_model(untrained_record("fresh", base, 1), LAYERS, WIDTH, "float32")
        other = load_model(untrained_record("fresh", base, 2), LAYERS, WIDTH, "float32")
        assert same(first, second)
        assert not same(first, other)
        assert not first.training

    def test_the_draw_is_that_of_the_seed_alone(self, base: dict[str, Any]) -> None:
        config = AutoConfig.from_pretrained(base["folder"])
        torch.manual_seed(7)
        expected = AutoModelForCausalLM.from_config(config)
        torch.manual_seed(0)
        before = torch.get_rng_state()
        model = load_model(untrained_record("fresh", base, 7), LAYERS, WIDTH, "float32")
        assert same(model, expected)
        assert torch.equal(torch.get_rng_state(), before)

    @pytest.mark.parametrize("architecture", ["gpt_neox", "llama"])
    @pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
    def test_a_narrow_type_is_the_same_draw_rounded(
        self, architecture: str, dtype: str, tmp_path: Path
    ) -> None:
        """As if the untrained model had been saved in float32 and loaded in the narrow type."""
        base = base_record(tmp_path / "base", architecture)
        record = untrained_record("fresh", base, 3)
        load_model(record, LAYERS, WIDTH, "float32").save_pretrained(tmp_path / "saved")
        loaded = load_model(record | {"folder": str(tmp_path / "base")}, LAYERS, WIDTH, dtype)
        saved = resolve_path("saved", "saved", tmp_path / "saved")
        expected = load_model(saved, LAYERS, WIDTH, dtype)
        assert same(loaded, expected)
        assert torch.equal(logits(loaded), logits(expected))

    def test_spread_over_the_devices_it_is_the_same_model(self, base: dict[str, Any]) -> None:
        record = untrained_record("fresh", base, 1)
        spread = load_model(record, LAYERS, WIDTH, "float32", "auto")
        assert same(spread, load_model(record, LAYERS, WIDTH, "float32"))
        assert torch.equal(logits(spread), logits(load_model(record, LAYERS, WIDTH, "float32")))

    def test_a_stated_start_is_kept_and_drawn(self, base: dict[str, Any]) -> None:
        record = untrained_record("fresh", base, 1, 0.08)
        assert record == untrained_record("fresh", base, 1) | {"initializer_range": 0.08}
        weights = load_model(record, LAYERS, WIDTH, "float32").get_input_embeddings().weight
        own = load_model(untrained_record("fresh", base, 1), LAYERS, WIDTH, "float32")
        torch.testing.assert_close(weights, 4 * own.get_input_embeddings().weight)

    def test_the_record_says_what_it_is(self, base: dict[str, Any]) -> None:
        extra = {"commit": "abc", "parameters": 17, "held_out_loss": 2.5, "adapter": "elsewhere"}
        record = untrained_record("fresh", base | extra, 4)
        assert record == {
            "model": "fresh",
            "source": "untrained",
            "id": "small/model",
            "commit": "abc",
            "folder": base["folder"],
            "stand_in": False,
            **{key: base[key] for key in ("weights_sha256", "settings_sha256", "marks")},
            "parameters": 17,
            "untrained_seed": 4,
        }


class TestAdapter:
    @pytest.mark.parametrize("architecture", TARGETS)
    def test_a_merged_adapter_acts_as_an_unmerged_one(
        self, architecture: str, tmp_path: Path
    ) -> None:
        base = base_record(tmp_path / "base", architecture)
        plain = load_model(base, LAYERS, WIDTH, "float32")
        before = logits(plain)
        targets = TARGETS[architecture]
        config = LoraConfig(
            r=4, target_modules=targets, init_lora_weights=False, task_type="CAUSAL_LM",
            fan_in_fan_out=architecture == "gpt2",
        )  # fmt: skip
        torch.manual_seed(0)
        with_adapter = get_peft_model(plain, config).eval()
        with_adapter.save_pretrained(tmp_path / "adapter", save_embedding_layers=False)
        digest = sha256(tmp_path / "adapter" / "adapter_model.safetensors")
        record = base | {"adapter": str(tmp_path / "adapter"), "adapter_sha256": digest}
        for device_map in (None, "auto"):
            merged = load_model(record, LAYERS, WIDTH, "float32", device_map)
            expected = logits(with_adapter)
            error = (logits(merged) - expected).norm() / expected.norm()
            assert error < 1e-5
            assert (expected - before).norm() / before.norm() > 1e-2
            names = dict(merged.named_modules()).keys()
            assert names == dict(load_model(base, LAYERS, WIDTH, "float32").named_modules()).keys()

    def test_an_adapter_that_is_gone(self, base: dict[str, Any], tmp_path: Path) -> None:
        record = base | {"model": "tuned", "adapter": str(tmp_path / "adapter")}
        with pytest.raises(InputError, match=r"no adapter in .* delete results/models/tuned\.json"):
            load_model(record, LAYERS, WIDTH, "float32")

    def test_an_adapter_of_another_model(self, tuned: dict[str, Any], tmp_path: Path) -> None:
        adapter = {key: tuned[key] for key in ("adapter", "adapter_sha256")}
        with pytest.raises(InputError, match="cannot be put onto small/model"):
            load_model(base_record(tmp_path, "llama") | adapter, LAYERS, WIDTH, "float32")

    def test_an_adapter_that_lacks_weights_or_is_read_otherwise(
        self, tuned: dict[str, Any], tmp_path: Path
    ) -> None:
        shutil.copytree(tuned["adapter"], tmp_path / "adapter")
        path = tmp_path / "adapter" / "adapter_config.json"
        config = json.loads(path.read_text())
        record = tuned | {"adapter": str(tmp_path / "adapter")}
        path.write_text(json.dumps(config | {"lora_alpha": 80}))
        with pytest.raises(InputError, match=r"SHA-256 of adapter_config\.json differs"):
            load_model(record, LAYERS, WIDTH, "float32")
        # As records were that do not hold its hash.
        del record["adapter_config_sha256"]
        targets = [
            *config["target_modules"],
            "c_fc" if "c_attn" in config["target_modules"] else "fc1",
        ]
        path.write_text(json.dumps(config | {"target_modules": targets}))
        with pytest.raises(
            InputError, match=r"not those that its adapter_config\.json asks for \(b"
        ):
            load_model(record, LAYERS, WIDTH, "float32")

    def test_an_adapter_that_was_changed(self, tuned: dict[str, Any], tmp_path: Path) -> None:
        shutil.copytree(tuned["adapter"], tmp_path / "adapter")
        weights = tmp_path / "adapter" / "adapter_model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
        record = tuned | {"adapter": str(tmp_path / "adapter")}
        if sha256(weights) == tuned["adapter_sha256"]:
            weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
        with pytest.raises(InputError, match="is not the one that was trained"):
            load_model(record, LAYERS, WIDTH, "float32")


class TestTraining:
    def test_the_loss_on_the_texts_falls(self, base: dict[str, Any], tuned: dict[str, Any]) -> None:
        before, after = (self.loss(record) for record in (base, tuned))
        assert after < before - 0.3
        assert after < tuned["training_loss"] < before
        curve = pd.read_csv(Path(tuned["adapter"]) / "loss.csv")
        assert list(curve["step"]) == list(range(1, 4 * 6 + 1))
        # Before the first step the adapter does nothing, so the first loss is the base's.
        assert curve["loss"].iloc[0] == pytest.approx(before, abs=0.5)
        # Every text is cut to 32 tokens, the first of which is not predicted.
        assert set(curve["tokens"]) == {4 * 31}

    @staticmethod
    def loss(record: dict[str, Any]) -> float:
        """Mean negative log-likelihood of the training texts, one at a time, without padding."""
        model, tokenizer = load_model(record, LAYERS, WIDTH, "float32"), load_tokenizer(record)
        losses = []
        for text in TEXTS:
            ids = torch.tensor(tokenizer(text["text"])["input_ids"][:32])
            with torch.inference_mode():
                probabilities = model(input_ids=ids[None]).logits[0, :-1].log_softmax(-1)
            losses.append(-probabilities.gather(-1, ids[1:, None]).mean().item())
        return sum(losses) / len(losses)

    @pytest.mark.parametrize("architecture", ["gpt2", "gpt_neox", "llama", "opt"])
    def test_the_same_seed_gives_the_same_files(self, architecture: str, tmp_path: Path) -> None:
        base = base_record(tmp_path / "base", architecture)
        options = OPTIONS | {"targets": TARGETS[architecture]}
        torch.manual_seed(1)
        first = train_lora("tuned", base, options, TEXTS, tmp_path / "first")
        torch.manual_seed(2)
        second = train_lora("tuned", base, options, TEXTS, tmp_path / "second")
        other = train_lora("tuned", base, options | {"seed": 6}, TEXTS, tmp_path / "other")
        names = {"adapter_model.safetensors", "adapter_config.json", "loss.csv"}
        assert {path.name for path in (tmp_path / "first").iterdir()} == names
        for name in names:
            assert sha256(tmp_path / "first" / name) == sha256(tmp_path / "second" / name)
        # In an order that does not differ from one run of Python to the next.
        config = json.loads((tmp_path / "first" / "adapter_config.json").read_text())
        assert config["target_modules"] == sorted(TARGETS[architecture])
        assert first["adapter_sha256"] == second["adapter_sha256"] != other["adapter_sha256"]

    def test_plain_peft_reads_the_adapter(
        self, base: dict[str, Any], tuned: dict[str, Any]
    ) -> None:
        plain = PeftModel.from_pretrained(
            AutoModelForCausalLM.from_pretrained(base["folder"], dtype=torch.float32),
            tuned["adapter"],
        ).eval()
        merged = load_model(tuned, LAYERS, WIDTH, "float32")
        torch.testing.assert_close(logits(merged), logits(plain), rtol=1e-5, atol=1e-4)

    def test_the_record_and_files_say_what_was_done(
        self, base: dict[str, Any], tuned: dict[str, Any]
    ) -> None:
        folder = Path(tuned["adapter"])
        assert tuned["id"] == "small/model + LoRA on stories"
        assert tuned["source"] == "lora"
        assert tuned["weights_sha256"] == base["weights_sha256"]
        assert tuned["adapter_sha256"] == sha256(folder / "adapter_model.safetensors")
        chosen = OPTIONS | {"epochs": 4}
        assert tuned["training"] == {
            key: chosen[key] for key in chosen if key not in ("layers", "width", "dtype")
        }
        config = json.loads((folder / "adapter_config.json").read_text())
        assert config["base_model_name_or_path"] == "small/model"
        assert base["folder"] not in json.dumps(config)
        assert (config["r"], config["lora_alpha"], config["lora_dropout"]) == (4, 8, 0.1)

    def test_a_last_smaller_batch_and_short_texts(
        self, base: dict[str, Any], tmp_path: Path
    ) -> None:
        texts = [{"text": "a"}, *TEXTS[:5], {"text": "A fox sang."}]
        train_lora("tuned", base, OPTIONS, texts, tmp_path / "adapter")
        curve = pd.read_csv(tmp_path / "adapter" / "loss.csv")
        assert len(curve) == 2
        assert curve["tokens"].sum() < 6 * 31
        assert curve["loss"].notna().all()

    def test_a_wrong_target_is_named_with_the_right_ones(
        self, base: dict[str, Any], tmp_path: Path
    ) -> None:
        with pytest.raises(InputError, match=r"no linear module 'q_proj'.*c_attn, c_proj, c_fc:"):
            train_lora("t", base, OPTIONS | {"targets": ["c_attn", "q_proj"]}, TEXTS, tmp_path)

    def test_nothing_to_learn(self, base: dict[str, Any], tmp_path: Path) -> None:
        with pytest.raises(InputError, match="none of the 1 texts of 'stories' has two tokens"):
            train_lora("t", base, OPTIONS, [{"text": "a"}], tmp_path / "adapter")
        assert not (tmp_path / "adapter").exists()


@pytest.mark.parametrize("size", [8, 2])
@pytest.mark.parametrize("limits", [[], [5]])
def test_texts_between_the_same_limits_are_read_together(size: int, limits: list[int]) -> None:
    """Each in the company of texts of its kind, as long as the longest of these, and each once."""
    lengths = [3, 9, 5, 6, 2]
    batch = lora._padded([torch.arange(1, length + 1) for length in lengths])
    found = []
    for part in lora._parts(batch, size, limits):
        read = part["attention_mask"].sum(1).tolist()
        assert len(read) <= size
        assert part["input_ids"].shape[1] == (5 if limits and max(read) <= 5 else 9)
        assert not limits or len({length <= 5 for length in read}) == 1
        found += read
    assert sorted(found) == sorted(lengths)
    assert limits or found == lengths


class TestMemoryRunsOut:
    """Injected, as a card says it and as the CPU does, on more texts than ``fitting``."""

    @staticmethod
    def short_of_memory(
        monkeypatch: pytest.MonkeyPatch, fitting: int, error: Exception | None = None
    ) -> list[int]:
        """How many texts have been read at a time."""
        forward, sizes = GPT2LMHeadModel.forward, []

        def narrow(self: Any, input_ids: torch.Tensor, **inputs: Any) -> Any:
            if len(input_ids) > fitting:
                raise error or torch.OutOfMemoryError(
                    "CUDA out of memory. Tried to allocate 2 GiB."
                )
            sizes.append(len(input_ids))
            return forward(self, input_ids=input_ids, **inputs)

        monkeypatch.setattr(GPT2LMHeadModel, "forward", narrow)
        return sizes

    def trained(self, base: dict[str, Any], folder: Path, **options: Any) -> dict[str, Any]:
        texts = [*TEXTS[:7], {"text": "A fox sang."}]  # of several lengths in every step
        options = OPTIONS | {"dropout": 0.0, "epochs": 2, "batch": 8, "max_tokens": 40} | options
        record = train_lora("tuned", base, options, texts, folder)
        curve = pd.read_csv(folder / "loss.csv")
        return {"loss": torch.tensor(curve["loss"]), "tokens": list(curve["tokens"])} | {
            "weights": load_file(folder / "adapter_model.safetensors"), "record": record
        }  # fmt: skip

    @pytest.mark.parametrize("fitting", [5, 1])
    @pytest.mark.parametrize(
        "error", [None, RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes")]
    )
    def test_a_step_in_parts_is_the_same_step(
        self, fitting, error, base, tmp_path, monkeypatch, caplog
    ):
        settings = json.loads((Path(base["folder"]) / "config.json").read_text())
        without = settings | dict.fromkeys(("attn_pdrop", "embd_pdrop", "resid_pdrop"), 0.0)
        shutil.copytree(base["folder"], tmp_path / "base")
        (tmp_path / "base" / "config.json").write_text(json.dumps(without))
        base = resolve_path("base", "small/model", tmp_path / "base") | {"id": "small/model"}
        whole = self.trained(base, tmp_path / "whole")
        sizes = self.short_of_memory(monkeypatch, fitting, error)
        parts = self.trained(base, tmp_path / "parts")
        assert sizes == [{5: 4, 1: 1}[fitting]] * len(sizes)
        assert f"continuing with {sizes[0]} texts at a time" in caplog.text
        assert parts["tokens"] == whole["tokens"]
        torch.testing.assert_close(parts["loss"], whole["loss"], rtol=1e-5, atol=0)
        for name, weight in whole["weights"].items():
            assert (parts["weights"][name] - weight).norm() < 1e-5 * weight.norm()

    def test_not_even_one_text(self, base, tmp_path, monkeypatch):
        self.short_of_memory(monkeypatch, 0)
        with pytest.raises(
            InputError, match=r"a single text of 40 tokens; lower `max_tokens:` of the"
        ):
            self.trained(base, tmp_path / "adapter")
        assert not (tmp_path / "adapter").exists()

    def test_not_even_the_weights(self, base, tmp_path, monkeypatch):
        def full(*_: Any) -> None:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")

        monkeypatch.setattr(lora.Accelerator, "prepare", full)
        with pytest.raises(
            InputError, match=r"weights, in float32, do not fit.*CUDA_VISIBLE_DEVICES="
        ):
            self.trained(base, tmp_path / "adapter")

    def test_another_error_is_no_lack_of_memory(self, base, tmp_path, monkeypatch):
        self.short_of_memory(monkeypatch, 0, RuntimeError("shapes differ"))
        with pytest.raises(RuntimeError, match="shapes differ"):
            self.trained(base, tmp_path / "adapter")
