"""The words of the figures across models."""

from __future__ import annotations

import pandas as pd
import pytest

from figure_values import CEREBRAS, made_values
from matrix_entropy.figures.text import model_captions
from matrix_entropy.results.model_words import count


@pytest.mark.parametrize(
    ("number", "written"),
    [(1, "1"), (999, "999"), (999.9, "1k"), (13_120, "13.1k"), (999_600, "1M"), (70.4e6, "70.4M")],
)
def test_numbers_of_parameters_have_three_digits(number: float, written: str) -> None:
    assert count(number) == written


def test_real_models_are_named_by_family_and_size() -> None:
    title, subtitle = model_captions("Figure 3", made_values())
    assert title == "Figure 3: Cerebras-GPT, Dolly contexts"
    assert subtitle == (
        "Cerebras-GPT 111M, 256M, 590M, 1.3B, 2.7B, 6.7B, 13B; Dolly contexts: 1,200 texts"
    )


def test_stand_ins_are_called_so_in_the_title() -> None:
    title, subtitle = model_captions("Figure 3", made_values(stand_in=True))
    assert "Cerebras-GPT stand-ins" in title
    assert subtitle.startswith("Not Cerebras-GPT but stand-ins of 11.1k to 1.3M parameters")


def test_one_stand_in_among_real_models_is_named() -> None:
    mixed = pd.concat([made_values(), made_values("OPT", {"1.3B": (1.3e9, 2048)}, stand_in=True)])
    title, subtitle = model_captions("Figure 2", mixed)
    assert "stand-ins" in title
    assert subtitle.startswith("Not OPT but stand-ins of 130k parameters")


def test_quantised_weights_are_said_in_title_and_caption() -> None:
    words = "4-bit weights, dequantised"
    title, subtitle = model_captions("Figure 3", made_values(weights=words))
    assert title == f"Figure 3: Cerebras-GPT ({words}), Dolly contexts"
    one = made_values("OPT", {"1.3B": (1.3e9, 2048)}, weights=words)
    title, subtitle = model_captions("Figure 2", pd.concat([made_values(), one]))
    assert "(some quantised)" in title
    assert f"OPT-1.3B: {words};" in subtitle


def test_a_model_that_is_left_out_is_named() -> None:
    values = made_values()
    _, subtitle = model_captions("Figure 6", values.assign(shown=values["size"] != "1.3B"))
    assert "590M, 2.7B" in subtitle
    assert "left out: Cerebras-GPT-1.3B;" in subtitle


def test_texts_without_an_entropy_and_truncated_ones_are_counted() -> None:
    values = made_values(datasets=("dolly", "wiki"))
    same = values.assign(undefined=2, truncated=1500)
    _, subtitle = model_captions("Figure 1", same)
    assert subtitle.endswith(
        "Dolly contexts and Wikipedia: each 1,200 texts (2 without an entropy, 1,500 truncated)"
    )
    values.loc[values["dataset"] == "wiki", "texts"] = 10000
    title, subtitle = model_captions("Figure 1", values)
    assert title.endswith("2 data sets")
    assert subtitle.endswith("Dolly contexts: 1,200 texts, Wikipedia: 10,000 texts")


def test_a_model_without_a_size_is_called_by_its_title_once() -> None:
    values = made_values("My model", {"My model": CEREBRAS["111M"]})
    assert model_captions("T", values)[1].startswith("My model; ")
