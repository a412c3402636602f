"""Distances between sentences, and how well contexts and words separate in them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from made_sentences import WIDTH, WORDS, made_sentences, map_entry
from matrix_entropy.base.errors import InputError
from matrix_entropy.figures.kinds import sentence_map
from matrix_entropy.figures.kinds.prefix_null import prefix_null
from matrix_entropy.figures.kinds.sentence_map import (
    agreement_by_chance,
    agreements,
    map_distances,
    map_numbers,
    pair_table,
    sentence_distances,
    silhouettes,
)
from matrix_entropy.maths.embeddings import principal_coordinates

MEASURES = [
    *("last_token", "token_mean"),
    *("log_det_js", "log_det", "riemannian", "log_euclidean", "frobenius"),
]


@pytest.fixture
def _no_umap(monkeypatch: pytest.MonkeyPatch) -> None:
    """UMAP compiles for ten seconds; here it is the first two columns of the distances."""

    def columns(distances: NDArray[np.float64], **settings: Any) -> NDArray[np.float64]:
        assert settings == {"neighbours": 15, "min_dist": 0.1, "seed": 1}
        return distances[:, :2]

    monkeypatch.setattr(sentence_map, "umap_coordinates", columns)


def test_euclidean_measures_are_of_states_as_they_are() -> None:
    sentences = made_sentences()
    one, other = (sentences.rows(number, "final") for number in (3, 30))
    last = sentence_distances(sentences, "final", "last_token")
    mean = sentence_distances(sentences, "final", "token_mean")
    assert last.shape == mean.shape == (45, 45)
    assert last[3, 30] == pytest.approx(np.linalg.norm(one[-1] - other[-1]))
    assert mean[30, 3] == pytest.approx(np.linalg.norm(one.mean(axis=0) - other.mean(axis=0)))


@pytest.mark.parametrize("unit_rows", [True, False])
def test_covariances_are_of_all_tokens(unit_rows: bool) -> None:
    sentences = made_sentences()
    covariances = []
    for number in (3, 30):
        rows = sentences.rows(number, "final").astype(float)
        if unit_rows:
            rows = rows / np.linalg.norm(rows, axis=1)[:, None]
        covariances.append(rows.T @ rows / len(rows))
    a, b = covariances
    found = sentence_distances(sentences, "final", "frobenius", unit_rows=unit_rows)
    assert found[3, 30] == pytest.approx(np.linalg.norm(a - b))
    identity = np.eye(WIDTH)

    def spread(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
        def log_det(matrix: NDArray[np.float64]) -> float:
            return np.linalg.slogdet(matrix)[1]

        return (log_det((first + second) / 2) - (log_det(first) + log_det(second)) / 2) ** 0.5

    js = sentence_distances(sentences, "final", "log_det_js", gamma=7, unit_rows=unit_rows)
    assert js[3, 30] == pytest.approx(spread(identity + 7 * a, identity + 7 * b))
    log_det = sentence_distances(sentences, "final", "log_det", ridge=0.3, unit_rows=unit_rows)
    assert log_det[3, 30] == pytest.approx(spread(a + 0.3 * identity, b + 0.3 * identity))


def test_every_measure_separates_contexts_that_are_far_apart() -> None:
    sentences = made_sentences(shift=6)
    for measure, between in map_distances(sentences, map_entry(*MEASURES)).items():
        assert silhouettes(between, sentences.groups).mean() > 0.3, measure
        np.testing.assert_array_equal(agreements(between, sentences.groups), 1, measure)


def test_contexts_that_are_none_do_not_separate() -> None:
    sentences = made_sentences(shift=0, noise=0)
    for between in map_distances(sentences, map_entry("last_token", "token_mean")).values():
        assert silhouettes(between, sentences.groups).mean() < 0.05
        np.testing.assert_allclose(agreements(between, sentences.labels), 1)
    noisy = made_sentences(shift=0, noise=20)
    between = sentence_distances(noisy, "final", "last_token")
    assert abs(silhouettes(between, noisy.groups).mean()) < 0.05
    assert agreements(between, noisy.groups).mean() == pytest.approx(14 / 44, abs=0.2)
    assert agreements(between, noisy.labels).mean() == pytest.approx(2 / 44, abs=0.1)


def test_silhouettes_by_hand() -> None:
    """Points 0, 1 and 10 of a line: (10 − 1) / 10, (9 − 1) / 9, and one alone in its group."""
    between = np.abs(np.subtract.outer([0.0, 1, 10], [0.0, 1, 10]))
    np.testing.assert_allclose(silhouettes(between, ["near", "near", "far"]), [0.9, 8 / 9, 0])
    assert np.isnan(silhouettes(between, ["near", "near", "near"])).all()
    assert np.isnan(silhouettes(between, ["a", "b", "c"])).all()


def test_equally_near_sentences_share_the_agreement() -> None:
    between = np.abs(np.subtract.outer([0.0, 1, 2, 5], [0.0, 1, 2, 5]))
    np.testing.assert_array_equal(agreements(between, ["a", "a", "b", "b"]), [1, 0.5, 0, 1])


def test_chance_is_what_random_distances_give() -> None:
    names = np.repeat(["a", "b", "c"], [10, 4, 1])
    random = np.random.default_rng(0)
    found = [agreements(random.random((15, 15)), names).mean() for _ in range(2000)]
    assert agreement_by_chance(names) == pytest.approx(np.mean(found), abs=0.01)
    assert agreement_by_chance(["a", "b", "c"]) == 0


@pytest.mark.usefixtures("_no_umap")
def test_there_is_a_row_for_every_sentence_measure_and_method() -> None:
    sentences, entry = made_sentences(), map_entry("token_mean", "frobenius")
    distances = map_distances(sentences, entry)
    numbers = map_numbers(sentences, distances, entry)
    assert list(numbers.columns[:2]) == ["measure", "method"]
    assert len(numbers) == 2 * 2 * 45
    for measure, between in distances.items():
        of_measure = numbers[numbers["measure"] == measure].set_index("method")
        umap, principal = (of_measure.loc[name] for name in ("umap", "principal_coordinates"))
        np.testing.assert_array_equal(umap[["x", "y"]], between[:, :2])
        assert umap[["share_x", "share_y", "share_negative"]].isna().all(axis=None)
        found = principal_coordinates(between)
        np.testing.assert_array_equal(principal[["x", "y"]], found.coordinates)
        assert (principal["share_x"] == found.shares[0]).all()
        assert (principal["share_y"] == found.shares[1]).all()
        assert (principal["share_negative"] == found.negative).all()
        for part in (umap, principal):
            np.testing.assert_array_equal(
                part["silhouette"], silhouettes(between, sentences.groups)
            )
            np.testing.assert_array_equal(part["same_label"], agreements(between, sentences.labels))
    row = numbers.iloc[16]
    assert (row["context"], row["label"], row["tokens"]) == ("a king", "Austria.", 7)
    assert row["text"] == "He is the king of Austria."


def test_every_pair_is_listed_once() -> None:
    sentences = made_sentences(words=WORDS[:2])
    distances = map_distances(sentences, map_entry("last_token", "frobenius"))
    pairs = pair_table(sentences, distances, map_entry())
    assert len(pairs) == 2 * 15
    chosen = (pairs["first"] == "Austria.") & (pairs["second"] == "She is the queen of Australia.")
    expected = [distances["last_token"][1, 4], distances["frobenius"][1, 4]]
    np.testing.assert_array_equal(pairs.loc[chosen, "distance"], expected)
    assert pairs["measure"].unique().tolist() == ["last_token", "frobenius"]


@pytest.mark.usefixtures("_no_umap")
@pytest.mark.parametrize("unit_rows", [True, False])
def test_the_null_is_a_mean_over_draws(unit_rows: bool) -> None:
    sentences = made_sentences(words=WORDS[:4])
    entry = map_entry("token_mean", "log_det_js", gamma=3, unit_rows=unit_rows)
    numbers = map_numbers(sentences, map_distances(sentences, entry), entry)
    for measure in entry["measures"]:
        drawn = [
            sentence_distances(null, "final", measure, gamma=3, unit_rows=unit_rows)
            for null in prefix_null(sentences, "final")
        ]
        assert len(drawn) > 1
        part = numbers[(numbers["measure"] == measure) & (numbers["method"] == "umap")]
        for name, found in {
            "silhouette": [silhouettes(between, sentences.groups) for between in drawn],
            "same_context": [agreements(between, sentences.groups) for between in drawn],
            "same_label": [agreements(between, sentences.labels) for between in drawn],
        }.items():
            np.testing.assert_allclose(part[f"null_{name}"], np.mean(found, axis=0), atol=1e-12)


@pytest.mark.usefixtures("_no_umap")
def test_numbers_say_where_they_come_from() -> None:
    sentences = made_sentences(words=WORDS[:3])
    entry = map_entry("last_token", "log_det_js", "log_det", "frobenius", gamma=7, unit_rows=False)
    distances = map_distances(sentences, entry)
    numbers, pairs = (table(sentences, distances, entry) for table in (map_numbers, pair_table))
    for table in (numbers, pairs):
        assert set(table["model"]) == {"pythia_1_4b"}
        assert set(table["stand_in"]) == {True}
        assert set(table["dataset"]) == {"kings_and_queens"}
        assert set(table["layer"]) == {"final"}
        first = table.drop_duplicates("measure").set_index("measure")
        assert first["gamma"].dropna().to_dict() == {"log_det_js": 7}
        assert first["ridge"].dropna().to_dict() == {"log_det": 1e-3}
        covariances = dict.fromkeys(("log_det_js", "log_det", "frobenius"), False)
        assert first["unit_rows"].dropna().to_dict() == covariances
    first = numbers.drop_duplicates("method").set_index("method")[
        ["neighbours", "min_dist", "seed"]
    ]
    assert first.loc["umap"].tolist() == [15, 0.1, 1]
    assert first.loc["principal_coordinates"].isna().all()


def test_two_sentences_are_too_few() -> None:
    sentences = made_sentences(words=WORDS[:2], contexts={"nothing": ""})
    with pytest.raises(InputError, match=r"'kings_and_queens' has 2 sentences, .* at least 3"):
        map_distances(sentences, map_entry("last_token"))


def test_a_measure_without_any_difference_is_named() -> None:
    with pytest.raises(InputError, match=r"'token_mean' finds no difference .* at layer 0; choose"):
        map_distances(made_sentences(), map_entry("token_mean", layer=0))


def test_a_layer_that_was_not_kept_is_named() -> None:
    with pytest.raises(InputError, match="layer 7 of model 'pythia_1_4b' was not kept"):
        map_distances(made_sentences(), map_entry("last_token", layer=7))


def test_an_error_names_the_sentence() -> None:
    with pytest.raises(InputError, match=r"covariance of sentence 'Australia\.' \(2 tokens"):
        map_distances(made_sentences(), map_entry("riemannian", ridge=0))


@pytest.mark.usefixtures("_no_umap")
def test_one_token_is_enough() -> None:
    pairs = made_sentences(words=WORDS[:3], contexts={"nothing": ""})
    sentences = replace(pairs, offsets=np.arange(4), states=pairs.states[:, ::2])
    entry = map_entry(*MEASURES)
    numbers = map_numbers(sentences, map_distances(sentences, entry), entry)
    assert np.isfinite(numbers[["x", "y"]]).all(axis=None)
    assert numbers["silhouette"].isna().all(), "there is one context only"
