"""The figure of the information gain."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from figure_values import CEREBRAS, PYTHIA, check_layout, check_same_bytes, legend_of, words
from matrix_entropy.base.errors import InputError
from matrix_entropy.figures.kinds.information_gain_figure import (
    draw_gains,
    gain_captions,
    gain_numbers,
)
from matrix_entropy.maths.information_gain import cholesky_diagonal, kernel_matrix
from matrix_entropy.results.gain_file import Gains
from matrix_entropy.results.model_values import fresh_starts

NOISE, TOKENS, TEXTS = 0.1, 24, 5


def made_gains(width: int, kernel: str = "cosine", texts: int = TEXTS, **record: Any) -> Gains:
    random = np.random.default_rng(width)
    diagonals = [
        cholesky_diagonal(kernel_matrix(random.standard_normal((TOKENS, width)), kernel), NOISE)
        for _ in range(texts)
    ]
    return Gains(
        diagonals=np.array(diagonals),
        ids=np.array([f"text {number}" for number in range(texts)]),
        groups=np.array(["all"] * texts),
        left_out=3,
        longest=TOKENS - 1,
        longest_id="short",
        known_groups=("all",),
        group="",
        width=width,
        noise=NOISE,
        kernel=kernel,
        layer="final",
        provenance={
            "model": {"stand_in": False} | record,
            "dataset": {"name": "hh_rlhf"},
            "options": {"bos": False},
            "texts_left_out": 4,
        },
    )


def made(
    family: str = "Pythia", stand_in: bool = False, **options: Any
) -> tuple[dict[str, Gains], dict[str, dict[str, Any]]]:
    """Gains and entries of all sizes of a family, at widths of a hundredth."""
    gains, models = {}, {}
    sizes = PYTHIA if family == "Pythia" else CEREBRAS
    for size, (parameters, width) in sizes.items():
        name = f"{family} {size}"
        record = {"stand_in": stand_in, "parameters": int(parameters / 1e4)}
        gains[name] = made_gains(max(2, width // 100), **options, **record)
        models[name] = {"title": f"{family}-{size}", "family": family, "size": size}
        models[name]["parameters"] = parameters
    return gains, models


def draw(numbers: pd.DataFrame) -> Figure:
    return draw_gains(numbers, *gain_captions("A title", numbers))


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


def test_means_and_intervals_of_the_mean() -> None:
    gains, models = made()
    numbers = gain_numbers(gains, models)
    diagonals = gains["Pythia 70M"].diagonals
    part = numbers[numbers["model"] == "Pythia 70M"].set_index("tokens")
    assert part.index.tolist() == list(range(1, TOKENS + 1))
    for tokens in (1, 2, TOKENS):
        values = [np.log(diagonal[:tokens]).sum() for diagonal in diagonals]
        added = [np.log(diagonal[tokens - 1]) for diagonal in diagonals]
        row = part.loc[tokens]
        for name, sample in (("gain", values), ("increment", added)):
            mean, error = np.mean(sample), np.std(sample, ddof=1) / np.sqrt(TEXTS)
            assert row[name] == pytest.approx(mean)
            assert row[f"{name}_low"] == pytest.approx(mean - 1.96 * error)
            assert row[f"{name}_high"] == pytest.approx(mean + 1.96 * error)
            for end in ("", "_low", "_high"):
                assert row[f"{name}_per_width{end}"] == pytest.approx(row[f"{name}{end}"] / 5)
    assert part["gain"].diff()[2:].to_numpy() == pytest.approx(part["increment"][2:].to_numpy())
    assert part["increment"].iloc[0] == pytest.approx(0.5 * np.log(1 + 1 / NOISE**2))
    assert part["increment_bound"].to_numpy() == pytest.approx(part["increment"].iloc[0])
    bound = 5 / 2 * np.log(1 + TOKENS / (5 * NOISE**2)) / 5
    assert part.loc[TOKENS, "bound_per_width"] == pytest.approx(bound)
    assert (part["gain_per_width"] <= part["bound_per_width"] * (1 + 1e-12)).all()


def test_models_rise_in_size_and_say_what_they_are() -> None:
    gains, models = made()
    numbers = gain_numbers(dict(reversed(gains.items())), models, "HH-RLHF")
    assert list(dict.fromkeys(numbers["size"])) == list(PYTHIA)
    first = numbers.iloc[0]
    assert (first["family"], first["parameters"], first["stand_in"]) == ("Pythia", 14.07e6, False)
    assert (first["dataset"], first["dataset_title"]) == ("hh_rlhf", "HH-RLHF")
    assert (first["layer"], first["kernel"], first["noise"]) == ("final", "cosine", NOISE)
    assert (first["texts"], first["left_out"]) == (TEXTS, 3 + 4), "short ones, and those before"


def test_stand_ins_have_their_own_parameters() -> None:
    gains, models = made(stand_in=True)
    numbers = gain_numbers(gains, models)
    assert numbers["parameters"].iloc[0] == 1407
    assert legend_of(draw(numbers))[0] == "1.41k parameters"
    del models["Pythia 14M"]["parameters"], gains["Pythia 14M"].provenance["model"]["parameters"]
    with pytest.raises(InputError, match="'Pythia 14M': its number of parameters is not known"):
        gain_numbers(gains, models)


def test_a_single_text_has_no_interval() -> None:
    numbers = gain_numbers(*made(texts=1))
    assert numbers.filter(regex="_(low|high)$").isna().all(axis=None)
    figure = draw(numbers)
    check_layout(figure)
    assert "95 % interval" not in words(figure)


def test_the_linear_kernel_has_no_bound() -> None:
    numbers = gain_numbers(*made(kernel="linear"))
    assert numbers[["bound_per_width", "increment_bound"]].isna().all(axis=None)
    figure = draw(numbers)
    check_layout(figure)
    assert "bound" not in "\n".join(legend_of(figure))
    assert "dotted" not in words(figure)


def test_lines_and_bands_are_the_numbers_of_the_table() -> None:
    numbers = gain_numbers(*made())
    figure = draw(numbers)
    part = numbers[numbers["size"] == "31M"]
    names = ("gain_per_width", "increment_per_width", "increment")
    for axis, name in zip(figure.axes, names, strict=True):
        np.testing.assert_array_equal(axis.lines[1].get_xdata(), part["tokens"])
        np.testing.assert_array_equal(axis.lines[1].get_ydata(), part[name])
        corners = axis.collections[1].get_paths()[0].vertices[:, 1]
        assert corners.max() == part[f"{name}_high"].max()
        assert corners.min() == part[f"{name}_low"].min()
    bounds = figure.axes[0].lines[len(PYTHIA) + 1]
    np.testing.assert_array_equal(bounds.get_ydata(), part["bound_per_width"])
    ceiling = figure.axes[2].lines[len(PYTHIA)]
    assert set(ceiling.get_ydata()) == {part["increment_bound"].iloc[0]}


@pytest.mark.parametrize("stand_in", [False, True])
def test_everything_is_labelled_and_fits(stand_in: bool) -> None:
    figure = draw(gain_numbers(*made(stand_in=stand_in), "HH-RLHF"))
    check_layout(figure)
    text = " ".join(words(figure).split())
    for wanted in (
        *("A title: Pythia", "HH-RLHF: 5 texts, cut to 24 tokens", "7 shorter texts left out"),
        *(
            "layer final",
            "inner product of l2-normalised states",
            "σ = 0.1",
            "not divided",
        ),
        *("Tokens $T$", "nats per dimension", "½ log(1 + 1/σ²)"),
    ):
        assert wanted in text
    assert ("Not Pythia but stand-ins" in text) == stand_in
    names = legend_of(figure)
    assert names[0] == ("1.41k parameters" if stand_in else "Pythia-14M")
    assert names[-2:] == ["95 % interval", "upper bound"]


def test_colours_follow_size_and_lines_the_family() -> None:
    (gains, models), (others, entries) = made("Cerebras-GPT"), made(stand_in=True)
    numbers = gain_numbers(gains | others, models | entries)
    figure = draw(numbers)
    check_layout(figure)
    lines = figure.axes[2].lines[: len(CEREBRAS) + len(PYTHIA)]
    lightness = [sum(line.get_color()[:3]) for line in lines]
    assert lightness[: len(CEREBRAS)] == sorted(lightness[: len(CEREBRAS)])
    assert lightness[len(CEREBRAS) :] == sorted(lightness[len(CEREBRAS) :])
    styles = [line.get_linestyle() for line in lines]
    assert styles == ["-"] * len(CEREBRAS) + ["--"] * len(PYTHIA)
    assert {"Cerebras-GPT-111M", "Pythia stand-in, 1.41k parameters"} <= set(legend_of(figure))


def test_a_band_that_reaches_zero_leaves_the_logarithmic_panel_as_it_is() -> None:
    gains, models = made()
    model = "Pythia 14M"
    gains[model].diagonals[1:, -1] = 1.0  # of one text only the last token adds anything
    numbers = gain_numbers(gains, models)
    part = numbers[numbers["model"] == model]
    assert part["increment_low"].iloc[-1] < 0 < part["increment"].iloc[-1]
    low, high = draw(numbers).axes[1].get_ylim()
    assert low > 0.5 * numbers["increment_per_width"].min()
    assert high < 2 * numbers["increment_per_width"].max()


def test_a_rebuild_is_the_same_bytes(tmp_path: Path) -> None:
    numbers = gain_numbers(*made())
    check_same_bytes(lambda: draw(numbers), numbers, tmp_path)


def test_models_of_one_size_are_told_apart() -> None:
    gains, models = made(stand_in=True)
    first = next(iter(gains))
    gains["twin"], models["twin"] = gains[first], models[first]
    figure = draw(gain_numbers(gains, models))
    names = legend_of(figure)
    assert len(set(names)) == len(names)
    lines = figure.axes[0].get_lines()[: len(gains)]
    assert len({(str(line.get_color()), str(line.get_linestyle())) for line in lines}) == len(gains)
    check_layout(figure)


def test_a_beginning_of_sequence_token_is_mentioned() -> None:
    gains, models = made()
    said = "token 1 is the beginning-of-sequence token"
    assert said not in gain_captions("A title", gain_numbers(gains, models))[1]
    for found in gains.values():
        found.provenance["options"]["bos"] = True
    assert said in gain_captions("A title", gain_numbers(gains, models))[1]


def test_a_token_that_repeats_the_first_is_explained_and_stretches_no_panel() -> None:
    random = np.random.default_rng(0)
    gains, models = made()
    for name, found in gains.items():
        states = random.standard_normal((TEXTS, TOKENS, found.width))
        states[:, 1] = states[:, 0]
        diagonals = [cholesky_diagonal(kernel_matrix(text), NOISE) for text in states]
        gains[name] = dataclasses.replace(found, diagonals=np.array(diagonals))
    numbers = gain_numbers(gains, models)
    figure = draw(numbers)
    assert "token 2 repeats the state of token 1" in " ".join(words(figure).split())
    kept = numbers.loc[numbers["tokens"] != 2, "increment_per_width"]
    assert figure.axes[1].get_ylim()[0] == pytest.approx(0.8 * kept.min())
    assert "token 2 repeats" not in gain_captions("A title", gain_numbers(*made()))[1]


def with_fresh(seeds: int = 3) -> tuple[dict[str, Gains], dict[str, dict[str, Any]]]:
    """A model and its fresh weights, each with texts' gains of its own."""
    gains, models = {"smol": made_gains(12)}, {"smol": {"title": "SmolLM2", "parameters": 1e6}}
    for seed in range(1, seeds + 1):
        name, start = f"smol_untrained_{seed}", {"initializer_range": 0.0417}
        models[name] = models["smol"] | {"untrained": {"model": "smol", "seed": seed, **start}}
        record = {"model": name, "untrained_seed": seed, **start}
        gains[name] = dataclasses.replace(made_gains(12 + seed, **record), width=12)
    return gains, models


def test_fresh_weights_are_a_mean_and_a_range_over_seeds() -> None:
    gains, models = with_fresh()
    numbers = gain_numbers(gains, models)
    alone = gain_numbers({"smol": gains["smol"]}, models)
    trained = numbers[numbers["seeds"] == 0].drop(columns="seeds").reset_index(drop=True)
    pd.testing.assert_frame_equal(trained, alone)
    fresh = numbers[numbers["seeds"] == 3].set_index("tokens")
    assert set(fresh["model"]) == {"smol"}
    for tokens in (1, 7, TOKENS):
        means = [
            np.log(found.diagonals[:, :tokens]).sum(axis=1).mean()
            for name, found in gains.items()
            if name != "smol"
        ]
        row = fresh.loc[tokens]
        assert [row["gain"], row["gain_low"], row["gain_high"]] == pytest.approx(
            [np.mean(means), min(means), max(means)]
        )
        assert row["gain_per_width_high"] == pytest.approx(max(means) / 12)


def test_fresh_weights_are_drawn_dashed_and_named() -> None:
    gains, models = with_fresh()
    numbers = gain_numbers(gains, models)
    starts = fresh_starts((found.provenance["model"] for found in gains.values()), models)
    figure = draw_gains(numbers, *gain_captions("A title", numbers, starts))
    check_layout(figure)
    fresh = "untrained, mean and range of 3 seeds"
    wanted = ["SmolLM2", fresh, "95 % interval", "upper bound"]
    assert legend_of(figure) == wanted
    said = " ".join(words(figure).split())
    assert "drawn with initializer_range 0.0417, mean and range of 3 seeds" in said
    solid, dashed = figure.axes[0].lines[:2]
    fresh = numbers[numbers["seeds"] == 3]
    np.testing.assert_array_equal(dashed.get_ydata(), fresh["gain_per_width"])
    assert (solid.get_linestyle(), dashed.get_linestyle()) == ("-", "--")
