"""Write the tokens that attention and Lasso pick as a table, and draw their weights."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

import pandas as pd

from matrix_entropy.base.files import write_csv
from matrix_entropy.figures.kinds.token_figure import draw_token_weights, token_captions
from matrix_entropy.figures.kinds.token_selection import (
    PUBLISHED_COLUMN,
    published_picks,
    selection_table,
    token_weights,
)
from matrix_entropy.figures.style import save_figure
from matrix_entropy.results.sentences_file import Sentences
from matrix_entropy.running.console import job
from matrix_entropy.tables.writing import write_text_table

SETTINGS = ("layer", "attention_block", "alpha", "penalty", "threshold")
PUBLISHED = (
    "The paper's picks, by Pythia-1.4B, are in the order printed; its sentence, as printed, has no "
    "comma."
)

with job(snakemake.log[0]):
    table, models = snakemake.params.table, snakemake.params.models
    sentences = Sentences.load(snakemake.input.sentences)
    settings = {key: table[key] for key in SETTINGS}
    numbers = range(len(sentences.ids))
    weights = pd.concat(
        [token_weights(sentences, number, table["tokens"], **settings) for number in numbers],
        ignore_index=True,
    )
    model_title = models[table["model"]].get("title", table["model"])
    title, subtitle = token_captions(table, model_title, sentences)
    selection = selection_table(weights, published_picks(sentences))
    shown = selection
    if sentences.provenance["model"]["stand_in"]:
        # Beside those of a stand-in they could be taken for a comparison; the CSV has them.
        shown = selection.drop(columns=PUBLISHED_COLUMN, errors="ignore")
    caption = f"{title}. {subtitle}" + (f" {PUBLISHED}" if PUBLISHED_COLUMN in shown else "")
    write_csv(snakemake.output[0], selection)
    write_text_table(shown, snakemake.output[1:3], caption)
    save_figure(draw_token_weights(weights, title, subtitle), weights, snakemake.output[3:])
