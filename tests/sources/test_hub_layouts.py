"""Repositories laid out as those of the papers' models on the hub, from the fetch to the logits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

import random_models
from hub_server import running_hub
from matrix_entropy.models.loading import load_model, load_tokenizer
from matrix_entropy.models.resolving import resolve_hub
from matrix_entropy.models.stand_ins import train_tokenizer

TEXTS = ["a fox and a lighthouse"] * 20
Weights = dict[str, torch.Tensor]


def unprefixed(weights: Weights, prefix: str = "transformer.") -> Weights:
    """Keys of the model without a head, which is tied to the embedding."""
    return {key.removeprefix(prefix): w for key, w in weights.items() if key.startswith(prefix)}


def with_masks(weights: Weights, name: str, dtype: torch.dtype) -> Weights:
    """The attention masks that older versions of transformers saved with a block."""
    masks = torch.ones(64, 64).tril().to(dtype).view(1, 1, 64, 64)
    return weights | {
        key.format(block=block): mask
        for block in range(random_models.BLOCKS)
        for key, mask in ((f"{name}.bias", masks), (f"{name}.masked_bias", torch.tensor(-1e4)))
    }


def half(weights: Weights) -> Weights:
    return {key: w.half() if w.is_floating_point() else w for key, w in weights.items()}


def untied(weights: Weights) -> Weights:
    return {key: w.clone() for key, w in weights.items() if key != "lm_head.weight"}


def in_one_pickle(folder: Path, weights: Weights) -> None:
    torch.save(weights, folder / "pytorch_model.bin")


def in_two_pickles(folder: Path, weights: Weights) -> None:
    names, files = sorted(weights), {}
    for number, part in enumerate((names[::2], names[1::2]), 1):
        file = f"pytorch_model-0000{number}-of-00002.bin"
        torch.save({key: weights[key] for key in part}, folder / file)
        files |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": 1}, "weight_map": files}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))


def in_safetensors(folder: Path, weights: Weights) -> None:
    kept = {key: w.clone() for key, w in weights.items()}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})


def two_files_of_the_tokenizer(folder: Path) -> None:
    """vocab.json and merges.txt alone, beside a config.json without dtype and architectures."""
    model = json.loads((folder / "tokenizer.json").read_text())["model"]
    for path in folder.glob("tokenizer*"):
        path.unlink()
    (folder / "vocab.json").write_text(json.dumps(model["vocab"]))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in model["merges"])]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")
    config = json.loads((folder / "config.json").read_text())
    kept = {key: config[key] for key in config if key not in ("dtype", "architectures")}
    (folder / "config.json").write_text(json.dumps(kept))


def headless(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["architectures"] = ["GPT2Model"]
    (folder / "config.json").write_text(json.dumps(config))


def one_key_of_the_tokenizer(folder: Path) -> None:
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 64}))


# Architecture, what becomes of its weights, how they are stored, what else is unusual, and whether
# they are to be converted.
Layout = tuple[
    str,
    Callable[[Weights], Weights],
    Callable[[Path, Weights], None],
    Callable[[Path], None] | None,
    bool,
]
LAYOUTS: dict[str, Layout] = {
    "TinyStories": (
        "gpt_neo",
        lambda w: with_masks(w, "transformer.h.{block}.attn.attention", torch.bool),
        in_one_pickle,
        None,
        True,
    ),
    "GPT-2": (
        "gpt2",
        lambda w: with_masks(unprefixed(untied(w)), "h.{block}.attn", torch.float32),
        in_safetensors,
        one_key_of_the_tokenizer,
        False,
    ),
    "Cerebras-GPT": (
        "gpt2",
        lambda w: with_masks(w, "transformer.h.{block}.attn", torch.uint8),
        in_one_pickle,
        two_files_of_the_tokenizer,
        True,
    ),
    "Cerebras-GPT-13B": (
        "gpt2",
        lambda w: with_masks(unprefixed(w), "h.{block}.attn", torch.uint8),
        in_two_pickles,
        headless,
        True,
    ),
    "Pythia": (
        "gpt_neox",
        lambda w: with_masks(half(w), "gpt_neox.layers.{block}.attention", torch.bool),
        in_safetensors,
        None,
        False,
    ),
    "OPT": (
        "opt",
        lambda w: half(unprefixed(untied(w), "model.")),
        in_one_pickle,
        None,
        True,
    ),
}


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Puts a folder's files onto a hub that this process asks, with an empty cache."""
    with running_hub() as hub:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", hub.address)
        template = f"{hub.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))

        def put(name: str, folder: Path) -> None:
            files = {path.name: path.read_bytes() for path in folder.iterdir()}
            hub.publish(f"models/{name}", files)

        yield put


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_model_is_the_one_that_was_stored(
    tmp_path: Path, publish: Callable[..., None], layout: str
) -> None:
    """The same logits to the bit, those of float16 weights in float32, and the same tokens."""
    architecture, change, store, more, convert = LAYOUTS[layout]
    folder = tmp_path / "repository"
    tokenizer = train_tokenizer(TEXTS, 300)
    model: Any = getattr(random_models, architecture)(vocabulary=len(tokenizer)).eval()
    model.config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if layout in ("Pythia", "OPT"):  # of parameters; rotary frequencies stay as they are
        model.load_state_dict(half(model.state_dict()))
    store(folder, change(model.state_dict()))
    if more is not None:
        more(folder)
    publish("org/small", folder)
    entry = {"hub": "org/small", "convert_weights": convert}
    record = resolve_hub("small", entry, tmp_path / "converted")
    assert (Path(record["folder"]) == tmp_path / "converted") is convert
    loaded: Any = load_model(record, random_models.BLOCKS, random_models.WIDTH, "float32")
    found = load_tokenizer(record)
    assert found.bos_token_id == tokenizer.bos_token_id
    ids = found(TEXTS[0], add_special_tokens=False, return_tensors="pt")
    assert ids["input_ids"][0].tolist() == tokenizer.encode(TEXTS[0], add_special_tokens=False)
    with torch.no_grad():
        assert torch.equal(loaded(**ids).logits, model(**ids).logits)
