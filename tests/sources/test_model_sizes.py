"""Blocks and width that the configuration leaves out, from files on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig

import random_models
from matrix_entropy.base.errors import InputError
from matrix_entropy.sources.model_sizes import with_sizes
from small_gguf import BLOCKS, WIDTH, write_gguf


def sizes(model: dict[str, Any]) -> tuple[int, int]:
    found = with_sizes({"mine": model})["mine"]
    return found["layers"], found["width"]


def refusal(model: dict[str, Any]) -> str:
    with pytest.raises(InputError) as error:
        with_sizes({"mine": model})
    said = str(error.value)
    assert said.startswith("configuration: 'models.mine' ")
    assert said.endswith(".")
    return said


@pytest.mark.parametrize("architecture", ["gpt2", "gpt_neo", "gpt_neox", "llama", "opt"])
def test_a_folder_says_what_transformers_reads_from_it(tmp_path: Path, architecture: str) -> None:
    getattr(random_models, architecture)().save_pretrained(tmp_path)
    config = AutoConfig.from_pretrained(tmp_path)
    wanted = config.num_hidden_layers, config.hidden_size
    assert sizes({"path": str(tmp_path)}) == wanted == (3, 48)


def test_the_language_model_of_several_parts_counts(tmp_path: Path) -> None:
    parts = {"hidden_size": 7, "text_config": {"num_hidden_layers": 2, "hidden_size": 48}}
    (tmp_path / "config.json").write_text(json.dumps(parts))
    assert sizes({"path": str(tmp_path)}) == (2, 48)


def test_a_gguf_file_says_them(tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf")
    assert sizes({"path": str(tmp_path / "m.gguf")}) == (BLOCKS, WIDTH)
    assert sizes({"path": str(tmp_path), "gguf": "m.gguf"}) == (BLOCKS, WIDTH)


def test_what_is_stated_is_compared(tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf")
    path = str(tmp_path / "m.gguf")
    assert sizes({"path": path, "layers": BLOCKS}) == (BLOCKS, WIDTH)
    said = refusal({"path": path, "layers": 5})
    assert f"`layers: 5`, but {path} has {BLOCKS}" in said


def test_what_cannot_be_read_is_to_be_stated(tmp_path: Path) -> None:
    folder = {"path": str(tmp_path)}
    assert "config.json (No such file" in refusal(folder)
    assert sizes(folder | {"layers": 5, "width": 7}) == (5, 7), "the job says what is wrong"
    (tmp_path / "config.json").write_text("{")
    assert "is no JSON file" in refusal(folder)
    (tmp_path / "config.json").write_text('{"num_hidden_layers": 3}')
    assert "lacks the key 'width'" in refusal(folder)
    (tmp_path / "m.gguf").write_bytes(b"PK")
    assert "is no GGUF file" in refusal({"path": str(tmp_path / "m.gguf")})


def test_planning_loads_neither_torch_nor_numpy(tmp_path: Path, root: Path) -> None:
    write_gguf(tmp_path / "m.gguf")
    code = (
        "import sys; from matrix_entropy.sources.model_sizes import with_sizes; "
        f"with_sizes({{'mine': {{'path': {str(tmp_path / 'm.gguf')!r}}}}}); "
        "print({'torch', 'numpy', 'transformers', 'gguf'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=root / "src",
        check=True,
    )
    assert done.stdout.strip() == "set()"
