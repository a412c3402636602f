"""Draw a control of Liang's figures."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from matrix_entropy.base.files import write_csv
from matrix_entropy.figures.kinds.first_token import (
    draw_first_token,
    first_token_captions,
    first_token_gaps,
    first_token_numbers,
)
from matrix_entropy.figures.kinds.length_control import (
    draw_length_control,
    length_control_captions,
    length_control_gaps,
    length_control_numbers,
)
from matrix_entropy.figures.kinds.run_curves import run_curves
from matrix_entropy.figures.kinds.untrained_blocks import (
    draw_untrained_blocks,
    untrained_block_captions,
    untrained_block_numbers,
)
from matrix_entropy.figures.style import save_figure
from matrix_entropy.figures.text import left_out_in_front
from matrix_entropy.results.metrics import read_provenance
from matrix_entropy.results.model_values import fresh_starts
from matrix_entropy.running.console import job

with job(snakemake.log[0]):
    figure, models, datasets = (snakemake.params[key] for key in ("figure", "models", "datasets"))
    runs, kind = (snakemake.input.metrics, models, datasets), figure["kind"]
    title = figure.get("title", figure["name"])
    provenances = [read_provenance(path) for path in runs[0]]
    if kind == "length_control":
        numbers = length_control_numbers(*runs)
        gaps = length_control_gaps(numbers)
        captions, draw = length_control_captions(title, *runs), draw_length_control
    elif kind == "first_token":
        numbers = first_token_numbers(run_curves(*runs))
        gaps = first_token_gaps(numbers)
        captions, draw = first_token_captions(title, numbers), draw_first_token
    else:
        numbers, gaps = untrained_block_numbers(run_curves(*runs), models)
        starts = fresh_starts((found["model"] for found in provenances), models)
        captions = untrained_block_captions(title, numbers, starts)
        draw = draw_untrained_blocks
    heading, words = captions
    drawn = draw(numbers, gaps, heading, "; ".join([words, *left_out_in_front(*provenances)]))
    write_csv(snakemake.output[3], gaps)
    save_figure(drawn, numbers, snakemake.output[:3])
