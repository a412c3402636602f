"""Download a data set's file and check its hash."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from matrix_entropy.running.console import job
from matrix_entropy.sources.downloads import download

with job(snakemake.log[0]):
    dataset = snakemake.params.dataset
    source = dataset.get("zip", dataset)
    kind = "sha256" if "sha256" in source else "md5"
    download(source["url"], source[kind], snakemake.output[0], kind)
