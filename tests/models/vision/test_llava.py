"""LLaVA taken apart gives what transformers' own forward pass gives, and bad folders are named."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import (
    CLIPVisionConfig,
    LlavaForConditionalGeneration,
    SiglipVisionConfig,
    ViTConfig,
)

import random_models
import small_llava
from matrix_entropy.base.errors import InputError
from matrix_entropy.models.vision.llava import Llava, load_llava
from small_llava import IMAGE_TOKENS, LAYERS, SIDE, VISION_WIDTH, WIDTH, WORDS

TEXT = " ".join(WORDS[:3])


def pixels(images: list[Image.Image]) -> torch.Tensor:
    return small_llava.image_processor()(images=images, return_tensors="pt")["pixel_values"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model and processor as `save_pretrained` writes them."""
    folder = tmp_path_factory.mktemp("llava")
    small_llava.model().save_pretrained(folder)
    small_llava.processor(small_llava.tokenizer()).save_pretrained(folder)
    return folder


def load(folder: Path, dtype: str = "float32", **changes: Any) -> Any:
    stated = {"layers": LAYERS, "width": WIDTH} | changes
    return load_llava({"model": "small", "folder": str(folder)}, dtype=dtype, **stated)


@torch.inference_mode()
def test_rows_of_the_vision_tower_are_what_enters_its_last_block() -> None:
    llava, seen = small_llava.llava(), []
    last = llava.vision_tower.encoder.layers[-1]
    handle = last.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    patches = llava.patches(small_llava.pictures(2))
    handle.remove()
    assert patches.shape == (2, IMAGE_TOKENS, VISION_WIDTH)
    torch.testing.assert_close(patches, seen[0][:, 1:], rtol=0, atol=0)


@torch.inference_mode()
@pytest.mark.parametrize(
    ("layer", "strategy"), [(-2, "default"), (-2, "full"), (1, "default"), ([0, -1], "default")]
)
def test_image_tokens_are_those_of_the_whole_model(layer: Any, strategy: str) -> None:
    llava = small_llava.llava(layer=layer, strategy=strategy)
    whole, images = small_llava.model(layer, strategy), small_llava.pictures(3)
    features = torch.stack(list(whole.get_image_features(pixels(images)).pooler_output))
    tokens = llava.connect(llava.patches(images))
    assert tokens.shape == (3, IMAGE_TOKENS + (strategy == "full"), WIDTH)
    torch.testing.assert_close(tokens, features, rtol=0, atol=0)


@torch.inference_mode()
@pytest.mark.parametrize(("strategy", "left_out"), [("default", 1), ("full", 0)])
@pytest.mark.parametrize(
    ("tower", "rows"),
    [
        (CLIPVisionConfig, 1 + IMAGE_TOKENS),
        (ViTConfig, 1 + IMAGE_TOKENS),
        (SiglipVisionConfig, IMAGE_TOKENS),  # has no class token
    ],
)
def test_image_tokens_are_counted_with_the_class_token_of_the_tower(
    tower: Any, rows: int, strategy: str, left_out: int
) -> None:
    config = small_llava.model(strategy=strategy).config
    config.vision_config = tower(
        hidden_size=VISION_WIDTH,
        intermediate_size=2 * VISION_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=SIDE,
        patch_size=small_llava.PATCH,
    )
    whole: Any = random_models.fill(LlavaForConditionalGeneration(config), seed=1)
    images = small_llava.pictures(2)
    features = torch.stack(list(whole.get_image_features(pixels(images)).pooler_output))
    llava = Llava("small", whole, small_llava.image_processor(), small_llava.tokenizer())
    tokens = llava.connect(llava.patches(images))
    torch.testing.assert_close(tokens, features, rtol=0, atol=0)
    assert llava.sizes()["image_tokens"] == tokens.shape[1] == rows - left_out


@torch.inference_mode()
@pytest.mark.parametrize("bos", [True, False])
def test_image_and_text_are_read_as_by_the_whole_model(bos: bool) -> None:
    """transformers' processor puts the placeholders, its model the image tokens in their place."""
    llava, (image, *_) = small_llava.llava(bos), small_llava.pictures()
    inputs = small_llava.processor(llava.tokenizer)(
        images=image, text=f"<image>{TEXT}", return_tensors="pt"
    )
    output = small_llava.model()(
        input_ids=inputs["input_ids"],
        attention_mask=inputs["attention_mask"],
        pixel_values=inputs["pixel_values"],
        output_hidden_states=True,
    )
    text = llava.tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    front = [llava.tokenizer.bos_token_id] if bos else []
    placeholder = llava.config.image_token_id
    assert inputs["input_ids"][0].tolist() == front + [placeholder] * IMAGE_TOKENS + text

    tokens = llava.connect(llava.patches([image]))
    embeddings = llava.embed(torch.tensor([front + text]))
    both = torch.cat([embeddings[:, : len(front)], tokens, embeddings[:, len(front) :]], dim=1)
    torch.testing.assert_close(llava.read(both), output.hidden_states[-1], rtol=0, atol=1e-5)


def test_an_image_of_the_right_size_is_only_normalised() -> None:
    values = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    mean, std = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
    expected = ((values / 255 - mean) / std).transpose(2, 0, 1)
    np.testing.assert_allclose(pixels([Image.fromarray(values)])[0], expected, atol=1e-6)


def test_parts_are_apart_and_leave_the_output_matrix_out(folder: Path) -> None:
    llava = load(folder)
    vision = {id(p) for part in llava.vision_parts for p in part.parameters()}
    language = {id(p) for part in llava.language_parts for p in part.parameters()}
    assert not vision & language
    whole = small_llava.model()
    assert len(vision | language) == len(list(whole.parameters())) - 1
    assert llava.context == small_llava.CONTEXT


@torch.inference_mode()
@pytest.mark.parametrize("layout", ["processor_config.json", "preprocessor_config.json"])
def test_what_was_saved_is_loaded_in_the_stated_type(
    folder: Path, tmp_path: Path, layout: str
) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    if layout == "preprocessor_config.json":  # where older checkpoints have it
        (tmp_path / "processor_config.json").unlink()
        small_llava.image_processor().save_pretrained(tmp_path)
        weights = load_file(tmp_path / "model.safetensors")  # under the names of then
        old = {re.sub("^vision_tower", r"\g<0>.vision_model", key): w for key, w in weights.items()}
        assert {"language_model.model.norm.weight", "language_model.lm_head.weight"} < set(old)
        save_file(old, tmp_path / "model.safetensors", {"format": "pt"})
    assert (tmp_path / layout).is_file()
    images = small_llava.pictures(2)
    expected = small_llava.llava()
    loaded = load(tmp_path)
    tokens = loaded.connect(loaded.patches(images))
    torch.testing.assert_close(tokens, expected.connect(expected.patches(images)), rtol=0, atol=0)
    assert not loaded.language_model.training
    assert "Pil" in type(loaded.image_processor).__name__
    for dtype in (torch.float16, torch.bfloat16):
        narrow = load(tmp_path, str(dtype).removeprefix("torch."))
        found = narrow.connect(narrow.patches(images))
        assert found.dtype == narrow.read(found).dtype == dtype
    spread = load(tmp_path, device_map="auto")
    torch.testing.assert_close(spread.connect(spread.patches(images)), tokens, rtol=0, atol=0)


@pytest.mark.parametrize(("what", "stated", "found"), [("layers", 3, 2), ("width", 16, 32)])
def test_a_size_that_is_not_the_models_is_said(
    folder: Path, what: str, stated: int, found: int
) -> None:
    with pytest.raises(InputError, match=f"has {what} {found}.*states {stated}.*`{what}: {found}`"):
        load(folder, **{what: stated})


def test_another_kind_of_model_is_refused(tmp_path: Path) -> None:
    random_models.llama().save_pretrained(tmp_path)
    with pytest.raises(InputError, match="of the kind 'llama', not 'llava'"):
        load(tmp_path)


def test_weights_that_are_missing_are_not_made_up(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    weights = load_file(tmp_path / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "projector.linear_2" not in name}
    assert len(kept) == len(weights) - 2
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"2 weights are missing .*\(.*linear_2\.bias, "):
        load(tmp_path)


def test_a_folder_without_what_prepares_images_is_named(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "processor_config.json").unlink()
    with pytest.raises(InputError, match=r"model 'small' cannot be loaded from .*image processor"):
        load(tmp_path)


def test_pickled_weights_and_code_are_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    weights = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    torch.save(weights, tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match="model 'small' cannot be loaded from"):
        load(tmp_path)
    with pytest.raises(InputError, match=r"its folder .* is gone"):
        load(tmp_path / "nowhere")
