"""Fetch everything that the targets need from the hub."""

from matrix_entropy import start  # noqa: F401  # isort: skip

from matrix_entropy.console import job
from matrix_entropy.prefetch import prefetch

with job(snakemake.log[0]):
    prefetch(snakemake.config)
