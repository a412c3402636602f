"""Download a data set's file and check its hash."""

from matrix_entropy import start  # noqa: F401  # isort: skip

from matrix_entropy.console import job
from matrix_entropy.downloads import download

with job(snakemake.log[0]):
    dataset = snakemake.params.dataset
    source = dataset.get("zip", dataset)
    kind = "sha256" if "sha256" in source else "md5"
    download(source["url"], source[kind], snakemake.output[0], kind)
