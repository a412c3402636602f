"""Join the spectra of a data set's shards."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from matrix_entropy.results.spectra_file import Spectra, gathered
from matrix_entropy.running.console import job

with job(snakemake.log[0]):
    views, measures = snakemake.params.views, snakemake.params.measures
    shards = [Spectra.load(path) for path in snakemake.input.shards]
    # A shard may have been made with more than the others.
    shards = [shard.with_views(views).with_measures(measures) for shard in shards]
    gathered(shards, snakemake.wildcards.dataset).save(snakemake.output[0])
