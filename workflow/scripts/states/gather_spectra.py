"""Join the spectra of a data set's shards."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from matrix_entropy.results.gathered_spectra import write_gathered
from matrix_entropy.results.spectra_parts import SpectraParts
from matrix_entropy.running.console import job

with job(snakemake.log[0]):
    shards = [SpectraParts(path) for path in snakemake.input.shards]
    for shard in shards:
        shard.head.of_precision(snakemake.params.precision)
    write_gathered(
        snakemake.output[0],
        shards,
        snakemake.wildcards.dataset,
        # A shard may have been made with more than the others.
        snakemake.params.views,
        snakemake.params.measures,
    )
