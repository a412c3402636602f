"""Record a model whose weights are to be drawn afresh."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from matrix_entropy.base.files import write_json
from matrix_entropy.models.provenance import untrained_record
from matrix_entropy.results.intermediates import read_record
from matrix_entropy.running.console import job

with job(snakemake.log[0]):
    base = read_record(snakemake.input.base)
    drawn = snakemake.params.untrained
    record = untrained_record(
        snakemake.wildcards.model, base, drawn["seed"], drawn.get("initializer_range")
    )
    write_json(snakemake.output[0], record)
