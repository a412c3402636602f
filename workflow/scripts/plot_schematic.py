"""Draw where the entropies of vision-language models are measured."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from matrix_entropy.figures.kinds.schematic import (
    draw_schematic,
    schematic_captions,
    schematic_numbers,
)
from matrix_entropy.figures.style import save_figure
from matrix_entropy.running.console import job

with job(snakemake.log[0]):
    figure, models = snakemake.params.figure, snakemake.params.models
    numbers = schematic_numbers(models)
    drawn = draw_schematic(numbers, *schematic_captions(figure, models))
    save_figure(drawn, numbers, snakemake.output)
