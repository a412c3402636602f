"""Section 3 of Tan et al. 2024 on small tables of texts and skills: what holds and what does not.

A table has the chance of each text given each skill, a column per skill; entropies are in nats
unless said.
"""

from __future__ import annotations

import heapq

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from matrix_entropy.base.shipped import published
from matrix_entropy.maths.skills import skill_probabilities

Float64 = NDArray[np.float64]


def entropy(chances: Float64) -> float:
    positive = chances[chances > 0]
    return float(-(positive * np.log(positive)).sum())


def conditional(given: Float64, skills: Float64) -> float:
    """H(X|Y), definition 2.2."""
    return float(skills @ [entropy(column) for column in given.T])


def divergence(p: Float64, q: Float64) -> float:
    """KL(P‖Q), definition 2.3."""
    kept = p > 0
    return float((p[kept] * np.log(p[kept] / q[kept])).sum())


def drawn(texts: int, skills: int, seed: int = 0) -> Float64:
    return np.random.default_rng(seed).dirichlet(np.ones(texts), skills).T


# Codes: definitions 3.2 and 3.3


def shortest_code(chances: Float64) -> list[int]:
    """Lengths of the codewords of Huffman's code, which no instantaneous code is shorter than."""
    lengths = [0] * len(chances)
    heap = [(chance, [text]) for text, chance in enumerate(chances)]
    heapq.heapify(heap)
    while len(heap) > 1:
        (first, left), (second, right) = heapq.heappop(heap), heapq.heappop(heap)
        for text in left + right:
            lengths[text] += 1
        heapq.heappush(heap, (first + second, left + right))
    return lengths


@pytest.mark.parametrize("chances", [[1 / 2, 1 / 4, 1 / 8, 1 / 8], [1 / 4] * 4, [0.5, 0.3, 0.2]])
def test_no_code_is_shorter_than_the_entropy_and_dyadic_ones_equal_it(chances: list[float]) -> None:
    """“Greater than H” fails for powers of one half, where the two are equal."""
    p = np.array(chances)
    lengths = np.array(shortest_code(p))
    assert (2.0**-lengths).sum() == pytest.approx(1)  # Kraft: there is such a code, and it is full
    expected, bits = p @ lengths, entropy(p) / np.log(2)
    dyadic = np.all(np.log2(p) == np.round(np.log2(p)))
    if dyadic:
        assert expected == pytest.approx(bits, abs=1e-12)
    else:
        assert bits + 0.01 < expected < bits + 1
    if len(p) == 4 and p[0] == 0.5:
        assert expected == 1.75


def test_no_code_of_random_texts_is_shorter_than_the_entropy() -> None:
    for seed in range(20):
        p = drawn(9, 1, seed)[:, 0]
        bits = entropy(p) / np.log(2)
        assert bits < p @ shortest_code(p) < bits + 1
        # Of several texts together, independent ones, the mean length per text is not shorter.
        pairs = np.outer(p, p).ravel()
        assert bits < pairs @ shortest_code(pairs) / 2 < bits + 0.5


# The remark on definition 3.4


def test_the_capacity_rises_and_stays_below_one_nat() -> None:
    bandwidth = np.geomspace(1e-3, 1e3, 200)
    capacity = bandwidth * np.log1p(1 / bandwidth)
    assert (np.diff(capacity) > 0).all()
    assert capacity[-1] == pytest.approx(0.9995, abs=5e-5)
    assert capacity.max() < 1


# Prompts: definition 3.9 to theorem 3.11


def test_a_perfect_prompt_keeps_conditional_entropies() -> None:
    """Two skills may have one prompt, if the texts have the same chances for both."""
    given = drawn(6, 4)
    given[:, 1] = given[:, 0]
    skills = np.array([0.4, 0.3, 0.2, 0.1])
    prompts = np.array([0, 0, 1, 2])
    chances = np.bincount(prompts, skills)
    behind = np.column_stack(
        [given[:, prompts == one] @ skills[prompts == one] / chances[one] for one in range(3)]
    )
    for skill, prompt in enumerate(prompts):  # the definition, and lemma 3.10
        np.testing.assert_allclose(behind[:, prompt], given[:, skill], rtol=1e-12)
        assert entropy(behind[:, prompt]) == pytest.approx(entropy(given[:, skill]))
    assert conditional(behind, chances) == pytest.approx(conditional(given, skills))  # 3.11


def test_a_prompt_that_is_not_perfect_does_not() -> None:
    given, skills = drawn(6, 2), np.array([0.5, 0.5])
    assert entropy(given @ skills) > conditional(given, skills) + 0.1


# Contexts: definition 3.12 to theorem 3.15


def sharpened(chances: Float64, power: float) -> Float64:
    """More focused for a power above one, less for one below."""
    return chances**power / (chances**power).sum(axis=0)


@pytest.mark.parametrize(
    ("power", "of", "sign"),
    [
        (2.0, [1, 3], -1),  # good for two skills
        (0.5, [2], 1),  # bad for one
        (2.0, [], 0),  # irrelevant to all, which the theorem's condition allows
        (0.5, [], 0),
        (2.0, [4], 0),  # good for a skill that never occurs
    ],
)
def test_a_context_changes_the_entropy_by_its_good_or_bad_skills_only(
    power: float, of: list[int], sign: int
) -> None:
    given, skills = drawn(8, 5), np.array([0.4, 0.3, 0.2, 0.1, 0.0])
    behind = given.copy()
    behind[:, of] = sharpened(given[:, of], power)
    for skill in set(range(5)) - set(of):  # lemma 3.14
        assert entropy(behind[:, skill]) == entropy(given[:, skill])
    change = conditional(behind, skills) - conditional(given, skills)
    if sign == 0:
        assert change == 0
    else:
        assert sign * change > 0.01


# Entropy and divergence: assumption 3.16 to section 3.1


@pytest.mark.parametrize("seed", range(5))
def test_lemma_3_17(seed: int) -> None:
    given, skills = drawn(7, 4, seed), drawn(4, 1, seed + 100)[:, 0]
    whole = given @ skills
    mean = skills @ [divergence(column, whole) for column in given.T]
    assert entropy(whole) - conditional(given, skills) == pytest.approx(mean, rel=1e-12)


def test_divergences_of_3_1_move_what_theorem_3_18_calls_constant() -> None:
    """``Σ p KL`` with ``KL = A D p`` is in proportion to D; a constant KL leaves it as it is."""
    skills = skill_probabilities(1.0, 1000)
    assumed = np.full(1000, 0.3)
    differences = {
        "3.16": [skills @ assumed for _ in (1e3, 1e4)],
        "3.1": [skills @ (1e-5 * data * skills) for data in (1e3, 1e4)],
    }
    assert differences["3.16"][1] == differences["3.16"][0]
    assert differences["3.1"][1] == pytest.approx(10 * differences["3.1"][0])


# What is printed


def test_as_many_commas_as_full_stops_before_the_question_mark() -> None:
    picks = pd.read_csv(published("tan2024", "tokens"), keep_default_na=False)
    commas = picks[picks["picks"] == ","].groupby("target").size().to_dict()
    assert commas == {"?": 3, "No": 1, "China": 1}
    (sentence,) = picks["sentence"].unique()
    before, _, _ = sentence.rpartition("?")
    assert before.count(".") == 3
    assert "," not in sentence
