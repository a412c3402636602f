"""Join the spectra of a data set's shards."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from matrix_entropy.results.spectra_file import Spectra, gathered
from matrix_entropy.running.console import job

with job(snakemake.log[0]):
    views = snakemake.params.views
    shards = [Spectra.load(path).with_views(views) for path in snakemake.input.shards]
    gathered(shards, snakemake.wildcards.dataset).save(snakemake.output[0])
