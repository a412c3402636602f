"""Made-up sentences as a model might see them: contexts, words, and how far each moves a state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from matrix_entropy.results.sentences_file import Sentences

WORDS = [
    *("Australia.", "Austria.", "Brazil.", "Cuba.", "Denmark.", "Egypt.", "France.", "Germany."),
    *("Hungary.", "Iceland.", "India.", "Japan.", "Norway.", "Poland.", "Spain."),
]
CONTEXTS = {
    "nothing": "",
    "a king": "He is the king of",
    "a queen": "She is the queen of",
}
WIDTH = 24


def made_sentences(
    shift: float = 4.0,
    noise: float = 0.3,
    words: Sequence[str] = WORDS,
    contexts: dict[str, str] = CONTEXTS,
    stand_in: bool = True,
) -> Sentences:
    """States of every token: the context's direction by ``shift``, the word's by one, and noise.

    Layer 0 has the same state everywhere, layer ``final`` those that were described.
    """
    random = np.random.default_rng(0)
    word_states = random.normal(size=(len(words), WIDTH)) / np.sqrt(WIDTH)
    rows: list[Any] = []
    tokens: list[str] = []
    spans: list[tuple[int, int]] = []
    texts, groups, labels, offsets = [], [], [], [0]
    for number, (group, front) in enumerate(contexts.items()):
        for word, word_state in zip(words, word_states, strict=True):
            said = [*front.split(), word.rstrip("."), "."]
            state = word_state + shift * np.eye(WIDTH)[number]
            rows.extend(state + noise * random.normal(size=(len(said), WIDTH)) / np.sqrt(WIDTH))
            tokens += said
            texts.append(f"{front} {word}".strip())
            end = 0
            for token in said:
                start = max(texts[-1].find(token, end), end)
                end = min(start + len(token), len(texts[-1]))
                spans.append((start, end))
            groups.append(group)
            labels.append(word)
            offsets.append(len(tokens))
    final = np.array(rows, dtype=np.float32)
    record: dict[str, Any] = {"model": "pythia_1_4b", "stand_in": True, "parameters": 1_234_567}
    if not stand_in:
        record = {
            "model": "pythia_1_4b",
            "stand_in": False,
            "id": "EleutherAI/pythia-1.4b",
            "commit": "fedc38a16eea3bd36a96b906d78d11d2ce18ed79",
        }
    return Sentences(
        ids=np.arange(len(texts)).astype(str),
        groups=np.array(groups),
        labels=np.array(labels),
        texts=np.array(texts),
        offsets=np.array(offsets),
        tokens=np.array(tokens),
        spans=np.array(spans),
        layers=("0", "final"),
        states=np.array([np.ones_like(final), final]),
        attention=np.zeros((1, int((np.diff(offsets) ** 2).sum())), dtype=np.float32),
        provenance={"model": record, "options": {"bos": False}},
    )


def map_entry(*measures: str, **changes: Any) -> dict[str, Any]:
    """A figure's entry of the configuration, defaults filled in."""
    return {
        "dataset": "kings_and_queens",
        "measures": list(measures),
        "layer": "final",
        "gamma": 100,
        "ridge": 1e-3,
        "unit_rows": True,
        "umap": {"neighbours": 15, "min_dist": 0.1, "seed": 1},
        **changes,
    }
