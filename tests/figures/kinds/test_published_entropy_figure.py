"""Figure 1 of Tan et al. 2024 from published numbers: its values, its power laws, its look."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.figure import Figure

from figure_values import CEREBRAS, PYTHIA, check_layout, check_same_bytes, legend_of, words
from matrix_entropy.figures.kinds.published_entropy import (
    ENTROPY,
    LAW,
    LAW_WITH_OFFSET,
    NULL,
    RANK,
    draw_published_entropy,
    published_entropy_captions,
    published_entropy_fits,
    published_entropy_numbers,
    published_models,
)

# Per family and data set: exponent and R²; with an offset exponent, L₀ and R²; then exponent and
# R² where r/d is read as H / log d. An independent computation found them, to these decimals.
LAWS = {
    ("Cerebras-GPT", "dolly-15k"): (-0.315, 0.995, -0.223, -0.021, 0.998, -0.035, 0.990),
    ("Cerebras-GPT", "wikipedia"): (-0.295, 0.989, -0.158, -0.053, 0.998, -0.031, 0.973),
    ("Cerebras-GPT", "openwebtext2"): (-0.289, 0.987, -0.126, -0.101, 0.995, -0.031, 0.970),
    ("Cerebras-GPT", "hh-rlhf"): (-0.328, 0.995, -0.233, -0.018, 0.997, -0.038, 0.986),
    ("Pythia", "dolly-15k"): (-0.417, 0.989, -0.519, 0.014, 0.999, -0.055, 0.970),
    ("Pythia", "wikipedia"): (-0.402, 0.988, -0.467, 0.011, 0.999, -0.052, 0.969),
    ("Pythia", "openwebtext2"): (-0.387, 0.992, -0.390, -0.002, 0.998, -0.050, 0.979),
    ("Pythia", "hh-rlhf"): (-0.455, 0.990, -0.524, 0.007, 0.999, -0.064, 0.976),
}
NULLS = {"Cerebras-GPT": (-0.348, 0.997), "Pythia": (-0.449, 0.981)}


@pytest.fixture(scope="module")
def numbers() -> pd.DataFrame:
    return published_entropy_numbers()


@pytest.fixture(scope="module")
def fits(numbers: pd.DataFrame) -> pd.DataFrame:
    return published_entropy_fits(numbers).set_index(["reading", "family", "dataset", "kind"])


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


def draw(numbers: pd.DataFrame) -> Figure:
    captions = published_entropy_captions("A title")
    return draw_published_entropy(numbers, published_entropy_fits(numbers), *captions)


# The numbers


def test_every_published_size_is_there_on_every_data_set(numbers: pd.DataFrame) -> None:
    assert len(numbers) == 2 * 4 * (7 + 10)
    assert numbers.notna().all(axis=None)
    sizes = numbers.groupby("family", sort=False)["size"].unique()
    assert {family: list(names) for family, names in sizes.items()} == {
        "Cerebras-GPT": list(CEREBRAS),
        "Pythia": list(PYTHIA),
    }
    for _, curve in numbers.groupby(["reading", "family", "dataset"]):
        assert curve["parameters"].is_monotonic_increasing


def test_one_value_by_hand(numbers: pd.DataFrame) -> None:
    """Cerebras-GPT-111M on dolly-15k: 0.5976 in Table 8, width 768."""
    chosen = (numbers["model"] == "Cerebras-GPT-111M") & (numbers["dataset"] == "dolly-15k")
    rows = numbers[chosen].set_index("reading")
    assert (rows["matrix_entropy"] == 0.5976).all()
    assert rows["effective_rank"].to_numpy() == pytest.approx(np.exp(0.5976 * np.log(768)))
    share, null = np.exp(0.5976 * np.log(768)) / 768, np.log(55) / np.log(768)
    assert rows["rank_share"].to_dict() == pytest.approx({RANK: share, ENTROPY: 0.5976})
    expected = share * np.log(1 + 100 / share) / np.log(101)
    assert rows.loc[RANK, "normalised_entropy"] == pytest.approx(expected, rel=1e-12)
    expected = 55 / 768 * np.log(1 + 100 * 768 / 55) / np.log(101)
    assert rows.loc[RANK, "null"] == pytest.approx(expected, rel=1e-12)
    expected = null * np.log(1 + 100 / null) / np.log(101)
    assert rows.loc[ENTROPY, "null"] == pytest.approx(expected, rel=1e-12)


def test_epsilon_and_the_null_are_options(numbers: pd.DataFrame) -> None:
    other = published_entropy_numbers(epsilon=0.5, null_rank=70)
    assert (other["null_effective_rank"] == 70).all()
    share = other["rank_share"]
    np.testing.assert_allclose(
        other["normalised_entropy"], share * np.log(1 + 4 / share) / np.log(5)
    )
    assert (other["null"] != numbers["null"]).all()


def test_models_are_those_of_the_configuration(root: Path) -> None:
    """Sizes are counted as they are called; the configuration may round them."""
    entries = yaml.safe_load((root / "config.yaml").read_text(encoding="utf-8"))["models"].values()
    configured = {
        (entry["family"].lower(), entry["size"]): entry
        for entry in entries
        if entry.get("family") in ("Cerebras-GPT", "Pythia") and "lora" not in entry
    }
    models = published_models()
    assert len(models) == len(configured) == 17
    for model in models.itertuples():
        entry = configured[model.model_family, model.size]
        assert (model.width, model.layers) == (entry["width"], entry["layers"])
        assert model.parameters == pytest.approx(entry["parameters"], rel=0.02)
        unit = {"M": 1e6, "B": 1e9}[model.size[-1]]
        assert model.parameters == pytest.approx(float(model.size[:-1]) * unit)


def test_the_readme_describes_the_models(root: Path) -> None:
    readme = (root / "paper" / "published.md").read_text(encoding="utf-8")
    assert f"`wei2024/published/models.csv` holds {len(published_models())} models" in readme
    for column in published_models():
        assert f"`{column}`" in readme


# The power laws


@pytest.mark.parametrize(("family", "dataset"), LAWS)
def test_laws_of_the_published_numbers(fits: pd.DataFrame, family: str, dataset: str) -> None:
    law = fits.loc[(RANK, family, dataset, LAW)]
    limited = fits.loc[(RANK, family, dataset, LAW_WITH_OFFSET)]
    other = fits.loc[(ENTROPY, family, dataset, LAW)]
    found = [
        *law[["exponent", "r_squared"]],
        *limited[["exponent", "offset", "r_squared"]],
        *other[["exponent", "r_squared"]],
    ]
    assert found == pytest.approx(LAWS[family, dataset], abs=6e-4)
    for fit in (law, limited, other):
        assert fit["low"] < fit["exponent"] < fit["high"] < 0
        assert fit["points"] == {"Cerebras-GPT": 7, "Pythia": 10}[family]


@pytest.mark.parametrize("family", NULLS)
def test_a_constant_rank_follows_a_law_as_well(fits: pd.DataFrame, family: str) -> None:
    law = fits.loc[(RANK, family, NULL, LAW)]
    assert tuple(law[["exponent", "r_squared"]]) == pytest.approx(NULLS[family], abs=6e-4)
    assert fits.loc[(ENTROPY, family, NULL, LAW), "exponent"] < 0


def test_no_law_with_offset_is_quoted_where_there_is_none(fits: pd.DataFrame) -> None:
    """H / log d of Cerebras-GPT on these texts is best called a line in log x."""
    for family, dataset in LAWS:
        fit = fits.loc[(ENTROPY, family, dataset, LAW_WITH_OFFSET)]
        assert np.isnan(fit["exponent"]) == ("line in log x" in fit["note"])
        assert np.isnan(fit["exponent"]) == (family == "Cerebras-GPT")


# The figure


def test_marks_and_lines_are_the_numbers(numbers: pd.DataFrame, fits: pd.DataFrame) -> None:
    figure = draw(numbers)
    assert len(figure.axes) == 4
    part = numbers[(numbers["reading"] == ENTROPY) & (numbers["family"] == "Pythia")]
    marks, line = figure.axes[3].lines[2:4]
    wiki = part[part["dataset"] == "wikipedia"]
    np.testing.assert_array_equal(marks.get_xydata(), wiki[["parameters", "normalised_entropy"]])
    law = fits.loc[(ENTROPY, "Pythia", "wikipedia", LAW)]
    x, y = line.get_data()
    np.testing.assert_allclose(np.diff(np.log(y)) / np.diff(np.log(x)), law["exponent"])
    np.testing.assert_allclose(y, law["coefficient"] * x ** law["exponent"])
    null = figure.axes[3].lines[-1]
    np.testing.assert_array_equal(null.get_xydata(), wiki[["parameters", "null"]])
    assert null.get_linestyle() == "--"
    for axis in figure.axes:
        assert (axis.get_xscale(), axis.get_yscale()) == ("log", "log")


def test_everything_is_labelled_and_fits(numbers: pd.DataFrame) -> None:
    figure = draw(numbers)
    check_layout(figure)
    assert legend_of(figure) == [
        *("dolly-15k", "wikipedia", "openwebtext2", "hh-rlhf"),
        *("power law", "null: effective rank 55"),
    ]
    text = words(figure)
    for wanted in (
        "A title",
        "no model was run",
        "ε = 0.1",
        "dolly-15k: −0.315 (−0.341 to −0.289), R² 0.995",
        "null: −0.449 (−0.500 to −0.398), R² 0.981",
    ):
        assert wanted in text
    for axis, sizes in zip(figure.axes[2:], (CEREBRAS, PYTHIA), strict=True):
        assert [label.get_text() for label in axis.get_xticklabels()] == list(sizes)


def test_a_rebuild_is_the_same_bytes(numbers: pd.DataFrame, tmp_path: Path) -> None:
    check_same_bytes(lambda: draw(numbers), numbers, tmp_path)
