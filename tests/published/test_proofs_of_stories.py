"""Proofs of errata to Liang 2024, from the plotted points and the lengths of the stories."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_ind_from_stats

from matrix_entropy.base.shipped import published

PAIRS = {
    "long": ("good_long", "bad_long"),
    "condensed": ("good_condensed", "bad_condensed"),
    "world": ("utopian", "dystopian"),
}
STORIES = 10


def figure(number: int, quantity: str = "mean") -> pd.DataFrame:
    """A figure: a row per block, a column per group."""
    values = pd.read_csv(published("liang2024", "figures"))
    values = values[values["figure"] == number]
    return values.pivot(index="layer", columns="series", values=quantity)


def p_values(number: int, pair: str, reading: float = 0.0) -> pd.Series:
    """Welch's test at every block, with deviations smaller by so much of their reading errors."""
    means, errors = figure(number), figure(number, "std_err")
    # The paper's are those with n.
    widened = (figure(number, "std") - reading * errors) * np.sqrt(STORIES / (STORIES - 1))
    first, second = PAIRS[pair]
    found = ttest_ind_from_stats(
        *(means[first], widened[first], STORIES),
        *(means[second], widened[second], STORIES),
        equal_var=False,
    )
    return pd.Series(found.pvalue, means.index)


@pytest.mark.parametrize(
    ("pair", "figures", "alone", "left"),
    [
        ("condensed", range(1, 6), [0, 0, 3, 10, 21], [0, 0, 0, 0, 0]),
        ("long", range(1, 6), [6, 8, 9, 19, 27], [5, 2, 1, 1, 0]),
        ("world", range(6, 11), [1, 2, 8, 19, 23], [0, 0, 0, 0, 0]),
    ],
)
def test_blocks_whose_gap_is_left_after_bonferroni(
    pair: str, figures: range, alone: list[int], left: list[int]
) -> None:
    found = [p_values(number, pair) for number in figures]
    assert [len(p) for p in found] == [8, 8, 12, 24, 36]
    assert [int((p < 0.05).sum()) for p in found] == alone
    assert [int((p < 0.05 / len(p)).sum()) for p in found] == left
    if not any(left):  # wherever within their errors the deviations were read
        for number in figures:
            p = p_values(number, pair, reading=1.0)
            assert p.min() > 0.05 / len(p)


def spread(number: int) -> pd.Series:
    """Standard deviation over blocks, of every group."""
    return figure(number).std(ddof=0)


def test_28m_is_more_stable_for_long_stories_only() -> None:
    groups = [name for pair in ("long", "condensed") for name in PAIRS[pair]]
    small, large = spread(1)[groups], spread(2)[groups]
    assert large.tolist() == pytest.approx([0.0045, 0.0075, 0.0039, 0.0034], abs=6e-5)
    assert small.tolist() == pytest.approx([0.0137, 0.0088, 0.0039, 0.0031], abs=6e-5)


def test_medium_varies_more_than_small_on_long_stories() -> None:
    groups = list(PAIRS["long"])
    assert spread(4)[groups].tolist() == pytest.approx([0.0379, 0.0332], abs=6e-5)
    assert spread(3)[groups].tolist() == pytest.approx([0.0300, 0.0278], abs=6e-5)
    condensed = list(PAIRS["condensed"])
    assert (spread(4)[condensed] < spread(3)[condensed]).all()
    assert (spread(5) < spread(3)).all()


def test_figure_6_has_the_more_variable_utopian_curve() -> None:
    both = list(PAIRS["world"])
    assert spread(6)[both].tolist() == pytest.approx([0.0067, 0.0063], abs=6e-5)
    steps = figure(6).diff().abs().mean()
    assert steps[both].tolist() == pytest.approx([0.0071, 0.0055], abs=6e-5)


@pytest.mark.parametrize(
    ("model", "width", "straight", "bent"),
    [
        ("gpt2_small", 768, -0.0208, -0.0071),
        ("gpt2_medium", 1024, -0.0184, -0.0053),
        ("gpt2_large", 1280, -0.0151, -0.0046),
    ],
)
def test_a_bent_line_leaves_less_of_the_long_stories(
    model: str, width: int, straight: float, bent: float
) -> None:
    """Gap of long stories that a polynomial in mean log N leaves of six means, over blocks."""
    stories = pd.read_csv(published("liang2024", "lengths"))
    logs = np.log(1.06 * stories["pieces"] + 1).groupby(stories["series"]).mean()
    values = pd.read_csv(published("liang2024", "figures"))
    values = values[values["model"] == model]
    entropy = values.pivot(index="series", columns="layer", values="mean").loc[logs.index]
    entropy *= np.log(width)
    first, second = PAIRS["long"]
    for degree, expected in ((1, straight), (2, bent)):
        left = (
            entropy
            - np.array(
                [np.polyval(np.polyfit(logs, block, degree), logs) for _, block in entropy.items()]
            ).T
        )
        gap = float((left.loc[first] - left.loc[second]).mean() / np.log(width))
        assert gap == pytest.approx(expected, abs=6e-5)
