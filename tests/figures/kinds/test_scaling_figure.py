"""Figures across sizes: their numbers, their fits and what is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from figure_values import (
    CEREBRAS,
    DATASETS,
    PYTHIA,
    check_layout,
    check_same_bytes,
    legend_of,
    made_values,
    size_ticks,
    words,
)
from matrix_entropy.base.errors import InputError
from matrix_entropy.figures.kinds.scaling_figure import draw_scaling, scaling_fits, scaling_numbers
from matrix_entropy.figures.style import COLOURS, GREY, save_figure


def draw(values: pd.DataFrame) -> Figure:
    numbers = scaling_numbers(values)
    return draw_scaling(numbers, scaling_fits(numbers), "A title", "A subtitle")


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


def test_the_null_is_one_rank_for_all_models() -> None:
    values = made_values()
    rank = 60.0
    numbers = scaling_numbers(values.assign(entropy_a=np.log(rank) / np.log(values["width"])))
    np.testing.assert_allclose(numbers["null_effective_rank"], rank)
    np.testing.assert_allclose(numbers["null_entropy_a"], numbers["entropy_a"])


def test_fits_find_the_laws_that_the_values_follow() -> None:
    values = made_values(datasets=("dolly", "wiki"))
    values["loss"] = 1.5 + 200 * values["parameters"] ** -0.25
    values["effective_rank_geometric"] = 3 * values["parameters"] ** 0.07
    fits = scaling_fits(scaling_numbers(values)).set_index(["dataset", "indicator", "kind"])
    rank = fits.loc[("dolly", "effective_rank_geometric", "power law")]
    assert rank["exponent"] == pytest.approx(0.07)
    assert rank["coefficient"] == pytest.approx(3)
    assert rank["low"] == pytest.approx(rank["high"]), "there is no noise"
    loss = fits.loc[("wiki", "loss", "power law with offset")]
    assert loss["exponent"] == pytest.approx(-0.25, abs=1e-5)
    assert loss["offset"] == pytest.approx(1.5, abs=1e-4)
    assert set(fits["points"]) == {7}


def test_published_entropies_give_the_null_of_the_forensics() -> None:
    """Wei et al. 2024, Table 8, dolly: a constant rank of 60.6 explains 92.9 % of the variance."""
    published = [0.5976, 0.5840, 0.5582, 0.5477, 0.5240, 0.5064, 0.4859]
    fits = scaling_fits(scaling_numbers(made_values().assign(entropy_a=published)))
    null = fits[fits["kind"] == "constant effective rank"].iloc[0]
    assert null["effective_rank"] == pytest.approx(60.56, abs=0.02)
    assert null["r_squared"] == pytest.approx(0.929, abs=0.001)


def test_each_family_has_its_fits() -> None:
    both = pd.concat([made_values(), made_values("Pythia", PYTHIA)])
    fits = scaling_fits(scaling_numbers(both))
    assert fits.groupby("family")["points"].unique().map(list).to_dict() == {
        "Cerebras-GPT": [7],
        "Pythia": [10],
    }


def test_a_model_left_out_is_in_the_table_only() -> None:
    values = made_values("Pythia", PYTHIA)
    values.loc[values["size"] == "1B", "entropy_a"] = 0.999
    part = values.assign(shown=values["size"] != "1B")
    numbers = scaling_numbers(part)
    assert numbers.loc[~numbers["shown"], "entropy_a"].tolist() == [0.999]
    alone = scaling_numbers(values[values["size"] != "1B"])
    pd.testing.assert_frame_equal(scaling_fits(numbers), scaling_fits(alone))
    figure = draw(part)
    assert 0.999 not in figure.axes[0].lines[0].get_ydata()
    assert "1B" not in size_ticks(figure)


def test_the_points_are_the_numbers_of_the_table() -> None:
    values = made_values(datasets=("dolly", "wiki"))
    numbers = scaling_numbers(values)
    figure = draw(values)
    rows = ["entropy_a", "effective_rank_geometric", "loss", "ppl_token"]
    for axis, (row, dataset) in zip(
        figure.axes, [(row, name) for row in rows for name in ("dolly", "wiki")], strict=True
    ):
        part = numbers[numbers["dataset"] == dataset]
        np.testing.assert_array_equal(axis.lines[0].get_xdata(), part["parameters"])
        np.testing.assert_array_equal(axis.lines[0].get_ydata(), part[row])
        assert axis.get_xscale() == "log"
        assert axis.get_yscale() == ("log" if row == "ppl_token" else "linear")
        assert axis.lines[0].get_markerfacecolor() == COLOURS[0]
    np.testing.assert_array_equal(
        figure.axes[0].lines[1].get_ydata(), numbers["null_entropy_a"][:7]
    )
    law = figure.axes[0].lines[2]
    fit = scaling_fits(numbers).iloc[0]
    np.testing.assert_allclose(
        np.log(law.get_ydata()),
        np.log(fit["coefficient"]) + fit["exponent"] * np.log(law.get_xdata()),
    )


def test_both_perplexities_are_drawn_and_named() -> None:
    values = made_values()
    figure = draw(values)
    full, hollow = figure.axes[3].lines
    np.testing.assert_array_equal(full.get_ydata(), values["ppl_token"])
    np.testing.assert_array_equal(hollow.get_ydata(), values["ppl_windows"])
    assert (full.get_markerfacecolor(), hollow.get_markerfacecolor()) == (COLOURS[0], "none")
    names = ["perplexity: each text alone", "perplexity: texts one after another, in windows"]
    assert legend_of(figure)[-2:] == names
    one = draw(values.assign(ppl_windows=np.nan))
    assert [entry for entry in legend_of(one) if "perplexity" in entry] == names[:1]
    other = draw(values.assign(ppl_token=np.nan))
    assert [entry for entry in legend_of(other) if "perplexity" in entry] == names[1:]
    assert "not measured" not in words(other)


def test_an_interval_that_ends_where_the_search_did_is_said_to_be_open() -> None:
    """Noise makes a flat law nearly a line in log x, and a steep one nearly a step."""
    values = made_values()
    relative = values["parameters"] / 111e6
    noise = np.array([1, -1, 1, -1, 1, -1, 1])
    values["effective_rank_geometric"] = 20 + 80 * relative**-0.2 + 4 * noise
    values["entropy_a"] = 0.5 + 0.1 * relative**-2 + 0.005 * noise
    values["loss"] = 2 + relative**-0.25
    fits = scaling_fits(scaling_numbers(values)).set_index(["indicator", "kind"])
    rank = fits.loc[("effective_rank_geometric", "power law with offset")]
    assert rank["high"] == pytest.approx(-0.01, rel=1e-3)
    assert rank["note"] == "interval open at -0.01"
    entropy = fits.loc[("entropy_a", "power law with offset")]
    assert entropy["low"] == pytest.approx(-3, rel=1e-3)
    assert entropy["note"] == "interval open at -3"
    assert fits.loc[("loss", "power law with offset"), "note"] == ""
    assert fits.loc[("effective_rank_geometric", "power law"), "note"] == ""


def test_everything_is_labelled() -> None:
    figure = draw(made_values(datasets=("dolly", "wiki")))
    text = words(figure)
    for wanted in ("A title", "A subtitle", "Dolly contexts", "Wikipedia", "Parameters"):
        assert wanted in text
    assert [figure.axes[row].get_ylabel().split("\n")[0] for row in (0, 2, 4, 6)] == [
        "Matrix entropy / log $d$",
        "Effective rank",
        "Loss (nats per token)",
        "Perplexity",
    ]
    fit = scaling_fits(scaling_numbers(made_values())).iloc[0]
    assert f"exponent {fit['exponent']:.3f}".replace("-", "−") in text
    assert f"R² {fit['r_squared']:.3f}" in text
    assert legend_of(figure)[0] == "Cerebras-GPT"
    assert any("null" in entry for entry in legend_of(figure))


@pytest.mark.parametrize("stand_in", [False, True])
def test_seven_and_ten_sizes_of_two_families_fit_on_the_page(stand_in: bool) -> None:
    names = tuple(DATASETS)
    both = [made_values(datasets=names), made_values("Pythia", PYTHIA, names, stand_in)]
    figure = draw(pd.concat(both))
    check_layout(figure)
    colours = [figure.axes[0].lines[number].get_color() for number in (0, 3)]
    assert colours == list(COLOURS[:2])


def test_a_loss_that_was_not_measured_is_said() -> None:
    values = made_values(datasets=("dolly", "wiki"))
    values.loc[values["dataset"] == "wiki", "loss"] = np.nan
    values.loc[values["size"] == "111M", "loss"] = np.nan
    values[["ppl_token", "ppl_windows"]] = np.nan
    figure = draw(values)
    assert len(figure.axes) == 6, "nobody knows a perplexity: no row"
    assert not any("perplexity" in entry for entry in legend_of(figure))
    assert words(figure).count("not measured") == 1
    check_layout(figure)
    law = figure.axes[4].lines[1]
    assert law.get_xdata().min() == pytest.approx(256e6), "the law ends where the losses do"


@pytest.mark.parametrize("models", [1, 2])
def test_too_few_models_have_no_fit(models: int) -> None:
    values = made_values(sizes=dict(list(CEREBRAS.items())[:models]))
    fits = scaling_fits(scaling_numbers(values))
    assert fits["r_squared"].isna().all()
    assert (fits["note"] != "").all()
    text = words(draw(values))
    assert f"no power law (n = {models})" in text
    assert f"no null (n = {models})" in text


def test_three_models_have_a_fit_with_an_interval() -> None:
    text = words(draw(made_values(sizes=dict(list(CEREBRAS.items())[:3]))))
    assert "exponent" in text
    assert " to " in text


def test_zero_entropy_has_no_logarithm_to_fit() -> None:
    fits = scaling_fits(scaling_numbers(made_values().assign(entropy_a=0.0)))
    assert "must be positive" in fits["note"].iloc[0]


def test_no_entropy_at_all_is_said() -> None:
    with pytest.raises(InputError, match="no model has an entropy to draw"):
        scaling_numbers(made_values().assign(entropy_a=np.nan))


def test_a_rebuild_is_the_same_bytes(tmp_path: Path) -> None:
    values = made_values()
    check_same_bytes(lambda: draw(values), scaling_fits(scaling_numbers(values)), tmp_path)


def test_published_points_stand_in_grey_behind_ours() -> None:
    values = made_values(datasets=("dolly", "wiki"))
    numbers = scaling_numbers(values)
    columns = ["dataset", "family", "parameters", "entropy_a", "effective_rank_geometric", "loss"]
    published = numbers[columns].assign(ppl_windows=12.5, entropy_a=numbers["entropy_a"] / 2)
    figure = draw_scaling(numbers, scaling_fits(numbers), "A title", "A subtitle", published)
    entropy, perplexity = figure.axes[1], figure.axes[7]
    theirs = published[published["dataset"] == "wiki"]
    np.testing.assert_array_equal(entropy.lines[0].get_ydata(), theirs["entropy_a"])
    np.testing.assert_array_equal(perplexity.lines[0].get_ydata(), theirs["ppl_windows"])
    assert entropy.lines[0].get_color() == GREY
    assert entropy.lines[0].get_zorder() < entropy.lines[1].get_zorder()
    assert legend_of(figure)[-1] == "published"
    check_layout(figure)


def test_without_published_points_the_figure_is_as_it_was(tmp_path: Path) -> None:
    numbers = scaling_numbers(made_values())
    nothing = numbers.iloc[:0]
    for name, published in (("none", None), ("empty", nothing)):
        figure = draw_scaling(numbers, scaling_fits(numbers), "A title", "A subtitle", published)
        save_figure(figure, numbers, [tmp_path / f"{name}.png"])
    assert (tmp_path / "none.png").read_bytes() == (tmp_path / "empty.png").read_bytes()
