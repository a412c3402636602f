"""Vision-language stand-ins: seeded training, and what they have learned of pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import LlavaForConditionalGeneration, LlavaProcessor

from matrix_entropy.base.errors import InputError
from matrix_entropy.models.stand_ins import train_tokenizer
from matrix_entropy.models.training import HELD_OUT_EVERY
from matrix_entropy.models.vision.interface import VisionLanguage, beginning
from matrix_entropy.models.vision.llava import load_llava
from matrix_entropy.models.vision.minigpt_v2 import load_minigpt_v2
from matrix_entropy.models.vision.multimodal_stand_ins import train_multimodal_stand_in
from matrix_entropy.texts.image_records import read_image_texts
from matrix_entropy.texts.synthetic.pictures import SKIES, picture_records, write_pictures

ARCHITECTURES = ["llava", "minigpt_v2"]
# 16 image tokens each: MiniGPT-v2 joins four patches.
PATCH = {"llava": 14, "minigpt_v2": 7}
VISION = {"layers": 2, "width": 32, "image_size": 56, "image_tokens": 16}
TRAIN = {
    "architecture": "llava",
    "heads": 4,
    "context": 96,
    "batch": 8,
    "steps": 160,
    "learning_rate": 0.005,
    "seed": 0,
}
LAYERS, WIDTH = 2, 32
# What LLaVA's connector does not read.
UNREAD = ("vision_tower.encoder.layers.1.", "vision_tower.post_layernorm.")


def described(count: int, seed: int = 0) -> list[tuple[Image.Image, str]]:
    """Pictures, and the first sentence of what is said of them: the number of shapes, sky, ground.

    That much is learned in the time that a test has.
    """
    found = []
    for record, picture in picture_records("llava_instruct", count, seed, 56):
        asked, said = (turn["value"] for turn in record["conversations"])  # type: ignore[index]
        asked = asked.replace("<image>", "").strip()
        found.append((picture, f"{asked}\n{said.split('.')[0]}."))
    return found


PICTURES = described(1000)


@cache
def tokenizer() -> Any:
    return train_tokenizer([text for _, text in PICTURES[:200]], 500)


def train(
    folder: Path,
    pictures: Any = PICTURES[:30],
    vision: Mapping[str, Any] = VISION,
    **changes: Any,
) -> dict[str, Any]:
    torch.set_num_threads(1)
    chosen = TRAIN | changes
    options = {
        "layers": LAYERS,
        "width": WIDTH,
        "vision": {"patch": PATCH[chosen["architecture"]], **vision},
        "train": chosen,
    }
    return train_multimodal_stand_in("small", options, pictures, tokenizer(), folder)


@pytest.fixture(scope="module", params=ARCHITECTURES)
def record(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A model that has learned for two to three seconds."""
    folder = tmp_path_factory.mktemp(request.param) / "small"
    return train(folder, PICTURES, architecture=request.param)


@pytest.fixture(scope="module")
def saved(record: dict[str, Any]) -> tuple[VisionLanguage, torch.Tensor]:
    """What its folder gives: the model and its output matrix."""
    folder = Path(record["folder"])
    (output,) = (
        value
        for key, value in load_file(folder / "model.safetensors").items()
        if key.endswith("lm_head.weight")
    )
    if record["architecture"] == "llava":
        return load_llava(record, LAYERS, WIDTH, "float32"), output
    return load_minigpt_v2(folder, "float32", "small"), output


@torch.inference_mode()
def log_likelihoods(
    saved: tuple[VisionLanguage, torch.Tensor], picture: Image.Image, text: str
) -> torch.Tensor:
    """Those of every token to come next, behind each token of a text; a row per token."""
    model, output = saved
    image = model.connect(model.patches([picture]))
    words = model.embed(torch.tensor([model.tokenizer(text)["input_ids"]]))
    states = model.read(torch.cat([words[:, :1], image, words[:, 1:]], dim=1))
    return torch.log_softmax(states[0, 1 + image.shape[1] :] @ output.T, dim=-1)


def test_a_model_has_learned_to_look_at_the_picture(record: dict[str, Any]) -> None:
    assert record["untrained_loss"] == pytest.approx(math.log(len(tokenizer())), abs=0.4)
    assert record["held_out_loss"] < 0.25
    # With nothing of the picture read the two would be the same.
    assert record["held_out_loss_shuffled"] > record["held_out_loss"] + 0.15


def test_what_was_saved_names_the_sky_of_pictures_it_has_not_seen(saved: Any) -> None:
    words = {sky: tokenizer()(f" {sky}")["input_ids"][0] for sky in SKIES}
    right = 0
    for picture, text in described(40, seed=1):
        sky = next(sky for sky in SKIES if f"{sky} sky" in text)
        # Up to the word: the last row is the one that predicts it.
        before = text[: text.index(f" {sky} sky")]
        predicted = log_likelihoods(saved, picture, before)[-1]
        right += max(words, key=lambda word: float(predicted[words[word]])) == sky
    assert right >= 34  # of 40; by chance 13, give or take 3


def test_the_held_out_loss_is_that_of_responses_one_at_a_time(
    record: dict[str, Any], saved: Any
) -> None:
    total, count = 0.0, 0
    for picture, text in PICTURES[::HELD_OUT_EVERY]:
        ids = tokenizer()(text)["input_ids"]
        asked = len(tokenizer()(text.split("\n")[0] + "\n")["input_ids"])
        found = log_likelihoods(saved, picture, text)
        total -= sum(float(found[at - 1, ids[at]]) for at in range(asked, len(ids)))
        count += len(ids) - asked
    assert record["held_out_loss"] == pytest.approx(total / count, abs=1e-5)


def test_transformers_own_llava_has_the_same_loss(tmp_path: Path) -> None:
    pictures = [*PICTURES[:20], PICTURES[0]]  # the same one held out twice
    record = train(tmp_path / "small", pictures, steps=3)
    assert record["held_out_loss"] == record["held_out_loss_shuffled"]
    model = LlavaForConditionalGeneration.from_pretrained(tmp_path / "small")
    processor = LlavaProcessor.from_pretrained(tmp_path / "small", backend="pil")
    picture, text = pictures[0]
    inputs = processor(images=picture, text=f"<image>{text}", return_tensors="pt")
    asked = processor(images=picture, text=f"<image>{text.split(chr(10))[0]}\n")["input_ids"][0]
    labels = inputs["input_ids"].clone()
    labels[:, : len(asked)] = -100
    loss = model(**inputs, labels=labels).loss.item()
    assert record["held_out_loss"] == pytest.approx(loss, abs=1e-5)


def test_the_record_says_what_was_made(record: dict[str, Any]) -> None:
    folder = Path(record["folder"])
    weights = load_file(folder / "model.safetensors")
    assert record["parameters"] == sum(value.numel() for value in weights.values())
    assert f"{record['parameters']} parameters" in record["id"]
    assert set(record["weights_sha256"]) == {"model.safetensors"}
    assert (record["source"], record["stand_in"]) == ("train", True)
    curve = pd.read_csv(folder / "loss.csv")
    assert curve["step"].tolist() == list(range(0, 161, 80))
    assert curve["train_loss"].isna().tolist() == [True] + 2 * [False]
    assert curve["held_out_loss"].iloc[0] == record["untrained_loss"]
    for key in ("held_out_loss", "held_out_loss_shuffled"):
        assert curve[key].iloc[-1] == record[key]


def test_the_saved_tokenizer_begins_texts_and_the_given_one_is_as_before(saved: Any) -> None:
    model, _ = saved
    assert beginning(model.tokenizer) == [tokenizer().bos_token_id]
    assert model.context == TRAIN["context"]
    assert beginning(tokenizer()) == []
    assert "<image>" not in tokenizer().get_vocab()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_training_is_seeded(architecture: str, tmp_path: Path) -> None:
    changes = [{}, {}, {"seed": 1}]
    first, second, other = (
        train(tmp_path / str(i), architecture=architecture, steps=2, **change)
        for i, change in enumerate(changes)
    )
    assert first["weights_sha256"] == second["weights_sha256"]
    assert first["held_out_loss"] == second["held_out_loss"]
    assert first["weights_sha256"] != other["weights_sha256"]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_all_that_is_read_learns(architecture: str, tmp_path: Path) -> None:
    one, two = (
        load_file(
            Path(train(tmp_path / str(steps), architecture=architecture, steps=steps)["folder"])
            / "model.safetensors"
        )
        for steps in (1, 2)
    )
    same = {key for key in one if torch.equal(one[key], two[key])}
    assert same == {key for key in one if any(name in key for name in UNREAD)}


def test_files_of_a_data_set_are_read(tmp_path: Path) -> None:
    file = write_pictures(tmp_path, "llava_instruct", 25, 0, 56)
    records, _ = read_image_texts({"record": "llava_instruct"}, file, tmp_path / "image", "made")
    from_files = [(record["image"], record["text"]) for record in records]
    opened = [(Image.open(path).convert("RGB"), text) for path, text in from_files]
    first, second = (
        train(tmp_path / str(i), pictures, steps=1, context=300)
        for i, pictures in enumerate((from_files, opened))
    )
    assert first["weights_sha256"] == second["weights_sha256"]


@pytest.mark.parametrize(
    ("pictures", "changes", "message"),
    [
        (PICTURES[:20], {}, "has only 20 pictures.*raise `count:` of their data set to 21"),
        ([*PICTURES[:21], (PICTURES[0][0], "Describe it.")], {}, "text 21 .* has no response"),
        ([*PICTURES[:21], (PICTURES[0][0], "Describe it.\n")], {}, "text 21 .* has no response"),
        ([*PICTURES[:21], ("none.png", "Describe it.\nNo.")], {}, "there is no image none.png"),
        (PICTURES[:21], {"context": 40}, r"16 of them a picture's, but its context is 40; write"),
    ],
)
def test_what_cannot_be_learned_from_is_named(
    pictures: Any, changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        train(tmp_path / "small", pictures, **changes)
    assert not (tmp_path / "small").exists()


def test_the_stated_context_is_enough(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        train(tmp_path, steps=1, context=40)
    enough = int(str(error.value).split("`context: ")[1].split("`")[0])
    assert train(tmp_path / "small", steps=1, context=enough)["training"]["context"] == enough


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("size", "made"), [(56, 16), (84, 36)])
def test_the_stated_number_of_image_tokens_is_that_of_the_model(
    architecture: str, size: int, made: int, tmp_path: Path
) -> None:
    vision = VISION | {"image_size": size, "image_tokens": 20}
    with pytest.raises(InputError, match=rf"not 20; write `image_tokens: {made}`"):
        train(tmp_path / "small", vision=vision, architecture=architecture)
    assert not (tmp_path / "small").exists()
    train(
        tmp_path / "small",
        vision=vision | {"image_tokens": made},
        architecture=architecture,
        steps=1,
    )
    assert (tmp_path / "small" / "loss.csv").exists()
