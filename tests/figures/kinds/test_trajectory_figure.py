"""The figure of models while they learnt."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from figure_values import check_layout
from matrix_entropy.figures.kinds.trajectory import draw_trajectories, with_scores

STEPS = [0, 1, 2, 4, 8, 1000]


def numbers(models: int = 2, layers: int = 3) -> pd.DataFrame:
    rows = [
        {
            "model": f"m{model}",
            "model_title": f"Model {model}",
            "dataset": "texts",
            "step": step,
            "layer": "final" if depth == layers - 1 else str(depth),
            "depth": depth,
            "metric": "matrix_entropy_normalised",
            "mean": 0.5 + 0.01 * at + 0.1 * depth + (0.3 if (model, step) == (1, 4) else 0),
            "std": 0.1,
        }
        for model in range(models)
        for at, step in enumerate(STEPS)
        for depth in range(layers)
    ]
    return with_scores(pd.DataFrame(rows).sample(frac=1, random_state=1))


def test_lines_and_heat_map_are_the_numbers_and_the_wrong_one_is_marked() -> None:
    found = numbers()
    assert set(found.loc[found["off_curve"], "model"]) == {"m1"}
    assert set(found.loc[found["off_curve"], "step"]) == {4}
    figure = draw_trajectories(found, "A title", "Words")
    check_layout(figure)
    names = list(found["model"].unique())
    above, below = figure.axes[:2], figure.axes[2:4]
    for model, (lines, cells) in enumerate(zip(above, below, strict=True)):
        part = found[found["model"] == names[model]]
        table = part.pivot(index="depth", columns="step", values="mean").to_numpy()
        drawn = [line.get_ydata() for line in lines.lines[:3]]
        np.testing.assert_array_equal(drawn, table)
        np.testing.assert_array_equal(cells.collections[0].get_array(), table)
        # A line at the wrong checkpoint, and a frame around its cells.
        assert len(lines.lines) == 3 + (names[model] == "m1")
        assert len(cells.patches) == (names[model] == "m1")
    wrong = names.index("m1")
    place = above[wrong].lines[3].get_xdata()[0]
    assert place == np.log10(1 + 4)
    frame = below[wrong].patches[0]
    assert frame.get_x() < place < frame.get_x() + frame.get_width()
    plt.close(figure)


def test_one_model_of_many_layers_fits() -> None:
    figure = draw_trajectories(numbers(1, 40), "A title of one model", "Words")
    check_layout(figure)
    plt.close(figure)
