"""Models out of GGUF files: the numbers are the file's, and what is not whole is refused."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from gguf.quants import dequantize, quantize
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import sha256
from matrix_entropy.models import gguf_models
from matrix_entropy.models.gguf_models import convert_gguf
from matrix_entropy.models.loading import load_model, load_tokenizer
from matrix_entropy.models.provenance import untrained_record
from matrix_entropy.models.stand_ins import train_tokenizer
from matrix_entropy.results.model_words import weights_of
from matrix_entropy.sources.gguf_files import is_gguf, read_header, sizes
from small_gguf import (
    BLOCKS,
    HEADS,
    TEXTS,
    WIDTH,
    names_in_file,
    stored_as,
    tensors_of,
    turned,
    write_gguf,
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("file") / "small.gguf"
    write_gguf(path)
    return path


@pytest.fixture(scope="module")
def record(file: Path) -> dict[str, Any]:
    return convert_gguf("mine", {"path": str(file)}, None, file.parent / "converted")


def converted(path: Path) -> dict[str, Any]:
    return convert_gguf("mine", {"path": str(path)}, None, path.parent / "converted")


def refusal(path: Path) -> str:
    """What is said of a file that cannot be used; nothing is left behind."""
    with pytest.raises(InputError) as error:
        converted(path)
    said = str(error.value)
    assert said.startswith("model 'mine'")
    assert said.endswith(".")
    assert "\n" not in said
    assert not (path.parent / "converted").exists()
    assert not list(path.parent.glob(".*"))
    return said


def test_weights_are_those_of_an_independent_dequantisation(
    file: Path, record: dict[str, Any]
) -> None:
    weights = load_file(Path(record["folder"]) / "model.safetensors")
    model = write_gguf(file.parent / "again.gguf")
    for name, there in names_in_file(model).items():
        wanted = tensors_of(model)[there]
        if stored_as(there) != gguf.GGMLQuantizationType.F32:
            wanted = dequantize(quantize(wanted, stored_as(there)), stored_as(there))
            assert not np.array_equal(wanted, tensors_of(model)[there]), "it was quantised"
        found = weights[name].numpy()
        if there.endswith(("attn_q.weight", "attn_k.weight")):
            heads = HEADS if "attn_q" in there else 2
            found = turned(found, heads)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, wanted, err_msg=name)
    assert set(weights) == set(names_in_file(model)), "the tied output matrix is stored once"


def test_logits_are_those_of_the_file_to_the_bit(file: Path, record: dict[str, Any]) -> None:
    read = AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, dtype=torch.float32
    ).eval()
    ours = load_model(record, BLOCKS, WIDTH, "float32")
    ids = torch.arange(3, 40)[None]
    with torch.inference_mode():
        assert torch.equal(ours(ids).logits, read(ids).logits)


def test_the_tokenizer_is_the_one_in_the_file(record: dict[str, Any]) -> None:
    ours, wanted = load_tokenizer(record), train_tokenizer(TEXTS, 300)
    text = "The fox rang 12 bells."
    assert ours(text)["input_ids"] == wanted(text)["input_ids"]
    assert ours.bos_token_id == wanted.bos_token_id


# Words of "It's 2024.\n\n12 e" and a combining accent, as the published tokenizer cuts them.
START, MARK = ["It", "'s", "Ġ", "2", "0", "2", "4", "."], "eÌģ"
WORDS = {
    "gpt-2": ["It", "'s", "Ġ2024", ".", "Ċ", "Ċ", "12", "Ġe", "Ìģ"],
    "smollm": [*START, "ĊĊ", "1", "2", "Ġe", "Ìģ"],
    "starcoder": [*START, "ĊĊ", "1", "2", "Ġe", "Ìģ"],
    "falcon": ["It", "'", "s", "Ġ", "202", "4", ".", "Ċ", "Ċ", "12", "Ġe", "Ìģ"],
    "bloom": ["It's", "Ġ2024", ".ĊĊ", "12", f"Ġ{MARK}"],
    "llama-bpe": ["It", "'s", "Ġ", "202", "4", ".ĊĊ", "12", "Ġe", "Ìģ"],
    "qwen2": [*START[:-1], ".ĊĊ", "1", "2", "ĠÃ©"],
    "olmo": ["It", "'s", "Ġ2024", ".", "Ċ", "Ċ", "12", "ĠÃ©"],
}


@pytest.mark.parametrize("way", WORDS)
def test_texts_are_cut_into_words_as_the_file_says(tmp_path: Path, way: str) -> None:
    write_gguf(tmp_path / "m.gguf", way=way)
    backend = load_tokenizer(converted(tmp_path / "m.gguf")).backend_tokenizer
    text = "It's 2024.\n\n12 e\u0301"
    text = backend.normalizer.normalize_str(text) if backend.normalizer else text
    assert [word for word, _ in backend.pre_tokenizer.pre_tokenize_str(text)] == WORDS[way]
    assert backend.model.ignore_merges == (way == "llama-bpe")


def test_the_record_says_what_it_was(file: Path, record: dict[str, Any]) -> None:
    assert record["source"] == "path"
    assert record["stand_in"] is False
    assert record["gguf"] == {
        "file": "small.gguf",
        "sha256": sha256(file),
        "architecture": "llama",
        "tensors": {"F32": 15, "Q4_1": 4, "Q8_0": 1},
        "weights": "4-bit weights, dequantised",
    }
    folder = Path(record["folder"])
    weights = folder / "model.safetensors"
    assert record["weights_sha256"] == {"model.safetensors": sha256(weights)}
    assert "quantization_config" not in (folder / "config.json").read_text()


def test_fresh_weights_of_the_same_architecture_were_never_quantised(
    record: dict[str, Any],
) -> None:
    fresh = untrained_record("fresh", record, 1)
    assert weights_of(record) == "4-bit weights, dequantised"
    assert weights_of(fresh) == ""


def test_a_second_conversion_gives_the_same_bytes(file: Path, record: dict[str, Any]) -> None:
    again = convert_gguf("mine", {"path": str(file)}, None, file.parent / "twice")
    assert again == record | {"folder": again["folder"]}
    for path in Path(record["folder"]).iterdir():
        assert path.read_bytes() == (file.parent / "twice" / path.name).read_bytes(), path.name


def test_nothing_else_in_the_folder_takes_part(tmp_path: Path, file: Path) -> None:
    shutil.copy(file, tmp_path / "small.gguf")
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "other/model"}')
    (tmp_path / "config.json").write_text('{"auto_map": {"AutoConfig": "evil.Config"}}')
    (tmp_path / "evil.py").write_text("raise SystemExit('run')")
    entry = {"path": str(tmp_path), "gguf": "small.gguf"}
    record = convert_gguf("mine", entry, None, tmp_path / "converted")
    assert record["id"] == str(tmp_path / "small.gguf")


def test_sizes_are_read_from_the_header(file: Path) -> None:
    assert sizes(file) == (BLOCKS, WIDTH)
    wanted = {tensor.name: tuple(tensor.shape) for tensor in gguf.GGUFReader(file).tensors}
    header = read_header(file)
    assert {tensor.name: tensor.shape for tensor in header.tensors} == wanted


def test_entries_that_name_a_gguf_file() -> None:
    assert is_gguf({"path": "m.GGUF"})
    assert is_gguf({"hub": "a/b", "gguf": "m.gguf"})
    assert is_gguf({"package": {}})
    assert not is_gguf({"path": "models/gguf"})
    assert not is_gguf({"hub": "a/b"})


# What cannot be used


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert "there is no file" in refusal(tmp_path / "none.gguf")


def test_a_file_that_is_no_gguf(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"PK\x03\x04 a zip")
    assert "is no GGUF file" in refusal(tmp_path / "m.gguf")
    (tmp_path / "m.gguf").write_bytes(b"")
    assert "is no GGUF file" in refusal(tmp_path / "m.gguf")


@pytest.mark.parametrize("share", [0.0003, 0.05, 0.5, 0.999])
def test_a_file_that_is_cut_off(tmp_path: Path, file: Path, share: float) -> None:
    whole = file.read_bytes()
    (tmp_path / "m.gguf").write_bytes(whole[: int(len(whole) * share)])
    said = refusal(tmp_path / "m.gguf")
    assert "fetch it again" in said
    assert str(tmp_path / "m.gguf") in said


@pytest.mark.parametrize("count", [2**62, 2**31])
@pytest.mark.parametrize("kind", [0, 8, 9, 99])
def test_counts_beyond_the_file_are_refused_at_once(tmp_path: Path, kind: int, count: int) -> None:
    key = struct.pack("<Q", 1) + b"k"
    header = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + key
    (tmp_path / "m.gguf").write_bytes(header + struct.pack("<IIQ", 9, kind, count))
    assert "no whole GGUF file" in refusal(tmp_path / "m.gguf")


def test_another_version_is_named(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF" + struct.pack(">IQQ", 3, 0, 0))
    assert "its version is 50331648" in refusal(tmp_path / "m.gguf")


def test_an_architecture_that_transformers_does_not_read(tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf", architecture="rwkv6")
    said = refusal(tmp_path / "m.gguf")
    assert "'rwkv6'" in said
    assert "gemma3, " in said
    assert "qwen2" in said


def test_a_part_of_a_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_gguf(tmp_path / "m.gguf")
    header = read_header(tmp_path / "m.gguf")
    split = header._replace(values=header.values | {"split.count": 3})
    monkeypatch.setattr(gguf_models, "read_header", lambda path: split)
    assert "one of 3 files" in refusal(tmp_path / "m.gguf")


def test_a_missing_tensor_is_not_made_up(tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf", left_out=["blk.1.ffn_down.weight"])
    said = refusal(tmp_path / "m.gguf")
    assert "model.layers.1.mlp.down_proj.weight" in said
    assert "missing" in said


@pytest.mark.parametrize(("blocks", "told"), [(1, "no place in"), (3, "9 weights are missing")])
def test_as_many_blocks_as_the_header_states(tmp_path: Path, blocks: int, told: str) -> None:
    write_gguf(tmp_path / "m.gguf", values={"llama.block_count": blocks})
    assert told in refusal(tmp_path / "m.gguf")


@pytest.mark.parametrize("name", ["blk.0.attn_q.bias", "blk.1.ffn_gate_inp.weight"])
def test_a_tensor_without_a_place_is_not_dropped(tmp_path: Path, name: str) -> None:
    write_gguf(tmp_path / "m.gguf", more={name: np.ones(WIDTH, dtype=np.float32)})
    assert name in refusal(tmp_path / "m.gguf")


@pytest.mark.parametrize("factor", [1.0, 32.0])
def test_scaled_rotary_frequencies_are_not_dropped(tmp_path: Path, factor: float) -> None:
    factors = np.full(WIDTH // HEADS // 2, factor, dtype=np.float32)
    write_gguf(tmp_path / "m.gguf", more={"rope_freqs.weight": factors})
    if factor == 1:
        assert converted(tmp_path / "m.gguf")["gguf"]["tensors"]["F32"] == 16
    else:
        assert "rope_freqs.weight" in refusal(tmp_path / "m.gguf")


def test_a_scaling_in_the_header_is_not_dropped(tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf", values={"llama.rope.scaling.type": "yarn"})
    assert "scales its rotary frequencies (yarn)" in refusal(tmp_path / "m.gguf")


@pytest.mark.parametrize("way", ["weird", "default", "deepseek-llm"])
def test_a_way_of_cutting_texts_that_is_not_known_is_refused(tmp_path: Path, way: str) -> None:
    write_gguf(tmp_path / "m.gguf", way=way)
    assert f"tokenizer.ggml.pre '{way}', which is not known" in refusal(tmp_path / "m.gguf")


def test_without_the_package_gguf(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf_models, "is_gguf_available", lambda: False)
    shutil.copy(file, tmp_path / "m.gguf")
    assert "pip install -r requirements.txt" in refusal(tmp_path / "m.gguf")
