"""Fetch everything that the targets need from the hub."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from matrix_entropy.estimate.prefetch import prefetch
from matrix_entropy.running.console import job

with job(snakemake.log[0]):
    prefetch(snakemake.config)
