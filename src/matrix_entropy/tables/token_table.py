"""Tokens that a model attends to and tokens that Lasso picks: Tan et al. 2024, section 4.2."""

from __future__ import annotations

from typing import Any

import pandas as pd

from matrix_entropy.figures.drawing import Drawing, Runs
from matrix_entropy.figures.kinds.token_figure import draw_token_weights, token_captions
from matrix_entropy.figures.kinds.token_selection import (
    PUBLISHED_COLUMN,
    published_picks,
    selection_table,
    token_weights,
)
from matrix_entropy.results.sentences_file import Sentences
from matrix_entropy.tables.making import Table

SETTINGS = ("layer", "attention_block", "alpha", "penalty", "threshold")
PUBLISHED = (
    "The paper's picks, by Pythia-1.4B, are in the order printed; its sentence, as printed, has no "
    "comma."
)


def make(entry: dict[str, Any], runs: Runs) -> Table:
    """The table of picked tokens, with the weights of all as a strip of heat beside it."""
    sentences = Sentences.load(runs.inputs["sentences"][0])
    settings = {key: entry[key] for key in SETTINGS}
    weights = pd.concat(
        [
            token_weights(sentences, number, entry["tokens"], **settings)
            for number in range(len(sentences.ids))
        ],
        ignore_index=True,
    )
    called = runs.models[entry["model"]].get("title", entry["model"])
    title, subtitle = token_captions(entry, called, sentences)
    selection = selection_table(weights, published_picks(sentences))
    shown = selection
    if sentences.provenance["model"]["stand_in"]:
        # Beside those of a stand-in they could be taken for a comparison; the CSV has them.
        shown = selection.drop(columns=PUBLISHED_COLUMN, errors="ignore")
    caption = f"{title}. {subtitle}" + (f" {PUBLISHED}" if PUBLISHED_COLUMN in shown else "")
    drawing = Drawing(draw_token_weights(weights, title, subtitle), weights)
    return Table(selection, caption, shown=shown, drawing=drawing)
