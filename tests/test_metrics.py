"""Tables of metrics: every count and mean is of its own group, text and layer."""

from __future__ import annotations

import numpy as np
import pytest

from matrix_entropy.results.metrics import metrics_table, summary_table
from test_intermediates import spectra

GROUPS = ["short", "long", "long"]


@pytest.fixture
def tables():
    """Texts of 3, 5 and 9 tokens, of which one row of the second has no direction."""
    lengths, rows = np.array([3, 5, 9]), np.array([3, 4, 9])
    found = spectra(
        eigenvalues=np.concatenate([np.full(count, 1 / count) for count in rows]),
        counts=rows[None, None],
        rows=rows[None, None],
        ids=np.array(["0", "1", "2"]),
        groups=np.array(GROUPS),
        offsets=np.cumsum([0, *lengths]),
        truncated=np.array([True, False, False]),
        token_losses=np.full(lengths.sum(), np.nan, dtype=np.float32),
    )
    return metrics_table(found), summary_table(found).set_index("group")


def test_tokens_and_rows_are_counted_apart(tables) -> None:
    metrics, _ = tables
    assert metrics["tokens"].tolist() == [3, 5, 9]
    assert metrics["rows"].tolist() == [3, 4, 9]
    bounds = np.log([2, 3, 8]) / np.log(8)
    np.testing.assert_allclose(metrics["entropy_bound_normalised"], bounds)


def test_groups_are_summarised_apart(tables) -> None:
    _, summary = tables
    assert summary.loc["short", ["texts", "truncated", "tokens_mean"]].tolist() == [1, 1, 3]
    assert summary.loc["long", ["texts", "truncated", "tokens_mean"]].tolist() == [2, 0, 7]
    assert summary.loc["long", "matrix_entropy"] == pytest.approx(np.log([4, 9]).mean())
    assert summary.loc["long", "effective_rank"] == pytest.approx(6.5)
