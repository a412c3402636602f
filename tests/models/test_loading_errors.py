"""Whatever is wrong with a model's folder ends in numbers that are right, or in one sentence."""

from __future__ import annotations

import errno
import json
import random
import re
import runpy
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import random_models
import short_texts
from matrix_entropy.base.errors import InputError, first_line
from matrix_entropy.models.loading import load_model, load_tokenizer
from matrix_entropy.models.loading_errors import explaining
from matrix_entropy.models.resolving import resolve_path
from matrix_entropy.models.stand_ins import train_tokenizer
from matrix_entropy.results.state_files import open_states
from matrix_entropy.states.hidden_states import dump_hidden_states

TEXTS = [{"id": "1", "group": "all", "text": "a fox and a lighthouse"}]
OPTIONS = short_texts.OPTIONS | {"bos": False}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random Llama with a tokenizer."""
    folder = tmp_path_factory.mktemp("sound")
    random_models.llama(vocabulary=300).save_pretrained(folder)
    train_tokenizer([TEXTS[0]["text"]] * 20, 300).save_pretrained(folder)
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "model"))


def load(folder: Path, layers: int = 3, width: int = 48) -> None:
    record = resolve_path("mine", str(folder), folder)
    load_tokenizer(record)
    load_model(record, layers, width, "float32")


def edit(path: Path, change: Callable[[Any], Any]) -> None:
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


def sentence(folder: Path) -> str:
    """What is said of a model that cannot be loaded."""
    with pytest.raises(InputError) as error:
        load(folder)
    said = str(error.value)
    assert said.startswith("model 'mine'")
    assert said.endswith(".")
    assert "\n" not in said
    return said


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        *(
            ({"quantization_config": {"quant_method": method, **more}}, told)
            for method, more, told in (
                ("bitsandbytes", {"load_in_4bit": True}, "bitsandbytes"),
                ("gptq", {"bits": 4}, "gptq"),
                ("awq", {"bits": 4}, "awq"),
                ("compressed-tensors", {}, "compressed-tensors"),
            )
        ),
        ({"attn_implementation": "flash_attention_2"}, "FlashAttention2 .*`attn_implementation`"),
        ({"hidden_act": "nope"}, "knows nothing called 'nope'"),
        ({"hidden_act": 5}, "'hidden_act'.* expected str, got int"),
        ({"model_type": "nope"}, "`nope`"),
        ({"model_type": "nope", "transformers_version": "99.1.0"}, r"transformers 99\.1\.0, newer"),
        ({"num_attention_heads": 5}, r"correct config\.json|divisible|multiple"),
        ({"vocab_size": 0}, r"another shape|correct"),
    ],
)
def test_a_configuration(folder: Path, changes: dict[str, Any], told: str) -> None:
    edit(folder / "config.json", lambda config: config | changes)
    assert re.search(told, sentence(folder))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"attention_types": [[["global", "local"], 10**9]]}, "`attention_types: 1000000000`"),
        ({"num_hidden_layers": 10**9}, "`num_hidden_layers: 1000000000`, and no .* 10,000;"),
        ({"num_labels": 10**400}, "`num_labels: 10{29}`"),
        ({"vocab_size": 10**12}, "`vocab_size: 1000000000000`"),
        ({"vocab_size": 10**8}, r"embed_tokens.weight \(100000000, 48\) \(`vocab_size: 10{8}`\)"),
        ({"head_dim": 10**8}, "`head_dim: 100000000`"),
        ({"mine": {"list": [0] * 100_001}}, "more than 100,000 values, below `list`"),
        ({"mine": json.loads("[" * 100 + "]" * 100)}, "too deep a nesting, below `mine`"),
    ],
)
def test_numbers_beyond_reason(folder: Path, changes: dict[str, Any], told: str) -> None:
    edit(folder / "config.json", lambda config: config | changes)
    assert re.search(rf"config\.json .*{told}", sentence(folder))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t | {"model": t["model"] | {"type": "BPE2"}}, "newer format than tokenizers"),
        (lambda t: t | {"model": {"type": "BPE3"}}, "newer format than tokenizers"),
        (lambda t: t | {"pre_tokenizer": {"type": "Nope"}}, "newer format than tokenizers"),
        (lambda t: t | {"model": t["model"] | {"vocab": {}, "merges": []}}, "tokenizer"),
    ],
)
def test_a_tokenizer(folder: Path, change: Callable[[Any], Any], told: str) -> None:
    edit(folder / "tokenizer.json", change)
    edit(folder / "tokenizer.json", lambda t: t if "Nope" in str(t) else t | {"added_tokens": []})
    assert re.search(told, sentence(folder))


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json"])
def test_a_file_that_is_cut_off_is_named(folder: Path, name: str) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes()[:-20])
    assert f"{name} cannot be read (" in sentence(folder)


def test_weights_that_are_cut_off(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-20])
    assert "its weights are damaged (" in sentence(folder)


class PanicException(BaseException):
    """As errors of the libraries in Rust are called that nobody foresaw there."""


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError(), "RuntimeError (RuntimeError)"),
        (AttributeError("a\nb"), "a (AttributeError)"),
        (PanicException("p"), "its tokenizer is damaged"),
        (torch.OutOfMemoryError("CUDA out of memory."), "memory runs out (CUDA out of memory)"),
        (MemoryError(), "memory runs out (MemoryError)"),
        (ValueError("x" * 1000), "xxx…; correct"),
    ],
)
def test_any_error_is_one_sentence(tmp_path: Path, error: BaseException, told: str) -> None:
    with pytest.raises(InputError) as found, explaining("model 'mine'", tmp_path):
        raise error
    assert told in str(found.value)
    assert "\n" not in str(found.value)


def test_what_is_not_the_models_fault_passes(tmp_path: Path) -> None:
    for error in (
        KeyboardInterrupt(),
        SystemExit(3),
        InputError("known."),
        OSError(errno.ENOSPC, ""),
    ):
        with pytest.raises(type(error)) as found, explaining("model 'mine'", tmp_path):
            raise error
        assert found.value is error
    assert first_line(ValueError("a.\nb")) == "a"


VALUES: list[Any] = [None, 0, -1, 3, 2.5, 10**9, "", "nope", [], {}, True, [1, "a"], float("nan")]


def places(value: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where the values of some JSON stand."""
    inner: Any = []
    if isinstance(value, dict):
        inner = list(value.items())[:40]
    elif isinstance(value, list):
        inner = list(enumerate(value[:3]))
    return [
        place for key, each in inner for place in [(*before, key), *places(each, (*before, key))]
    ]


def damage(path: Path, draw: random.Random) -> None:
    """Take a value out of a JSON file or put another one there, or spoil some bytes."""
    if path.suffix == ".json" and draw.random() < 0.8:
        content = json.loads(path.read_text())
        *way, last = draw.choice(places(content))
        entry = content
        for key in way:
            entry = entry[key]
        if draw.random() < 0.3:
            del entry[last]
        else:
            entry[last] = draw.choice(VALUES)
        path.write_text(json.dumps(content))
        return
    content = bytearray(path.read_bytes())
    if draw.random() < 0.5:
        del content[draw.randrange(len(content)) :]
    else:
        content[draw.randrange(min(len(content), 2000))] ^= 1 << draw.randrange(8)
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    "name", ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"]
)
@pytest.mark.filterwarnings("ignore")  # of libraries that meet the damage
def test_damage_ends_in_right_numbers_or_a_sentence(sound: Path, tmp_path: Path, name: str) -> None:
    """Plain transformers is the measure, on the same folder, damaged as it is."""
    draw = random.Random(name)
    said: list[str] = []
    numbers = 0
    for number in range(16):
        folder = Path(shutil.copytree(sound, tmp_path / str(number)))
        damage(folder / name, draw)
        states = tmp_path / f"{number}_states"
        try:
            record = resolve_path("mine", str(folder), folder)
            dump_hidden_states(record, OPTIONS, {}, TEXTS, [1, "final"], states, {})
        except InputError as error:
            said.append(str(error))
            continue
        numbers += 1
        tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        ids = tokenizer(TEXTS[0]["text"], add_special_tokens=False, return_tensors="pt")
        with torch.inference_mode():
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
            expected = model(ids["input_ids"], output_hidden_states=True).hidden_states
        for layer, index in ((1, 1), ("final", -1)):
            size = float(expected[index].abs().max())
            # Rounding of another batch shape, seen at 2e-7 of the largest value.
            np.testing.assert_allclose(
                open_states(states, layer), expected[index][0], rtol=0, atol=1e-5 * size
            )
    assert len(said) >= 3
    assert len(said) + numbers == 16
    assert all(text.endswith(".") and "\n" not in text for text in said)


# Of shared/cases: what is said of each folder; None where it has to load.
CASES: dict[str, str | None] = {
    "all_renamed": "48 weights are missing",
    "one_block_gone": r"3 weights are missing .*layers\.3\.mlp",
    "one_tensor_gone": r"1 weight is missing .*layers\.2\.mlp\.down_proj",
    "six_layers_stated": r"9 weights are missing .*layers\.5\.",
    "wider_stated": "of another shape than its config",
    "vocabulary_600_stated": r"embed_tokens\.weight \(512, 64\) instead of \(600, 64\)",
    "uneven_heads": r"k_proj\.weight \(32, 64\) instead of \(24, 64\)",
    "index_leads_out": r"names \.\./one_tensor_gone/model\.safetensors",
    "newer_tokenizer": "newer format than tokenizers",
    "bitsandbytes": "quantised .bitsandbytes",
    "gptq": "quantised .gptq",
    "flash_attention": "FlashAttention2",
    "unknown_activation": "nothing called 'nope'",
    "gemma2_large_logits": None,
    "nanochat": None,
}


def test_the_folders_that_people_have_reported(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    makes = shared / "cases/make_models.py"
    monkeypatch.setattr(
        sys, "argv", [str(makes), str(shared / "models/stories260K"), str(tmp_path)]
    )
    runpy.run_path(str(makes), run_name="__main__")
    for name, told in CASES.items():
        config = json.loads((tmp_path / name / "config.json").read_text())
        sizes = config["num_hidden_layers"], config["hidden_size"]
        if told is None:
            load(tmp_path / name, *sizes)
            continue
        with pytest.raises(InputError) as error:
            load(tmp_path / name, *sizes)
        assert re.search(told, str(error.value)), name
