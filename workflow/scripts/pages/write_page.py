"""Write a page as HTML."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from matrix_entropy.pages.writing import write_page
from matrix_entropy.running.console import job

with job(snakemake.log[0]):
    write_page(snakemake.input.source, snakemake.output[0], snakemake.params.pages)
