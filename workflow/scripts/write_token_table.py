"""Write the tokens that attention and Lasso pick as a table, and draw their weights."""

import pandas as pd

from matrix_entropy.console import job
from matrix_entropy.figure_style import save_figure
from matrix_entropy.sentences_file import Sentences
from matrix_entropy.tables import write_text_table
from matrix_entropy.token_figure import draw_token_weights, token_captions
from matrix_entropy.token_selection import published_picks, selection_table, token_weights

SETTINGS = ("layer", "attention_block", "alpha", "penalty", "threshold")
PUBLISHED = "The paper's picks are in the order printed; its sentence, as printed, has no comma."

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
    published = published_picks(sentences)
    caption = f"{title}. {subtitle}" + (f" {PUBLISHED}" if len(published) else "")
    write_text_table(selection_table(weights, published), snakemake.output[:3], caption)
    save_figure(draw_token_weights(weights, title, subtitle), weights, snakemake.output[3:])
