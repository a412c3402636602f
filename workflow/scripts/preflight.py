"""See whether a run would find all that the targets need."""

from matrix_entropy import start  # noqa: F401  # isort: skip

from pathlib import Path

from matrix_entropy.console import job
from matrix_entropy.preflight import preflight

with job(snakemake.log[0]):
    preflight(snakemake.config, Path(snakemake.params.table), snakemake.params.jobs_run_here)
