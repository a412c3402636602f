"""Vision-language models by their folders: of the right kind, and of the sizes that are stated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import cpu_offload
from transformers import LlavaForConditionalGeneration

import random_models
import small_llava
import small_minigpt_v2
from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import read_json, write_json
from matrix_entropy.models.loading import spread
from matrix_entropy.models.vision import multimodal_models
from matrix_entropy.models.vision.interface import VisionLanguage
from matrix_entropy.models.vision.llava import Llava
from matrix_entropy.models.vision.minigpt_v2 import MiniGPTv2, save_minigpt_v2
from matrix_entropy.models.vision.multimodal_models import load_vision_language

BLOCKS = 3  # of one tower in each model, of which the other has two
WIDE = 48  # MiniGPT-v2's language model, beside a ViT of another width
LLAVA_VISION = {
    "layers": BLOCKS,
    "width": small_llava.VISION_WIDTH,
    "image_size": small_llava.SIDE,
    "patch": small_llava.PATCH,
    "image_tokens": small_llava.IMAGE_TOKENS,
}
LLAVA = {"layers": small_llava.LAYERS, "width": small_llava.WIDTH, "vision": LLAVA_VISION}
SIZES: dict[str, dict[str, Any]] = {
    "llava": LLAVA,
    # With the class token, which its connector reads too.
    "llava_full": LLAVA | {"vision": LLAVA_VISION | {"image_tokens": small_llava.IMAGE_TOKENS + 1}},
    "minigpt": {
        "layers": BLOCKS,
        "width": WIDE,
        "vision": {
            "layers": small_minigpt_v2.BLOCKS,
            "width": small_minigpt_v2.WIDTH,
            "image_size": small_minigpt_v2.SIZE,
            "patch": small_minigpt_v2.PATCH,
            "image_tokens": 9,
        },
    },
}
KINDS = {"llava": Llava, "llava_full": Llava, "minigpt": MiniGPTv2}
KEYS = ["layers", "width", *(f"vision.{key}" for key in LLAVA_VISION)]


def save_llava(folder: Path, strategy: str) -> None:
    config = small_llava.model(strategy=strategy).config
    config.vision_config.num_hidden_layers = BLOCKS
    model = random_models.fill(LlavaForConditionalGeneration(config), seed=1)
    model.save_pretrained(folder)
    small_llava.processor(small_llava.tokenizer(), strategy).save_pretrained(folder)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each name in `SIZES`."""
    folders = tmp_path_factory.mktemp("models")
    save_llava(folders / "llava", "default")
    save_llava(folders / "llava_full", "full")
    minigpt = small_minigpt_v2.small_model(num_hidden_layers=BLOCKS, hidden_size=WIDE)
    save_minigpt_v2(minigpt, folders / "minigpt")
    return folders


def load(folder: Path, stated: dict[str, Any], **options: Any) -> VisionLanguage:
    record = {"model": "mine", "folder": str(folder)}
    return load_vision_language(
        record, {"dtype": "float32", "device_map": "single"} | stated | options
    )


@torch.inference_mode()
def states_of(model: VisionLanguage) -> list[torch.Tensor]:
    """What a model makes of two pictures and the words behind them, at every stage."""
    patches = model.patches(small_llava.pictures(2))
    tokens = model.connect(patches)
    words = model.embed(torch.tensor([[5, 9, 17], [4, 4, 250]]))
    return [patches, tokens, words, model.read(torch.cat([tokens, words], dim=1))]


@pytest.mark.parametrize("name", SIZES)
def test_folders_are_told_apart_and_sizes_are_those_of_the_states(folders: Path, name: str) -> None:
    model = load(folders / name, SIZES[name])
    assert type(model) is KINDS[name]
    assert model.name == "mine"
    assert not any(part.training for part in [*model.vision_parts, *model.language_parts])
    sizes, width = model.sizes(), SIZES[name]["width"]
    assert sizes == SIZES[name]["vision"]

    patches, tokens, words, states = states_of(model)
    along = sizes["image_size"] // sizes["patch"]
    rows = {"llava": along**2, "llava_full": 1 + along**2, "minigpt": along**2}[name]
    assert patches.shape == (2, rows, sizes["width"])
    assert tokens.shape == (2, sizes["image_tokens"], width)
    assert states.shape == (2, sizes["image_tokens"] + words.shape[1], width)


@torch.inference_mode()
@pytest.mark.parametrize("name", SIZES)
def test_pixels_patches_and_blocks_are_as_many_as_the_sizes_say(folders: Path, name: str) -> None:
    """Counted where they are used: at the convolution that cuts the patches, and at the blocks."""
    model = load(folders / name, SIZES[name])
    seen: list[tuple[torch.Size, torch.Size]] = []
    tower = model.vision_parts[0]
    (cuts,) = (part for part in tower.modules() if isinstance(part, torch.nn.Conv2d))
    cuts.register_forward_hook(lambda _, args, made: seen.append((args[0].shape, made.shape)))
    model.patches(small_llava.pictures(2))
    sizes = model.sizes()
    side, along = sizes["image_size"], sizes["image_size"] // sizes["patch"]
    assert seen == [((2, 3, side, side), (2, sizes["width"], along, along))]
    assert cuts.kernel_size == cuts.stride == (sizes["patch"], sizes["patch"])
    blocks = [p for p in tower.modules() if type(p).__name__.endswith("EncoderLayer")]
    assert len(blocks) == sizes["layers"]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", SIZES)
def test_a_size_that_is_not_the_models_is_answered_with_the_right_one(
    folders: Path, name: str, key: str
) -> None:
    stated: dict[str, Any] = SIZES[name] | {"vision": dict(SIZES[name]["vision"])}
    *inside, last = key.split(".")
    place = stated["vision"] if inside else stated
    found, place[last] = place[last], place[last] + 1
    with pytest.raises(InputError) as raised:
        load(folders / name, stated)
    whose = "model 'mine' has in its vision encoder" if inside else "model of model 'mine' has"
    where = " in its `vision:`." if inside else "."
    message = str(raised.value)
    assert f"{whose} {last} {found}, but the configuration states {found + 1}; write" in message
    assert message.endswith(f"`{last}: {found}`{where}")
    assert "\n" not in message


@pytest.mark.parametrize("name", ["llava", "minigpt"])
def test_spread_over_all_devices_it_does_the_same(
    folders: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps: list[str | None] = []
    from_pretrained = LlavaForConditionalGeneration.from_pretrained

    def loaded(*args: Any, **options: Any) -> Any:
        maps.append(options.get("device_map"))
        return from_pretrained(*args, **options)

    def spread_out(model: Any, whole: list[str]) -> Any:
        maps.append("auto")
        blocks = {type(part).__name__ for part in model.modules()}
        assert set(whole) <= blocks, "names of classes that the model has"
        return spread(model, whole)

    monkeypatch.setattr(LlavaForConditionalGeneration, "from_pretrained", loaded)
    monkeypatch.setattr(multimodal_models, "spread", spread_out)
    on_one = load(folders / name, SIZES[name])
    assert maps == ([None] if name == "llava" else [])
    maps.clear()
    on_all = load(folders / name, SIZES[name], device_map="auto")
    assert maps == ["auto"]
    assert type(on_all) is KINDS[name]
    for theirs, ours in zip(states_of(on_all), states_of(on_one), strict=True):
        torch.testing.assert_close(theirs, ours, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["llava", "minigpt"])
def test_offloaded_it_does_the_same(folders: Path, name: str, dtype: str) -> None:
    """Its weights are on no device until accelerate brings them, as where devices are small."""
    model = load(folders / name, SIZES[name], dtype=dtype)
    expected = states_of(model)
    for part in [*model.vision_parts, *model.language_parts]:
        cpu_offload(part, torch.device("cpu"))
        assert all(parameter.is_meta for parameter in part.parameters())
    for offloaded, whole in zip(states_of(model), expected, strict=True):
        torch.testing.assert_close(offloaded, whole, rtol=0, atol=0)


@pytest.mark.parametrize("device_map", ["single", "auto"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["llava", "minigpt"])
def test_the_type_is_the_stated_one(
    folders: Path, name: str, dtype: torch.dtype, device_map: str
) -> None:
    asked = {"dtype": str(dtype).removeprefix("torch."), "device_map": device_map}
    model = load(folders / name, SIZES[name], **asked)
    parts = [*model.vision_parts, *model.language_parts]
    assert {parameter.dtype for part in parts for parameter in part.parameters()} == {dtype}
    assert {states.dtype for states in states_of(model)} == {dtype}


def test_a_folder_of_neither_kind_is_named(folders: Path, tmp_path: Path) -> None:
    random_models.llama().save_pretrained(tmp_path / "llama")
    config = tmp_path / "llama" / "config.json"
    write_json(config, read_json(config) | {"architecture": "mine"})
    with pytest.raises(InputError, match=r"'mine' in .* is of the kind 'llama', not 'llava'"):
        load(tmp_path / "llama", SIZES["llava"])
    with pytest.raises(InputError, match=r"'mine': its folder .*nowhere is gone; delete"):
        load(tmp_path / "nowhere", SIZES["minigpt"])
    (tmp_path / "bare").mkdir()
    with pytest.raises(InputError, match=r"'mine' cannot be loaded from .*bare"):
        load(tmp_path / "bare", SIZES["llava"])


@pytest.mark.parametrize("content", [b"", b'{"architecture": "minigpt_v2", ', b"\xff\xfe"])
def test_a_damaged_config_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(InputError, match=r"model 'mine' cannot be loaded from .*config"):
        load(tmp_path, SIZES["minigpt"])
