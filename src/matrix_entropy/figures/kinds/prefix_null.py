"""Random states that know of a sentence only which tokens came before: a null for its distances."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from matrix_entropy.results.sentences_file import Sentences

SEED, DRAWS = 1, 5


def prefix_null(
    sentences: Sentences, layer: int | str, seed: int = SEED, draws: int = DRAWS
) -> list[Sentences]:
    """The sentences with random states at one layer, which depend on nothing but prefixes.

    In a causal model the state of a token depends on the tokens up to it alone. So the tokens of a
    context are the very same rows in every sentence that begins with it, and means and covariances
    of these sentences are alike whatever the model knows. Here every different prefix (the texts
    of all tokens up to a row) has one vector of independent normal numbers, the same wherever it
    stands in a draw; what distances between such states show, they show of any causal model.

    The vectors have the root mean square of the layer's states, so that γ and a ridge mean the same
    to both if rows are not scaled to unit norm; otherwise the scale does not matter.

    Parameters
    ----------
    seed, draws : int
        So many draws from one generator; the same seed gives the same states.

    Raises
    ------
    InputError
        If the layer was not kept.
    """
    rows = [sentences.rows(number, layer) for number in range(len(sentences.ids))]
    states = np.concatenate(rows)
    size = np.sqrt(np.mean(states.astype(np.float64) ** 2))
    prefixes = _prefixes(sentences)
    random = np.random.default_rng(seed)
    drawn = (
        size * random.standard_normal((prefixes.max() + 1, states.shape[1])) for _ in range(draws)
    )
    return [
        replace(sentences, layers=(str(layer),), states=vectors[None, prefixes].astype(np.float32))
        for vectors in drawn
    ]


def _prefixes(sentences: Sentences) -> NDArray[np.int64]:
    """The number (R,) of every row's prefix, in the order of their first appearance."""
    seen: dict[tuple[str, ...], int] = {}
    return np.array(
        [
            seen.setdefault(tuple(words[: row + 1]), len(seen))
            for words in map(sentences.words, range(len(sentences.ids)))
            for row in range(len(words))
        ]
    )
