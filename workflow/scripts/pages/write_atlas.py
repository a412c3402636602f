"""Write the atlas: the metrics of all runs in one page to look around in."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from matrix_entropy.pages.atlas import write_atlas
from matrix_entropy.running.console import job

with job(snakemake.log[0]):
    write_atlas(
        snakemake.output[0],
        snakemake.input.metrics,
        snakemake.input.summaries,
        snakemake.params.models,
        snakemake.params.datasets,
        snakemake.input.texts,
    )
