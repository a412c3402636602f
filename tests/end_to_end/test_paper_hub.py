"""The hub of small models that whole papers are rehearsed with: all of it that is asked for."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, AutoTokenizer

from file_server import running_files
from matrix_entropy.configuration.checking import checked
from paper_hub import fill_server, layout_of, learnt, smaller
from real_size_models import write_model


@pytest.fixture(scope="module")
def config(root: Path) -> dict[str, Any]:
    return smaller(yaml.safe_load((root / "config.yaml").read_text()))


@pytest.mark.parametrize(
    "name", ["tinystories_3m", "pythia_12b", "llama_2_7b_chat", "llava_1_5_7b"]
)
def test_a_model_that_loads(config: dict[str, Any], name: str, tmp_path: Path) -> None:
    """Every weight has its place, all places are filled, and the tokenizer reads."""
    entry = config["models"][name] | {"width": 16}
    write_model(layout_of(name, entry), learnt(), tmp_path / "model")
    kind = AutoModelForImageTextToText if "vision" in entry else AutoModelForCausalLM
    _, report = kind.from_pretrained(
        tmp_path / "model", output_loading_info=True, weights_only=True
    )
    assert not report["missing_keys"]
    assert all(key.endswith("bias") for key in report["unexpected_keys"])
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    ids = tokenizer("a fox and an owl")["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "a fox and an owl"


def test_the_configuration_is_a_right_one(config: dict[str, Any]) -> None:
    with running_files() as server:
        fill_server(server, config)
    checked(config)
    asked = json.dumps([config["models"], config["datasets"]])
    # Of other addresses only that for the user's own eyes is left.
    assert re.findall(r"https?://(?!127)[^/]*", asked) == ["https://drive.google.com"]
