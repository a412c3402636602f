"""The figure of ranks of many texts."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from figure_values import check_layout
from matrix_entropy.base.errors import InputError
from matrix_entropy.figures.kinds.many_texts import TITLES, draw_many_texts
from matrix_entropy.maths.many_texts import OF_TEXTS
from matrix_entropy.results.text_metrics import OF_VIEWS


def numbers(**changed: Any) -> pd.DataFrame:
    """Two models of four layers, each pooled in two ways; no exponent of so few texts."""
    found = pd.DataFrame(
        {"model_title": model, "pooling": pooling, "depth": depth, "texts": 12, "width": 32}
        for model in ("A", "B")
        for pooling in ("mean", "last")
        for depth in range(4)
    )
    values = (
        1.5 + 0.1 * found["depth"] + (found["pooling"] == "last") + (found["model_title"] == "B")
    )
    every = {name: values + place / 100 for place, name in enumerate(TITLES)}
    return found.assign(**(every | {"viewed": 40, "power_law": np.nan} | changed))


def test_every_metric_has_a_title() -> None:
    assert list(TITLES) == [each.name for each in (*OF_TEXTS, *OF_VIEWS)]


def test_a_panel_shows_its_metric_and_bound() -> None:
    table = numbers()
    figure = draw_many_texts(table, "A title", "Words")
    check_layout(figure)
    shown = [name for name in TITLES if name != "power_law"]
    panels = dict(zip(shown, figure.axes, strict=False))
    bounds = {"matrix_entropy": np.log(11), "rankme": 12, "rankme_centred": 11, "lidar": 32}
    for name, axis in panels.items():
        assert axis.get_title(loc="left") == TITLES[name]
        curves = table.groupby(["model_title", "pooling"], sort=False)[name]
        for (_, values), bound, line in zip(curves, axis.lines[::2], axis.lines[1::2], strict=True):
            assert line.get_ydata().tolist() == values.tolist()
            if name in bounds:
                np.testing.assert_allclose(bound.get_ydata(), bounds[name])
    assert np.isnan(panels["dime"].lines[0].get_ydata()).all()
    plt.close(figure)


def test_without_a_value_there_is_no_figure() -> None:
    with pytest.raises(InputError, match="fewer than two texts"):
        draw_many_texts(numbers(**dict.fromkeys(TITLES, np.nan)), "A title", "Words")
