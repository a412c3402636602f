"""What the papers' texts say in general, asked of numbers made up for the purpose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from matrix_entropy.published import claims
from matrix_entropy.published.comparison import OTHER, SAME, compare
from matrix_entropy.published.counterparts import CLAIMED
from matrix_entropy.published.curves import TOKENS
from matrix_entropy.published.directions import CANNOT_TELL, half_interval
from matrix_entropy.published.tables import published_values


def words(rows: list[dict]) -> list[tuple[str, str]]:
    return [(row["published_direction"], row["rebuilt_direction"]) for row in rows]


def test_gaps_between_groups() -> None:
    means = pd.DataFrame(
        {
            "model": "m",
            "dataset": "d",
            "gap": ["good − bad", "bright − dark", "long − short"],
            "treatment": "all rows",
            "texts_first": 10,
            "texts_second": 10,
            "difference": [0.03, 0.001, -0.02],
            "high": [0.05, 0.01, -0.001],
        }
    )
    found = [word for _, word in words(claims.gap_claims(means))]
    assert found == ["above", "cannot tell", "below"]


def lengths(last: float, std: float) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "model": "m",
            "dataset": "d",
            "tokens_kept": [16, 256],
            "texts": 10,
            "entropy_a": [0.4, last],
            "entropy_a_std": std,
        }
    )


@pytest.mark.parametrize(
    ("last", "std", "found"),
    [(0.7, 0.05, "rises"), (0.2, 0.05, "falls"), (0.42, 0.05, "cannot tell")],
)
def test_longer_contexts(last: float, std: float, found: str) -> None:
    assert words(claims.context_length_claims(lengths(last, std))) == [("rises", found)]


@pytest.mark.parametrize(
    ("curve", "std", "found"),
    [
        (lambda tokens: np.log(tokens) / 10, 1e-4, "falls"),
        (lambda tokens: tokens / 1000, 1e-6, "cannot tell"),
        (lambda tokens: tokens**2 / 1e5, 1e-4, "rises"),
        (lambda tokens: np.log(tokens) / 10, 10.0, "cannot tell"),
    ],
)
def test_the_growth_decelerates(curve: Any, std: float, found: str) -> None:
    tokens = np.array([16, 64, 128, 256])
    numbers = pd.DataFrame(
        {"model": "m", "dataset": "d", "tokens_kept": tokens, "texts": 10, "entropy_a_std": std}
    ).assign(entropy_a=curve(tokens))
    assert words(claims.context_length_claims(numbers))[1] == ("falls", found)


def test_the_error_of_a_deceleration_is_that_of_its_four_means() -> None:
    """Against samples of the four means, of three lengths too, where one is in both slopes."""
    random = np.random.default_rng(4)
    tokens, count = np.array([10, 20, 60]), 15
    texts = random.normal([0.4, 0.5, 0.6], 0.03, (20_000, count, 3))
    means = texts.mean(axis=1)
    slopes = np.diff(means, axis=1) / np.diff(tokens)
    spread = (slopes[:, 1] - slopes[:, 0]).std()
    numbers = pd.DataFrame(
        {"model": "m", "dataset": "d", "tokens_kept": tokens, "entropy_a": [0.4, 0.5, 0.6]}
    ).assign(texts=count, entropy_a_std=0.03 * np.sqrt((count - 1) / count))
    # The interval holds zero from where it is as wide as the difference, 0.01 − 0.0025.
    half = half_interval(spread, count)
    for share, found in ((0.98, "falls"), (1.02, "cannot tell")):
        scale = 0.0075 / half * share
        scaled = numbers.assign(entropy_a_std=numbers["entropy_a_std"] * scale)
        assert words(claims.context_length_claims(scaled))[1] == ("falls", found)


@pytest.mark.parametrize(
    ("shuffled", "found"), [(-0.001, "above"), (-0.009, "below"), (-0.0048, "cannot tell")]
)
def test_shuffled_texts_keep_more_than_reversed_ones(shuffled: float, found: str) -> None:
    numbers = pd.DataFrame(
        {
            "model": "m",
            "dataset": "d",
            "variant": ["as is", "shuffled", "reversed"],
            "order": [0, 1, 2],
            "texts": 20,
            "difference": [0.0, shuffled, -0.005],
            "difference_sem": [0.0, 0.001, 0.001],
        }
    )
    assert words(claims.operation_claims(numbers))[2:] == [("above", found)]


def test_changed_sentences() -> None:
    numbers = pd.DataFrame(
        {
            "model": "m",
            "dataset": "d",
            "variant": ["as is", "shuffled", "reversed", "both"],
            "order": [0, 1, 2, 3],
            "texts": 20,
            "difference": [0.0, -0.004, 0.004, -0.001],
            "difference_sem": [0.0, 0.001, 0.001, 0.001],
        }
    )
    found = claims.operation_claims(numbers)
    assert [row.get("group") for row in found] == ["shuffled", "reversed", "both", None]
    assert [said for _, said in words(found)] == ["falls", "rises", "cannot tell", "below"]
    single = claims.operation_claims(numbers.assign(texts=1))
    assert {said for _, said in words(single)} == {"cannot tell"}


def test_prompts() -> None:
    values = pd.DataFrame(
        {
            "model": "m",
            "dataset": "d",
            "variant": ["empty", "prompt1", "prompt2", "average_1_to_3", "empty"],
            "indicator": ["matrix_entropy"] * 4 + ["effective_rank"],
            "value": [0.5, 0.49, 0.50005, 0.495, 25.0],
            "change": [np.nan, -0.01, 0.00005, -0.005, np.nan],
            "change_standard_error": [np.nan, 0.004, 0.004, 0.004, np.nan],
            "texts": 10,
        }
    )
    found = claims.prompt_claims(values)
    assert [(row["group"], row["rebuilt_direction"]) for row in found] == [
        ("prompt1", "falls"),
        ("prompt2", "cannot tell"),
    ]


def test_gain_and_increment() -> None:
    increments = np.array([4.9, 4.6, 4.0, 3.1])
    numbers = pd.DataFrame({"model": "m", "tokens": [1, 2, 3, 4], "increment": increments})
    numbers["increment_low"], numbers["increment_high"] = increments - 0.2, increments + 0.2
    numbers["gain_per_width"] = increments.cumsum() / 100
    numbers["gain_per_width_high"] = numbers["gain_per_width"] + 0.01
    # Fresh weights of the same model, whose increments do not fall.
    fresh = numbers.assign(seeds=5.0, increment=increments[::-1])
    both = pd.concat([numbers.assign(seeds=0), fresh], ignore_index=True)
    assert words(claims.gain_claims(both)) == [("rises", "rises"), ("falls", "falls")]
    wide = numbers.assign(increment_low=increments - 2, increment_high=increments + 2)
    assert words(claims.gain_claims(wide))[1] == ("falls", "cannot tell")


@pytest.mark.parametrize(("sizes", "said"), [(4, "cannot tell"), (6, "falls")])
@pytest.mark.parametrize("sign", [1, -1])
def test_gain_and_increment_of_larger_models(sizes: int, said: str, sign: int) -> None:
    """The bound of a unit kernel over d does so: the wider the model the flatter both."""
    parts = []
    for place in range(sizes):
        width = 10 * (place + 1) if sign > 0 else 10 * (sizes - place)
        increments = np.array([4.6, 4.0, 3.5, 3.2])[: 3 if place else 4]
        part = pd.DataFrame({"tokens": np.arange(1, len(increments) + 1), "increment": increments})
        part["increment_per_width"] = increments / width
        part["gain_per_width"] = increments.cumsum() / width
        for name in ("increment", "gain_per_width"):
            part[f"{name}_high"] = part[name] + 0.01
        parts.append(part.assign(model=f"m{place}", parameters=1e6 * (place + 1)))
    found = claims.gain_claims(pd.concat(parts, ignore_index=True))[2 * sizes :]
    said = said if sign > 0 or said == "cannot tell" else "rises"
    assert words(found) == [("falls", said)] * 2
    assert "1 to 3 tokens" in found[0]["quantity"]
    assert [row["rebuilt"] for row in found] == [-sign, -sign]


def test_the_average_reduction_with_size() -> None:
    """Table 3's own numbers: three sizes agree with one another by chance one time in three."""
    printed = published_values("wei2024", "3")
    sizes = {"1.3B": 1.3e9, "2.7B": 2.7e9, "6.7B": 6.7e9}
    values = printed.assign(
        model=printed["size"],
        parameters=printed["size"].map(sizes),
        change=-0.01,
        change_standard_error=0.002,
        texts=10,
    )
    (row,) = [row for row in claims.prompt_claims(values) if "with size" in row["quantity"]]
    assert (row["rebuilt"], row["rebuilt_direction"]) == (1, "cannot tell")
    assert row["rebuilt_p"] == pytest.approx(1 / 3)
    assert row["published_direction"] == "rises"


def test_contexts_by_mean_and_last_token() -> None:
    places = pd.DataFrame(
        {"measure": ["last_token"] * 2 + ["token_mean"] * 2, "silhouette": [0.2, 0.3, 0.5, 0.6]}
    )
    (row,) = claims.map_claims(places)
    assert row["rebuilt"] == pytest.approx(0.3)
    assert words([row]) == [("above", "above")]
    assert claims.map_claims(places[places["measure"] == "last_token"]) == []


def test_the_tokens_that_lasso_picks() -> None:
    printed = pd.read_csv(TOKENS, keep_default_na=False).query("method == 'lasso'")
    weights = printed.rename(columns={"picks": "token"}).assign(
        picked_lasso=True, picked_literal=lambda frame: frame["target"] != "China"
    )
    found = {
        (row["group"], "alpha" in row["quantity"]): row for row in claims.token_claims(weights)
    }
    same = found["[China]", True]
    assert same["published_direction"] == same["rebuilt_direction"] != ""
    assert found["[China]", False]["rebuilt"] == 0
    assert found["[China]", False]["rebuilt_direction"] != same["published_direction"]


def test_a_real_model_stands_in_the_comparison_by_its_claims(tmp_path) -> None:
    path = tmp_path / "figures" / "mine.csv"
    path.parent.mkdir()
    entry = {"paper": "real_model", "kind": "context_length", "models": ["m"], "dataset": "d"}
    for last, verdict in ((0.7, SAME), (0.2, OTHER), (0.42, CANNOT_TELL)):
        lengths(last, 0.05).to_csv(path, index=False)
        compared = compare({"mine": entry}, {"m": {}}, {"d": {}}, [path])
        assert compared["verdict"].tolist() == [verdict]
        assert compared["paper"].tolist() == ["wei2024"]
        assert compared["published"].isna().all()
    assert set(CLAIMED) == set(claims.CLAIMS)
