"""The figure of what few rows do to metrics."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from figure_values import check_layout
from matrix_entropy.figures.kinds.few_rows import draw_few_rows, few_row_numbers

ROWS = [4, 16, 64]


def values() -> pd.DataFrame:
    """Means of two models, the trained one and two seeds each."""
    return pd.DataFrame(
        {
            "model": model,
            "model_title": f"Model {model}",
            "width": 32,
            "texts": 5,
            "stand_in": True,
            "source": source,
            "rows": rows,
            "matrix_entropy": np.log(rows) / 2 + add,
            "entropy_a": np.log(rows) / 8 + add,
            "effective_rank": rows**0.5 + add,
            "power_law": np.nan if rows == 4 else 1 + add,
            "entropy_attained": 0.5,
        }
        for model in ("b", "a")
        for source, add in (("trained", 0.0), ("seed 1", 0.1), ("seed 2", 0.3))
        for rows in ROWS
    )


def test_rows_of_the_table() -> None:
    found = few_row_numbers(values())
    assert found["model"].unique().tolist() == ["b", "a"]
    ranks = found[(found["metric"] == "effective_rank") & (found["model"] == "a")]
    assert ranks["rows"].tolist() == ROWS
    assert ranks["trained"].tolist() == [2, 4, 8]
    np.testing.assert_allclose(ranks["untrained"], [2.2, 4.2, 8.2])
    np.testing.assert_allclose(ranks["untrained_low"], [2.1, 4.1, 8.1])
    np.testing.assert_allclose(ranks["untrained_high"], [2.3, 4.3, 8.3])
    assert ranks["bound"].tolist() == [3, 15, 32]
    assert ranks["trained_share"].tolist() == [0.25, 0.5, 1]
    shares = found[(found["metric"] == "entropy_a") & (found["model"] == "a")]
    np.testing.assert_allclose(shares["bound"], np.log([3, 15, 32]) / np.log(32))
    fitted = found[found["metric"] == "power_law"]
    assert fitted["rows"].tolist() == [16, 64] * 2
    assert fitted["bound"].isna().all()


def test_a_panel_shows_its_metric() -> None:
    found = few_row_numbers(values())
    figure = draw_few_rows(found, "A title", "Words")
    check_layout(figure)
    drawn = figure.axes[2]
    assert drawn.get_title(loc="left") == "Effective rank"
    bound, trained, fresh = drawn.lines[0], drawn.lines[1], drawn.containers[0].lines[0]
    assert bound.get_ydata().tolist() == [3, 15, 32]
    assert trained.get_ydata().tolist() == [2, 4, 8]
    assert fresh.get_ydata() == pytest.approx([2.2, 4.2, 8.2])
    plt.close(figure)
