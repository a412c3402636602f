"""Run the notebook of a paper."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from matrix_entropy.pages.notebook_run import run_notebook
from matrix_entropy.running.console import job

with job(snakemake.log[0]):
    parameters = {"results": "results", "figures": "figures", **dict(snakemake.params.items())}
    run_notebook(snakemake.input.notebook, snakemake.output[0], parameters)
