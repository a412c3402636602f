"""Write gaps between groups of texts with their tests as a table, and draw them."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from matrix_entropy.base.files import write_csv
from matrix_entropy.figures.kinds.group_gaps import gap_caption, gap_rows, group_gaps
from matrix_entropy.figures.kinds.group_gaps_figure import draw_group_gaps, group_gap_captions
from matrix_entropy.figures.style import save_figure
from matrix_entropy.running.console import job
from matrix_entropy.tables.writing import write_text_table

with job(snakemake.log[0]):
    table, models, datasets = (snakemake.params[key] for key in ("table", "models", "datasets"))
    means, blocks = group_gaps(snakemake.input.metrics, models, datasets)
    title = table.get("title", table["name"])
    captions = group_gap_captions(title, means)
    write_csv(snakemake.output[0], means)
    write_text_table(gap_rows(means), snakemake.output[1:3], gap_caption(title, means))
    write_csv(snakemake.output[6], blocks)
    save_figure(draw_group_gaps(means, blocks, *captions), means, snakemake.output[3:6])
