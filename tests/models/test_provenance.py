"""What files of several layers say of the same texts, put into one and taken apart again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix_entropy.base.errors import InputError
from matrix_entropy.models.provenance import common_provenance, joined_provenance

MODEL = {"model": "small", "stand_in": False, "sizes": [1, 2]}
VALUES = st.one_of(st.integers(0, 3), st.just("a"), st.just([5, 7]), st.just({"b": None}))


def test_what_differs_is_a_list_in_the_order_of_the_files() -> None:
    parts = [
        {"model": MODEL, "tokens": tokens, "truncated_texts": 0, "shard": [1, 1]}
        for tokens in (80, 45, 80)
    ]
    joined = common_provenance(parts)
    assert joined == {
        "model": MODEL,
        "tokens": [80, 45, 80],
        "truncated_texts": 0,
        "shard": [1, 1],
    }
    assert list(joined) == list(parts[0])


def test_what_differs_inside_is_kept_whole() -> None:
    parts: list[dict[str, Any]] = [{"options": {"dtype": "float32", "width": w}} for w in (3, 4)]
    assert common_provenance(parts) == {"options": [part["options"] for part in parts]}


def test_of_one_file_it_is_its_own() -> None:
    part = {"model": MODEL, "tokens": 5}
    assert common_provenance([part]) == part


@given(st.lists(st.fixed_dictionaries(dict.fromkeys("xyz", VALUES)), min_size=2, max_size=5))
def test_every_file_can_be_told_from_it(parts: list[dict[str, Any]]) -> None:
    joined = common_provenance(parts)
    for number, part in enumerate(parts):
        for key, value in part.items():
            same = all(other[key] == value for other in parts)
            assert value == (joined[key] if same else joined[key][number])


def test_shards_of_two_solvers_are_not_mixed() -> None:
    """A shard of short texts alone has no large matrix, and says of no solver."""
    counts = {"tokens": 5, "truncated_texts": 0}
    first, second, third = ({**counts, "shard": [number, 3]} for number in (1, 2, 3))
    by_mkl = {"large_matrices": "MKL"}
    joined = joined_provenance([first, second | by_mkl, third | by_mkl], "texts", "spectra")
    assert joined == {"tokens": 15, "truncated_texts": 0, "shard": [1, 1], **by_mkl}
    single = {"spectra_precision": "single", "solver": "MKL"}
    assert joined_provenance([first | single, second | single, third | single], "t", "spectra") == {
        "tokens": 15, "truncated_texts": 0, "shard": [1, 1], **single,
    }  # fmt: skip
    for other in ({}, single | {"solver": "SciPy"}):
        with pytest.raises(InputError, match="come from different models, texts, options"):
            joined_provenance([first | single, second | single, third | other], "t", "spectra")
    batches = {"batched_matrices": 20, "solved_again": 1}
    joined = joined_provenance([first | batches, second, third | batches], "texts", "spectra")
    assert {key: joined[key] for key in batches} == {"batched_matrices": 40, "solved_again": 2}
    by_numpy = {"large_matrices": "NumPy"}
    with pytest.raises(InputError, match="come from different models, texts, options or versions"):
        joined_provenance([first | by_numpy, second | by_mkl, third], "texts", "spectra")
