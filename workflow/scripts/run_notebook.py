"""Run the notebook of a paper."""

from matrix_entropy import start  # noqa: F401  # isort: skip

from matrix_entropy.console import job
from matrix_entropy.notebook_run import run_notebook

with job(snakemake.log[0]):
    parameters = {"results": "results", "figures": "figures", **dict(snakemake.params.items())}
    run_notebook(snakemake.input.notebook, snakemake.output[0], parameters)
