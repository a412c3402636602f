"""Join the spectra of a data set's shards."""

from matrix_entropy import start  # noqa: F401  # isort: skip

from matrix_entropy.console import job
from matrix_entropy.spectra_file import Spectra, gathered

with job(snakemake.log[0]):
    views = snakemake.params.views
    shards = [Spectra.load(path).with_views(views) for path in snakemake.input.shards]
    gathered(shards, snakemake.wildcards.dataset).save(snakemake.output[0])
