"""Nulls of alignment: the same as the model itself on other pairs, or with other weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import small_llava
import small_minigpt_v2
from matrix_entropy.base.errors import InputError
from matrix_entropy.models.vision.interface import VisionLanguage
from matrix_entropy.results.metrics import entropies
from matrix_entropy.results.multimodal_metrics import (
    CONNECTOR_INPUT,
    FRESH,
    NULL_POSITIONS,
    POSITIONS,
    SHUFFLES,
)
from matrix_entropy.results.spectra_file import Spectra
from matrix_entropy.states.multimodal import measure
from matrix_entropy.states.multimodal_nulls import derangement, fresh_connector, measure_nulls

H1, H2, H3, H4, H5 = POSITIONS
Records = list[dict[str, str]]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Records:
    return small_llava.records(tmp_path_factory.mktemp("pictures"))


def models() -> list[VisionLanguage]:
    return [small_llava.llava(), small_minigpt_v2.small_model(max_position_embeddings=64)]


def assert_same(found: Spectra, expected: Spectra) -> None:
    assert found.width == expected.width
    np.testing.assert_array_equal(found.rows, expected.rows)
    np.testing.assert_allclose(entropies(found), entropies(expected), atol=1e-5)


def test_every_record_gets_another_one_and_all_are_given_away() -> None:
    for count in range(2, 40):
        found = derangement(count, count)
        assert sorted(found) == list(range(count))
        assert (found != np.arange(count)).all()
    assert len({tuple(derangement(30, seed)) for seed in range(20)}) == 20


@pytest.mark.parametrize("bos", [False, True])
@pytest.mark.parametrize("model", models(), ids=["llava", "minigpt_v2"])
def test_nulls_are_the_model_on_other_pairs_and_with_other_weights(
    records: Records, model: VisionLanguage, bos: bool
) -> None:
    found = measure_nulls(model, records, {}, bos_counts=bos, batch=2)
    assert list(found) == list(NULL_POSITIONS)
    base = measure(model, records, "none", {}, bos_counts=bos)
    for name, seed in SHUFFLES.items():
        order = derangement(len(records), seed)
        pairs = [
            {**record, "image": records[at]["image"]}
            for record, at in zip(records, order, strict=True)
        ]
        expected = measure(model, pairs, "none", {}, bos_counts=bos)
        assert_same(found[f"{H5}_{name}"], expected[H5])
        assert (abs(entropies(found[f"{H5}_{name}"]) - entropies(base[H5])) > 1e-5).all()
    own = {key: value.clone() for key, value in model.connector.state_dict().items()}
    for name, seed in FRESH.items():
        model.connector.load_state_dict(fresh_connector(model.connector, seed))
        expected = measure(model, records, "none", {}, bos_counts=bos)
        for position in (H2, H3, H5):
            assert_same(found[f"{position}_{name}"], expected[position])
        model.connector.load_state_dict(own)
    assert_same(measure(model, records, "none", {}, bos_counts=bos)[H5], base[H5])


def test_other_h1_is_of_the_rows_that_the_connector_reads(records: Records) -> None:
    llava, minigpt = models()
    found = measure_nulls(llava, records, {})[CONNECTOR_INPUT]
    assert_same(found, measure(llava, records, "none", {})[H1])
    joined = measure_nulls(minigpt, records, {})[CONNECTOR_INPUT]
    patches = measure(minigpt, records, "none", {})[H1]
    assert joined.width == 4 * patches.width
    np.testing.assert_array_equal(4 * joined.rows, patches.rows)


def test_fresh_weights_are_those_of_a_new_linear_layer() -> None:
    connector = nn.Sequential(nn.Linear(50, 40), nn.GELU(), nn.Linear(40, 30, bias=False))
    drawn = fresh_connector(connector, 3)
    assert {key: tuple(value.shape) for key, value in drawn.items()} == {
        "0.weight": (40, 50), "0.bias": (40,), "2.weight": (30, 40),
    }  # fmt: skip
    # Uniform between ± 1 / √(inputs).
    assert float(drawn["0.weight"].std()) == pytest.approx((3 * 50) ** -0.5, rel=0.05)
    assert float(drawn["0.weight"].abs().max()) <= 50**-0.5
    torch.manual_seed(3)
    torch.testing.assert_close(drawn["0.weight"], nn.Linear(50, 40).weight.detach())


def test_what_has_no_null_is_refused(records: Records, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a single record has no other image"):
        measure_nulls(small_llava.llava(), records[:1], {})
    with pytest.raises(InputError, match="weights that are not of linear layers"):
        fresh_connector(nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3)), 1)
