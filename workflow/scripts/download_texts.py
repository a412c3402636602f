"""Download a data set's file and check its hash."""

from matrix_entropy import start  # noqa: F401  # isort: skip

from matrix_entropy.console import job
from matrix_entropy.downloads import download

with job(snakemake.log[0]):
    dataset = snakemake.params.dataset
    download(dataset["url"], dataset["sha256"], snakemake.output[0])
