"""Record a checkpoint of a model's training, without its weights if they are on the hub."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from matrix_entropy.base.files import write_json
from matrix_entropy.models.checkpoints import checkpoint_on_hub, kept_checkpoint
from matrix_entropy.results.intermediates import read_record
from matrix_entropy.running.console import job

with job(snakemake.log[0]):
    name, entry = snakemake.wildcards.model, snakemake.params.entry
    if "hub" in entry:
        record = checkpoint_on_hub(name, entry)
    else:
        base = read_record(snakemake.input.base)
        record = kept_checkpoint(name, base, entry["checkpoint"]["step"])
    write_json(snakemake.output[0], record)
