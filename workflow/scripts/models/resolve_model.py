"""Find a model's files and record what they are."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from pathlib import Path

from matrix_entropy.base.files import write_json
from matrix_entropy.models.resolving import resolve_hub, resolve_path
from matrix_entropy.running.console import job

with job(snakemake.log[0]) as log:
    name, model = snakemake.wildcards.model, snakemake.params.model
    if "path" in model:
        record = resolve_path(name, model["path"], Path(model["path"]))
    else:
        record = resolve_hub(name, model, Path("results/models") / name)
    write_json(snakemake.output[0], record)
    log.info("%s: %s", name, record["folder"])
