"""Unpack an archive."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from pathlib import Path

from matrix_entropy.results.archive import unpack
from matrix_entropy.running.console import job

with job(snakemake.log[0]) as log:
    unpack(snakemake.input.archive, list(snakemake.output), Path())
    log.info("%d files from %s", len(snakemake.output), snakemake.input.archive)
