"""The figure of fresh weights of several starts against a trained model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from figure_values import check_layout, check_same_bytes, legend_of, made_values, words
from matrix_entropy.base.errors import InputError
from matrix_entropy.figures.kinds.start_of_weights import draw_starts, start_numbers, start_words
from matrix_entropy.results.model_values import with_originals

LAYERS = [*map(str, range(7)), "final"]
STARTS = {0.01: 4.0, 0.02: 6.0, 0.0417: 58.0, 0.08: 69.0}  # and the rank of seed 0 at the end
MODELS: dict[str, Any] = {
    "smol": {"initializer_range": 0.0417},
    **{
        f"smol_{start}_{seed}": {
            "untrained": {"model": "smol", "seed": seed, "initializer_range": start}
        }
        for start in STARTS
        for seed in range(5)
    },
}


def made(models: dict[str, Any] = MODELS, trained: float = 20.0) -> pd.DataFrame:
    """Ranks that fall over the layers to a value of their own, each seed a little higher."""
    one = made_values("SmolLM2", {"135M": (135e6, 576)}).drop(columns="model")
    rows = []
    for model, entry in models.items():
        source = entry.get("untrained")
        rank = trained if source is None else STARTS[source["initializer_range"] or 0.02]
        rank += 0.1 * source["seed"] if source else 0
        for depth, layer in enumerate(LAYERS):
            at = rank + len(LAYERS) - 1 - depth
            rows.append(
                one.assign(model=model, layer=layer, depth=depth, effective_rank_geometric=at)
            )
    return with_originals(pd.concat(rows, ignore_index=True), models)


def draw(values: pd.DataFrame) -> Figure:
    numbers = start_numbers(values)
    return draw_starts(numbers, "A title", start_words(numbers))


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


def test_ranks_are_means_and_ranges_over_seeds_and_diff_is_untrained_minus_trained() -> None:
    numbers = start_numbers(made())
    assert len(numbers) == 4 * len(LAYERS)
    last = numbers[numbers["layer"] == "final"].set_index("initializer_range")
    assert list(last.index) == list(STARTS)
    for start, rank in STARTS.items():
        row = last.loc[start]
        ends = [row[f"rank_untrained{end}"] for end in ("_low", "", "_high")]
        assert ends == pytest.approx([rank, rank + 0.2, rank + 0.4])
        differences = [row[f"rank_diff{end}"] for end in ("_low", "", "_high")]
        assert differences == pytest.approx([rank - 20, rank - 19.8, rank - 19.6])
        assert (row["rank_trained"], row["seeds"], row["own"]) == (20, 5, start == 0.0417)
    # The first layer is seven ranks above the last, of both.
    first = numbers[numbers["layer"] == "0"].set_index("initializer_range")
    assert first.loc[0.08, ["rank_trained", "rank_untrained"]].tolist() == pytest.approx([27, 76.2])


def test_lines_points_and_signs_are_the_numbers_of_the_table() -> None:
    numbers = start_numbers(made())
    left, right = draw_starts(numbers, "A title", "A subtitle").axes
    for place, (start, part) in enumerate(numbers.groupby("initializer_range", sort=False)):
        line, _, (bars,) = left.containers[place].lines
        np.testing.assert_array_equal(line.get_xdata(), range(len(LAYERS)))
        np.testing.assert_array_equal(line.get_ydata(), part["rank_untrained"])
        ends = np.array([segment[:, 1] for segment in bars.get_segments()])
        np.testing.assert_allclose(ends, part[["rank_untrained_low", "rank_untrained_high"]])
        (point,) = right.containers[place].lines[0].get_ydata()
        assert point == pytest.approx(STARTS[start] - 19.8)
    np.testing.assert_array_equal(left.lines[-2].get_ydata(), part["rank_trained"])
    np.testing.assert_allclose(left.lines[-1].get_ydata(), 299)
    ticks = [label.get_text() for label in right.get_xticklabels()]
    assert ticks == ["0.01\n−15.8", "0.02\n−13.8", "0.0417 own\n+38.2", "0.08\n+49.2"]


def test_everything_is_labelled_and_fits() -> None:
    figure = draw(made())
    check_layout(figure)
    labels = [f"untrained, {start}" for start in ("0.01", "0.02", "0.0417 own", "0.08")]
    assert legend_of(figure) == ["trained", "bound: min(N − 1, d)", *labels]
    text = " ".join(words(figure).split())
    for wanted in ("(5 seeds, mean and range)", "initializer_range (the model's own: 0.0417)"):
        assert wanted in text


def test_the_start_of_config_json_is_said_to_be_that() -> None:
    """What a model's config.json holds is not known here."""
    models = {
        "smol": {},
        "a": {"untrained": {"model": "smol", "seed": 1}},
        "b": {"untrained": {"model": "smol", "seed": 1, "initializer_range": 0.08}},
    }
    with_none = {
        name: {"untrained": entry["untrained"] | {"initializer_range": None}}
        if name == "a"
        else entry
        for name, entry in models.items()
    }
    numbers = start_numbers(made(with_none))
    assert numbers["own"].tolist() == [False] * len(LAYERS) + [True] * len(LAYERS)
    figure = draw_starts(numbers, "A title", start_words(numbers))
    check_layout(figure)
    assert "(the model's own: what its config.json says)" in " ".join(words(figure).split())
    assert legend_of(figure)[2:] == ["untrained, 0.08", "untrained, own"]


def test_values_that_say_nothing_are_refused() -> None:
    values = made()
    with pytest.raises(InputError, match="no untrained model to compare with; add `seeds:`"):
        start_numbers(values[values["variant"] == "trained"])
    with pytest.raises(InputError, match="no model has an entropy to draw"):
        start_numbers(values.assign(entropy_a=np.nan))


def test_a_rebuild_is_the_same_bytes(tmp_path: Path) -> None:
    values = made()
    check_same_bytes(lambda: draw(values), start_numbers(values), tmp_path)
