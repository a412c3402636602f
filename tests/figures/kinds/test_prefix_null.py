"""Random states of prefixes: what distances show of any causal model."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from made_sentences import WIDTH, WORDS, made_sentences
from matrix_entropy.base.errors import InputError
from matrix_entropy.figures.kinds.prefix_null import prefix_null
from matrix_entropy.figures.kinds.sentence_map import (
    agreement_by_chance,
    agreements,
    sentence_distances,
    silhouettes,
)
from matrix_entropy.results.sentences_file import Sentences

EQUALLY_LONG = {"a king": "He is the king of", "a queen": "She is the queen of"}


def separation(sentences: Sentences, measure: str) -> tuple[float, float]:
    """Mean silhouette by context, and how often the nearest sentence has the same."""
    between = sentence_distances(sentences, "final", measure)
    groups = sentences.groups
    return float(silhouettes(between, groups).mean()), float(agreements(between, groups).mean())


def test_a_prefix_has_one_state_in_a_draw() -> None:
    """Written out: rows are equal if and only if all tokens up to them are."""
    sentences = made_sentences(words=["Cuba.", "Spain."])
    drawn, _ = prefix_null(sentences, "final", draws=2)
    assert drawn.layers == ("final",)
    assert drawn.states.shape == (1, len(sentences.tokens), WIDTH)
    rows = {}
    for number in range(6):
        for row, state in enumerate(drawn.rows(number, "final")):
            prefix = " ".join(sentences.words(number)[: row + 1])
            assert rows.setdefault(prefix, state.tobytes()) == state.tobytes(), prefix
    assert len(rows) == 3 * 2 * 2 + 2 * 5, "word and full stop each time, contexts once"
    assert len(set(rows.values())) == len(rows)


def test_draws_differ_and_are_the_same_every_time() -> None:
    sentences = made_sentences(words=WORDS[:3])
    first, again = (prefix_null(sentences, "final", seed=4, draws=2) for _ in range(2))
    assert [one.states.tobytes() for one in first] == [one.states.tobytes() for one in again]
    other = prefix_null(sentences, "final", seed=5, draws=2)
    assert len({one.states.tobytes() for one in (*first, *other)}) == 4


def test_states_are_normal_and_as_large_as_those_of_the_layer() -> None:
    sentences = made_sentences()
    large = replace(sentences, states=1000 * sentences.states)
    drawn = np.concatenate([one.states[0] for one in prefix_null(large, "final", draws=40)])
    size = np.sqrt((large.states[1].astype(float) ** 2).mean())
    np.testing.assert_allclose(drawn.mean(axis=0), 0, atol=0.15 * size)
    # Rows of a context count as often as they occur, so fewer vectors than rows are independent.
    np.testing.assert_allclose(np.cov(drawn.T), size**2 * np.eye(WIDTH), atol=0.2 * size**2)


@pytest.mark.parametrize("measure", ["token_mean", "log_det_js", "frobenius"])
def test_it_is_what_states_of_prefixes_alone_give(measure: str) -> None:
    """Of such states, made here in another way, measured values and null agree."""
    sentences = made_sentences(words=WORDS[:5])
    random = Random(7)
    measured = []
    for _ in range(30):
        vectors: dict[str, list[float]] = {}
        rows = []
        for number in range(15):
            said = ""
            for word in sentences.words(number):
                said += f" {word}"
                rows.append(vectors.setdefault(said, [random.gauss() for _ in range(WIDTH)]))
        states = np.array([rows, rows], dtype=np.float32)
        measured.append(separation(replace(sentences, states=states), measure))
    null = [separation(one, measure) for one in prefix_null(sentences, "final", draws=30)]
    error = np.sqrt((np.var(measured, axis=0) + np.var(null, axis=0)) / 30)
    difference = np.abs(np.mean(measured, axis=0) - np.mean(null, axis=0))
    assert (difference <= 4 * error + 1e-9).all()
    _, same_context = np.mean(null, axis=0)
    assert same_context > 2 * agreement_by_chance(sentences.groups), "and not what chance gives"


@pytest.mark.parametrize("measure", ["token_mean", "frobenius"])
def test_sentences_without_a_common_beginning_agree_by_chance(measure: str) -> None:
    sentences = made_sentences(words=WORDS[:6], contexts=EQUALLY_LONG)
    lengths = np.diff(sentences.offsets)
    own = np.repeat(np.arange(len(lengths)), lengths).astype(str)
    apart = replace(sentences, tokens=np.char.add(own, sentences.tokens))
    found = np.mean([separation(one, measure) for one in prefix_null(apart, "final", draws=60)], 0)
    assert found[0] == pytest.approx(0, abs=0.02)
    assert found[1] == pytest.approx(agreement_by_chance(sentences.groups), abs=0.07)
    shared = np.mean([separation(one, measure) for one in prefix_null(sentences, "final")], 0)
    assert shared[1] > 0.9, "those of one context are near"


def test_last_tokens_agree_by_chance() -> None:
    """No two sentences are equal, so their last tokens have independent states."""
    sentences = made_sentences(shift=6)
    null = [separation(one, "last_token") for one in prefix_null(sentences, "final", draws=30)]
    silhouette, same_context = np.mean(null, axis=0)
    assert silhouette == pytest.approx(0, abs=0.02)
    assert same_context == pytest.approx(14 / 44, abs=0.06)
    assert separation(sentences, "last_token")[1] == 1, "unlike the states themselves"


def test_a_layer_that_was_not_kept_is_named() -> None:
    with pytest.raises(InputError, match="layer 7 of model 'pythia_1_4b' was not kept"):
        prefix_null(made_sentences(), 7)
