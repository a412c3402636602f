"""Write a page as HTML."""

from matrix_entropy import start  # noqa: F401  # isort: skip

from matrix_entropy.console import job
from matrix_entropy.pages import write_page

with job(snakemake.log[0]):
    write_page(snakemake.input.source, snakemake.output[0], snakemake.params.pages)
