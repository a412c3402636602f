"""Draw sentences as points of a map."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from matrix_entropy.base.files import write_csv
from matrix_entropy.figures.kinds.sentence_figure import draw_sentence_map, map_captions
from matrix_entropy.figures.kinds.sentence_map import map_distances, map_numbers, pair_table
from matrix_entropy.figures.style import save_figure
from matrix_entropy.results.sentences_file import Sentences
from matrix_entropy.running.console import job

with job(snakemake.log[0]):
    figure = snakemake.params.figure
    sentences = Sentences.load(snakemake.input.sentences).with_groups(snakemake.params.groups)
    distances = map_distances(sentences, figure)
    numbers = map_numbers(sentences, distances, figure)
    title = figure.get("title", figure["name"])
    captions = map_captions(title, sentences, figure, snakemake.params.model)
    write_csv(snakemake.output[3], pair_table(sentences, distances, figure))
    save_figure(draw_sentence_map(numbers, *captions), numbers, snakemake.output[:3])
