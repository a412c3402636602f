"""Keep the weights of a GGUF file as safetensors, with tokenizer and configuration."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from pathlib import Path

from matrix_entropy.base.files import write_json
from matrix_entropy.models.gguf_models import convert_gguf
from matrix_entropy.running.console import job

with job(snakemake.log[0]) as log:
    name, model = snakemake.wildcards.model, snakemake.params.model
    downloaded = Path(snakemake.input.file) if "package" in model else None
    record = convert_gguf(name, model, downloaded, Path(snakemake.output.folder))
    write_json(snakemake.output.record, record)
    log.info("%s: %s, %s", name, record["gguf"]["file"], record["gguf"]["tensors"])
