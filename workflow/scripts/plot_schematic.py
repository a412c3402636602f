"""Draw where the entropies of vision-language models are measured."""

from matrix_entropy import start  # noqa: F401  # isort: skip

from matrix_entropy.console import job
from matrix_entropy.figure_style import save_figure
from matrix_entropy.schematic_figure import draw_schematic, schematic_captions, schematic_numbers

with job(snakemake.log[0]):
    figure, models = snakemake.params.figure, snakemake.params.models
    numbers = schematic_numbers(models)
    drawn = draw_schematic(numbers, *schematic_captions(figure, models))
    save_figure(drawn, numbers, snakemake.output)
