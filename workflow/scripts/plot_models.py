"""Draw a figure that compares models."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from matrix_entropy.base.files import write_csv
from matrix_entropy.figures.kinds.context_length import draw_lengths, length_numbers
from matrix_entropy.figures.kinds.normalisations import draw_normalisations, normalisations_numbers
from matrix_entropy.figures.kinds.operations import draw_operations, operations_numbers
from matrix_entropy.figures.kinds.scaling_figure import draw_scaling, scaling_fits, scaling_numbers
from matrix_entropy.figures.kinds.start_of_weights import draw_starts, start_numbers, start_words
from matrix_entropy.figures.kinds.untrained import draw_untrained, untrained_numbers
from matrix_entropy.figures.style import save_figure
from matrix_entropy.figures.text import drawn_with, left_out_in_front, model_captions
from matrix_entropy.published.curves import published_sizes
from matrix_entropy.results.metrics import read_provenance
from matrix_entropy.results.model_values import (
    FINAL,
    cut_values,
    fresh_starts,
    model_values,
    paired_differences,
    with_originals,
)
from matrix_entropy.running.console import job

KINDS = {
    "scaling": (scaling_numbers, draw_scaling),
    "normalisations": (normalisations_numbers, draw_normalisations),
    "context_length": (length_numbers, draw_lengths),
    "operations": (operations_numbers, draw_operations),
    "untrained": (untrained_numbers, draw_untrained),
    "start_of_weights": (start_numbers, draw_starts),
}

with job(snakemake.log[0]):
    figure, models, datasets = (snakemake.params[key] for key in ("figure", "models", "datasets"))
    metrics, kind = snakemake.input.metrics, figure["kind"]
    view = None if kind == "context_length" else "all_rows"
    layer = None if kind == "start_of_weights" else FINAL
    values = model_values(metrics, snakemake.input.summaries, models, datasets, view, layer)
    if kind == "scaling":
        values["shown"] = ~values["model"].isin(figure.get("leave_out", []))
    elif kind == "context_length":
        values = cut_values(values)
    elif kind == "operations":
        base = values.loc[values["order"].idxmin(), "variant"]
        values = values.merge(paired_differences(metrics, base), on=["model", "variant"])
    elif kind in ("untrained", "start_of_weights"):
        values = with_originals(values, models)
        values = values[values["dataset"] == figure.get("group", figure["dataset"])]
    heading, words = model_captions(figure.get("title", figure["name"]), values)
    numbers_of, draw = KINDS[kind]
    numbers = numbers_of(values)
    provenances = [read_provenance(path) for path in metrics]
    words = "; ".join([words, *left_out_in_front(*provenances)])
    if kind == "untrained":
        starts = fresh_starts((found["model"] for found in provenances), models)
        words = f"{words}; fresh weights are {drawn_with(starts)}"
    elif kind == "start_of_weights":
        words = f"{words}; {start_words(numbers)}"
    paths, extra, behind = snakemake.output[:3], [], {}
    if kind == "scaling":
        extra = [scaling_fits(numbers)]
        write_csv(snakemake.output[3], extra[0])
        if figure["overlay"]:
            names = dict(zip(values["dataset"], values["published_dataset"], strict=True))
            behind = {"published": published_sizes(numbers, names)}
    save_figure(draw(numbers, *extra, heading, words, **behind), numbers, paths)
