"""Image reduction and image–text alignment: the published rows, and what the formulas imply."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix_entropy.published.tables import published_values
from matrix_entropy.results.multimodal_metrics import (
    POSITIONS,
    image_reduction,
    image_text_alignment,
)

ENTROPIES = st.floats(0.01, 1)


@pytest.mark.parametrize("family", ["llava-1.5", "minigpt-v2"])
@pytest.mark.parametrize("dataset", ["detail_23k", "cc_sbu_align"])
def test_the_rows_of_table_5_give_its_last_two(family: str, dataset: str) -> None:
    table = published_values("wei2024", 5)
    column = table[(table["model_family"] == family) & (table["dataset"] == dataset)]
    printed = column.set_index("indicator")["value"]
    h1, h2, h3, h4, h5 = printed[list(POSITIONS)]
    assert image_reduction(h1, h2) == pytest.approx(printed["image_reduction"], abs=1e-9)
    alignment = image_text_alignment(h3, h4, h5)
    assert round(alignment, 4) == printed["image_text_alignment"]


@given(st.tuples(ENTROPIES, ENTROPIES, ENTROPIES), st.floats(2, 1e4))
def test_alignment_is_the_least_quotient_of_any_two(
    entropies: tuple[float, float, float], width: float
) -> None:
    alignment = image_text_alignment(*entropies)
    assert alignment == min(one / other for one, other in permutations(entropies, 2))
    normalised = np.array(entropies) / np.log(width)
    assert image_text_alignment(*normalised) == pytest.approx(alignment)


def test_a_connector_that_adds_entropy_has_a_negative_reduction() -> None:
    assert image_reduction(0.25, 0.75) == -0.5


@pytest.mark.parametrize("place", range(3))
def test_what_is_not_defined_is_nan(place: int) -> None:
    entropies = [0.3, 0.4, 0.5]
    entropies[place] = math.nan
    assert math.isnan(image_text_alignment(*entropies))
    assert math.isnan(image_reduction(math.nan, 0.5))
    assert math.isnan(image_reduction(0.5, math.nan))


def test_alignment_of_zeros() -> None:
    assert image_text_alignment(0.0, 0.5, 0.25) == 0
    assert math.isnan(image_text_alignment(0.0, 0.0, 0.0))
