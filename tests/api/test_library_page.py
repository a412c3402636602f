"""Every piece of Python in the README and in docs/library.md runs as it is written."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import random_models
from conftest import ROOT
from matrix_entropy.models.stand_ins import train_tokenizer
from short_texts import short_texts


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the pages name, where they are tried."""
    records = short_texts(4, 5)
    tokenizer: Any = train_tokenizer([record["text"] for record in records], 300)
    random_models.save("gpt2", tmp_path / "my_model", tokenizer, context=256)
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    np.save(tmp_path / "states.npy", np.random.default_rng(0).normal(size=(6, 8)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", ["README.md", "docs/library.md"])
def test_it_runs(page: str, workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.S | re.M)
    assert blocks
    names: dict[str, Any] = {}
    for block in blocks:
        exec(block, names)
        assert capsys.readouterr().out or "to_parquet" in block
    if page == "docs/library.md":
        stored = pd.read_parquet(workplace / "table.parquet")
        assert stored["layer"].unique().tolist() == ["0", "3", "final"]
        assert stored["group"].unique().tolist() == ["even", "odd"]
