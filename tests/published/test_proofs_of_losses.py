"""Proofs of errata to Wei et al. 2024 from the model card: the loss of 13B, the accuracies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from matrix_entropy.base.shipped import published
from matrix_entropy.published.tables import published_values

LANGUAGE = ("dolly-15k", "wikipedia", "openwebtext2", "hh-rlhf")
BENCHMARKS = ("openbookqa", "winogrande", "piqa")
TABLE_OF = {**dict.fromkeys(LANGUAGE, 8), **dict.fromkeys(BENCHMARKS, 1)}


def card(family: str, dataset: str) -> pd.Series:
    """What the model card has of a family, by size, from the smallest model to the largest."""
    values = pd.read_csv(published("wei2024", "model_card"))
    values = values[(values["model_family"] == family) & (values["dataset"] == dataset)]
    return values.set_index("size")["value"]


def printed(table: int, dataset: str, indicator: str = "loss") -> pd.Series:
    """What the paper prints of an indicator on a data set, by size."""
    values = published_values("wei2024", table)
    values = values[(values["dataset"] == dataset) & (values["indicator"] == indicator)]
    return values.set_index("size")["value"]


def excess_of_the_last(pile: pd.Series, loss: pd.Series, degree: int = 1) -> tuple[float, float]:
    """The last loss above a curve through the others against the Pile's, and its p (two-sided).

    p is that of Student's t for a new observation: `pile.size − 1 − (degree + 1)` degrees of
    freedom, with the error of the curve where the last model lies.
    """
    *x, last = pile
    powers, new = np.vander(x, degree + 1), np.vander([last], degree + 1)[0]
    curve, *_ = np.linalg.lstsq(powers, loss[:-1], rcond=None)
    freedom = len(x) - degree - 1
    variance = ((loss[:-1] - powers @ curve) ** 2).sum() / freedom
    error = np.sqrt(variance * (1 + new @ np.linalg.inv(powers.T @ powers) @ new))
    excess = float(loss.iloc[-1] - new @ curve)
    return excess, float(2 * student.sf(abs(excess) / error, freedom))


EXCESS = {
    "dolly-15k": 0.211,
    "wikipedia": 0.198,
    "openwebtext2": 0.189,
    "hh-rlhf": 0.138,
    "openbookqa": 0.119,
    "winogrande": 0.139,
    "piqa": 0.168,
}


@pytest.mark.parametrize("dataset", EXCESS)
def test_the_loss_of_13b_is_above_what_the_other_sizes_predict(dataset: str) -> None:
    """Whatever the curve on the three texts of the plateau; on openbookqa not if it is bent."""
    pile, loss = card("cerebras-gpt", "pile"), printed(TABLE_OF[dataset], dataset)
    assert pile.index.equals(loss.index)
    excess, p = excess_of_the_last(pile, loss)
    assert excess == pytest.approx(EXCESS[dataset], abs=6e-4)
    assert p < 0.02
    _, p_bent = excess_of_the_last(pile, loss, degree=2)
    if dataset in LANGUAGE[:3]:
        assert max(p, p_bent) < 4e-4
    elif dataset == "openbookqa":
        assert p_bent == pytest.approx(0.116, abs=1e-3)
    else:
        assert 0.01 < p_bent < 0.02


@pytest.mark.parametrize(
    ("dataset", "excess"),
    [("dolly-15k", 0.029), ("wikipedia", 0.040), ("openwebtext2", 0.040), ("hh-rlhf", 0.056)],
)
def test_the_loss_of_pythia_12b_is_what_its_other_sizes_predict(
    dataset: str, excess: float
) -> None:
    """The same question of a family whose largest model nobody doubts: a placebo."""
    pile = card("pythia", "pile")
    found, p = excess_of_the_last(pile, printed(9, dataset)[pile.index])
    assert found == pytest.approx(excess, abs=6e-4)
    assert p > 0.15


@pytest.mark.parametrize(
    ("dataset", "before", "last"),
    [
        ("dolly-15k", 0.042, 0.286),
        ("wikipedia", 0.009, 0.229),
        ("openwebtext2", 0.062, 0.262),
        ("hh-rlhf", 0.165, 0.293),
    ],
)
def test_only_13b_leaves_the_line_of_pythia(dataset: str, before: float, last: float) -> None:
    """At equal loss on the Pile: Cerebras-GPT less a line through Pythia, 6.7B and 13B."""
    pile = card("pythia", "pile")
    line = np.polyfit(pile, printed(9, dataset)[pile.index], 1)
    own = card("cerebras-gpt", "pile")
    apart = printed(8, dataset)[own.index] - np.polyval(line, own)
    assert apart[["6.7B", "13B"]].tolist() == pytest.approx([before, last], abs=6e-4)
    assert apart.diff()["13B"] > 1.5 * apart.diff().drop("13B").abs().max()


def test_the_pile_losses_do_not_level_off() -> None:
    """As the tables' do from 6.7B to 13B."""
    pile = card("cerebras-gpt", "pile")
    assert pile["6.7B"] - pile["13B"] == pytest.approx(0.132, abs=1e-9)
    # The step in units of the logarithm of the size is no smaller than the one before it.
    per_size = -pile.diff()[["6.7B", "13B"]] / np.log([6.7 / 2.7, 13 / 6.7])
    assert per_size["13B"] > per_size["6.7B"]
    for dataset, change in zip(LANGUAGE[:3], (0.0187, 0.0111, -0.0023), strict=True):
        loss = printed(8, dataset)
        assert loss["13B"] - loss["6.7B"] == pytest.approx(change, abs=1e-9)


@pytest.mark.parametrize("dataset", BENCHMARKS)
def test_all_accuracies_are_those_of_the_model_card(dataset: str) -> None:
    accuracies = printed(1, dataset, "accuracy")
    assert len(accuracies) == 7
    assert accuracies.to_dict() == card("cerebras-gpt", dataset).to_dict()
