"""What the papers draw, as tables for a comparison and for an overlay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import configured
from figure_values import PYTHIA, made_values
from matrix_entropy.figures.kinds.scaling_figure import scaling_numbers
from matrix_entropy.published.curves import published_family, published_layers, published_sizes

LANGUAGE = ["dolly-15k", "wikipedia", "openwebtext2", "hh-rlhf"]
# Blocks of the models of Liang 2024.
BLOCKS = {"tinystories_3m": 8, "tinystories_28m": 8}
BLOCKS |= {"gpt2_small": 12, "gpt2_medium": 24, "gpt2_large": 36}


def test_every_figure_of_the_configuration_has_its_curves(root: Path) -> None:
    configuration = configured()
    points = 0
    for name, figure in configuration["figures"].items():
        if figure.get("paper") != "liang2024" or "kind" in figure:
            continue
        curves = published_layers("liang2024", figure["model"], figure["dataset"])
        panels = configuration["datasets"][figure["dataset"]]["panels"]
        assert set(curves["group"]) == {group for groups in panels.values() for group in groups}
        for _, curve in curves.groupby("group"):
            assert curve["block"].tolist() == list(range(BLOCKS[figure["model"]])), name
        points += len(curves)
    assert points == 528


def test_stretched_to_another_depth_ends_meet() -> None:
    curves = published_layers("liang2024", "gpt2_small", "world", blocks=4)
    utopian = curves[curves["group"] == "utopian"]
    np.testing.assert_allclose(utopian["block"], np.linspace(0, 3, 12))
    assert set(curves["published_blocks"]) == {12}
    whole = published_layers("liang2024", "gpt2_small", "world")
    assert curves["mean"].equals(whole["mean"])


def test_other_texts_have_no_published_curve() -> None:
    assert published_layers("liang2024", "gpt2_small", "child_matched").empty


@pytest.mark.parametrize(
    ("table", "family", "size", "ranks"),
    [
        ("8", "cerebras-gpt", "111M", [53.0, 60.6, 76.4, 45.7]),
        ("8", "cerebras-gpt", "13B", [63.4, 79.7, 106.3, 52.6]),
        ("9", "pythia", "14M", [42.6, 47.1, 52.0, 41.4]),
        ("9", "pythia", "12B", [64.4, 80.6, 102.2, 47.8]),
    ],
)
def test_effective_ranks_are_those_of_the_printed_entropies(
    table: str, family: str, size: str, ranks: list[float]
) -> None:
    values = published_family(table)
    chosen = values[(values["model_family"] == family) & (values["size"] == size)]
    found = chosen[chosen["indicator"] == "effective_rank"].set_index("dataset")["value"]
    np.testing.assert_allclose(found.loc[LANGUAGE], ranks, atol=0.051)


def test_points_stand_at_the_places_of_our_models() -> None:
    values = made_values("Pythia", PYTHIA, ("dolly", "wiki"), stand_in=True)
    numbers = scaling_numbers(values.assign(shown=values["size"] != "1B"))
    points = published_sizes(numbers, {"dolly": "dolly-15k", "wiki": "wikipedia"})
    assert len(points) == 2 * 9
    dolly = points[points["dataset"] == "dolly"].set_index("parameters")
    smallest = PYTHIA["14M"][0] / 1e4
    assert dolly.loc[smallest, "entropy_a"] == 0.7732
    assert dolly.loc[smallest, "effective_rank_geometric"] == pytest.approx(128**0.7732)
    assert points["ppl_windows"].isna().all(), "Table 9 prints none"
    wiki = points[points["dataset"] == "wiki"].set_index("parameters")
    assert np.isnan(wiki.loc[smallest, "loss"]), "unreadable"


def test_an_unknown_family_or_data_set_has_no_points() -> None:
    numbers = scaling_numbers(made_values("OPT"))
    assert published_sizes(numbers, {"dolly": "dolly-15k"}).empty
    assert published_sizes(scaling_numbers(made_values()), {"dolly": "mine"}).empty


def test_both_families_come_from_their_own_tables() -> None:
    both = pd.concat([made_values(), made_values("Pythia", PYTHIA)])
    points = published_sizes(scaling_numbers(both), {"dolly": "dolly-15k"})
    assert points["family"].value_counts().to_dict() == {"Pythia": 10, "Cerebras-GPT": 7}
    largest = points.sort_values("parameters").iloc[-1]
    assert (largest["family"], largest["entropy_a"]) == ("Cerebras-GPT", 0.4859)
