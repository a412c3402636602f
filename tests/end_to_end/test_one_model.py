"""Figures across models that are given one: intervals against scipy's, and how they look."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy.stats import bootstrap, ttest_1samp, ttest_rel

from figure_values import check_layout, check_same_bytes, legend_of, made_values, words
from matrix_entropy.figures.kinds.normalisations import draw_normalisations, normalisations_numbers
from matrix_entropy.figures.kinds.one_model import half_width, is_one_model, with_intervals
from matrix_entropy.figures.kinds.operations import draw_operations, operations_numbers
from matrix_entropy.figures.kinds.untrained import draw_untrained, untrained_numbers
from matrix_entropy.results.model_values import with_originals

WIDTH = 576
SMOL = {"SmolLM2-135M-Instruct": (135e6, WIDTH)}
VARIANTS = ["as is", "shuffled", "reversed"]


def texts_of(seed: int, number: int = 24) -> np.ndarray:
    """Entropies of texts, in nats."""
    return np.random.default_rng(seed).normal(3.0, 0.2, number)


def summary(entropy: np.ndarray) -> dict[str, float]:
    """What a summary says of them."""
    return {
        "texts": len(entropy) + 1,
        "undefined": 1,
        "entropy_a": entropy.mean() / np.log(WIDTH),
        "entropy_a_std": entropy.std() / np.log(WIDTH),
        "entropy_b": np.exp(entropy.mean()) / WIDTH,
        "entropy_c": np.exp(entropy).mean() / WIDTH,
        "effective_rank": np.exp(entropy).mean(),
        "effective_rank_std": np.exp(entropy).std(),
        "effective_rank_geometric": np.exp(entropy.mean()),
    }


def rows(entropies: list[np.ndarray], datasets: tuple[str, ...] = ("dolly",)) -> pd.DataFrame:
    """Values of one model, a row for each of the entropies on each of the data sets."""
    family = "SmolLM2-135M-Instruct"
    one = made_values(family, SMOL, datasets)
    parts = [one.assign(order=n, **summary(found)) for n, found in enumerate(entropies)]
    return pd.concat(parts, ignore_index=True).assign(model="smol", model_title=family)


def operations() -> pd.DataFrame:
    entropies = [texts_of(0)]
    entropies += [entropies[0] + 0.01 * texts_of(seed) - 0.03 for seed in (1, 2)]
    values = rows(entropies).assign(variant=VARIANTS, pairs=24)
    normalised = np.array(entropies) / np.log(WIDTH)
    differences = normalised - normalised[0]
    return values.assign(
        difference=differences.mean(axis=1),
        difference_sem=differences.std(axis=1, ddof=1) / np.sqrt(24),
    )


def fresh() -> pd.DataFrame:
    models = {"smol": {}} | {
        f"smol_{seed}": {"untrained": {"model": "smol", "seed": seed}} for seed in range(1, 6)
    }
    values = rows([texts_of(0), *(texts_of(seed) + 1 for seed in range(1, 6))])
    return with_originals(values.assign(model=list(models)), models)


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


def test_intervals_are_those_of_a_t_test() -> None:
    entropy = texts_of(3)
    row = with_intervals(rows([entropy])).iloc[0]
    normalised = ttest_1samp(entropy / np.log(WIDTH), 0).confidence_interval(0.95)
    assert (row["entropy_a_low"], row["entropy_a_high"]) == pytest.approx(tuple(normalised))
    ranks = ttest_1samp(np.exp(entropy), 0).confidence_interval(0.95)
    assert (row["effective_rank_low"], row["effective_rank_high"]) == pytest.approx(tuple(ranks))
    assert row["entropy_c_high"] == pytest.approx(ranks.high / WIDTH)
    of_mean = np.exp(ttest_1samp(entropy, 0).confidence_interval(0.95))
    ends = row[["effective_rank_geometric_low", "effective_rank_geometric_high"]].tolist()
    assert ends == pytest.approx(list(of_mean))
    assert row["entropy_b_low"] == pytest.approx(of_mean[0] / WIDTH)
    assert np.isnan(half_width(1.0, 1)), "one text has no interval"


def test_an_interval_of_paired_differences_is_that_of_a_paired_test() -> None:
    values = operations()
    numbers = operations_numbers(values)
    first, second = texts_of(0), texts_of(0) + 0.01 * texts_of(1) - 0.03
    paired = ttest_rel(second / np.log(WIDTH), first / np.log(WIDTH)).confidence_interval(0.95)
    row = numbers[numbers["variant"] == "shuffled"].iloc[0]
    assert (row["difference_low"], row["difference_high"]) == pytest.approx(tuple(paired))


def test_the_interval_of_a_rank_is_near_a_bootstrap() -> None:
    """A route without a formula: the exponential of means of texts drawn anew."""
    entropy = texts_of(4, 400)
    row = with_intervals(rows([entropy])).iloc[0]
    drawn = bootstrap(
        (entropy,), lambda x, axis: np.exp(x.mean(axis=axis)), rng=0, n_resamples=4000
    ).confidence_interval
    ends = row[["effective_rank_geometric_low", "effective_rank_geometric_high"]].to_numpy(float)
    width = ends[1] - ends[0]
    np.testing.assert_allclose(ends, [drawn.low, drawn.high], atol=0.1 * width)


def test_several_models_have_no_intervals() -> None:
    several = made_values().assign(pairs=3, difference=0.0, difference_sem=0.0)
    assert not is_one_model(several)
    for numbers in (normalisations_numbers(several), untrained_numbers(_with_seeds(several))):
        assert not {"entropy_a_low", "rank_trained_low"} & set(numbers)


def _with_seeds(values: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(
        [values.assign(variant="trained"), values.assign(variant="untrained, seed 1")],
        ignore_index=True,
    )


def drawn(kind: str) -> Figure:
    if kind == "operations":
        return draw_operations(operations_numbers(operations()), "A title", "A subtitle")
    if kind == "untrained":
        return draw_untrained(untrained_numbers(fresh()), "A title", "A subtitle")
    values = rows([texts_of(5)], ("dolly", "wiki", "web", "hh"))
    return draw_normalisations(normalisations_numbers(values), "A title", "A subtitle")


@pytest.mark.parametrize("kind", ["operations", "untrained", "normalisations"])
def test_one_model_has_no_axis_of_sizes(kind: str, tmp_path: Path) -> None:
    figure = drawn(kind)
    check_layout(figure)
    said = words(figure)
    assert "Parameters" not in said
    assert "135M" not in said, "a tick of a size"
    for axis in figure.axes:
        assert axis.get_xscale() == "linear"
    assert "95 %" in said
    check_same_bytes(lambda: drawn(kind), operations_numbers(operations()), tmp_path)


def test_dots_and_bars_are_the_numbers_of_the_table() -> None:
    numbers = operations_numbers(operations())
    left, middle, right = draw_operations(numbers, "A title", "A subtitle").axes
    assert [label.get_text() for label in left.get_yticklabels()] == VARIANTS
    for axis, name, part, scale in (
        (left, "entropy_a", numbers, 1),
        (middle, "effective_rank_geometric", numbers, 1),
        (right, "difference", numbers[1:], 1000),
    ):
        line, _, (bars,) = axis.containers[0].lines
        np.testing.assert_allclose(line.get_xdata(), scale * part[name])
        assert list(line.get_ydata()) == [-place for place in part["order"]]
        ends = np.array([segment[:, 0] for segment in bars.get_segments()])
        np.testing.assert_allclose(ends, scale * part[[f"{name}_low", f"{name}_high"]])


def test_trained_and_untrained_stand_in_one_row() -> None:
    numbers = untrained_numbers(fresh())
    row = numbers.iloc[0]
    assert row["rank_trained"] == pytest.approx(np.exp(texts_of(0).mean()))
    ends = np.exp(ttest_1samp(texts_of(0), 0).confidence_interval(0.95))
    assert (row["rank_trained_low"], row["rank_trained_high"]) == pytest.approx(tuple(ends))
    seeds = [np.exp(texts_of(seed).mean() + 1) for seed in range(1, 6)]
    assert row["rank_diff_high"] == pytest.approx(max(seeds) - row["rank_trained"])
    left, right = draw_untrained(numbers, "A title", "A subtitle").axes
    assert left.containers[1].lines[0].get_xdata() == [row["rank_untrained"]]
    assert right.containers[0].lines[0].get_xdata() == [row["rank_diff"]]
    assert left.get_xlim()[0] == 0
    assert legend_of(left.figure)[1] == "untrained, mean and range of 5 seeds"
