"""Distances of image and text rows, against every record run alone by transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import small_llava
import small_minigpt_v2
from matrix_entropy.base.errors import InputError
from matrix_entropy.maths.modality_integration import integration_rate, modality_distance
from matrix_entropy.models.vision.interface import beginning
from matrix_entropy.states import modality_states
from matrix_entropy.states.modality_states import measure_integration

Records = list[dict[str, str]]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Records:
    return small_llava.records(tmp_path_factory.mktemp("pictures"))


def states_alone(model: Any, record: dict[str, str]) -> list[np.ndarray]:
    """Hidden states of the language model behind every block, one record at a time."""
    (language,) = model.language_parts
    ids = model.tokenizer(record["text"], add_special_tokens=False)["input_ids"]
    front = beginning(model.tokenizer)
    with torch.inference_mode(), Image.open(record["image"]) as image:
        tokens = model.connect(model.patches([image.convert("RGB")]))
        text = model.embed(torch.tensor([[*front, *ids]]))
        inputs = torch.cat([text[:, : len(front)], tokens, text[:, len(front) :]], dim=1)
        states = language(inputs_embeds=inputs, output_hidden_states=True).hidden_states
    return [each[0, len(front) :].double().numpy() for each in states[1:]]


@pytest.mark.parametrize("made", [small_llava.llava, small_minigpt_v2.small_model])
def test_rows_are_those_of_every_record_alone(made: Any, records: Records, tmp_path: Path) -> None:
    model = made()
    alone = [states_alone(model, record) for record in records]
    count = model.sizes()["image_tokens"]
    table = measure_integration(model, records, batch=3, scratch=tmp_path)
    assert table["layer"].tolist() == [*range(1, len(alone[0])), "final"]
    for depth, row in table.iterrows():
        states = [of_record[int(depth)] for of_record in alone]
        images = np.concatenate([each[:count] for each in states])
        texts = np.concatenate([each[count:] for each in states])
        expected = modality_distance(images, texts)
        assert (row["image_rows"], row["text_rows"]) == (len(images), len(texts))
        assert row["frechet"] == pytest.approx(expected.frechet, rel=1e-5)
        assert row["without_root"] == pytest.approx(expected.without_root, rel=1e-5)
        assert row["norm_ratio"] == pytest.approx(expected.norm_ratio, rel=1e-5)
    assert set(table["mir"]) == {integration_rate(table["frechet"].to_numpy())}
    assert not list(tmp_path.iterdir())


def test_the_first_records_are_read(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_llava.llava()
    few = measure_integration(model, records[:3])
    monkeypatch.setattr(modality_states, "RECORDS", 3)
    assert measure_integration(model, records).equals(few)
    assert set(few["records"]) == {3}


def test_what_cannot_be_measured_is_refused(records: Records) -> None:
    model = small_llava.llava()
    with pytest.raises(InputError, match="a single token in all"):
        measure_integration(model, records[:1], max_tokens=1)
    with torch.no_grad():
        model.language_model.layers[0].mlp.down_proj.weight[0, 0] = float("nan")
    with pytest.raises(InputError, match=r"record '.*' at layer 1 are not finite"):
        measure_integration(model, records)
