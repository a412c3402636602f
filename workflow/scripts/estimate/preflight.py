"""See whether a run would find all that the targets need."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from pathlib import Path

from matrix_entropy.estimate.preflight import preflight
from matrix_entropy.running.console import job

with job(snakemake.log[0]):
    preflight(snakemake.config, Path(snakemake.params.table), snakemake.params.jobs_run_here)
