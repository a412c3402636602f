"""Fine-tune a model by low-rank adapters."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from pathlib import Path

import torch

from matrix_entropy.base.files import sha256, write_json
from matrix_entropy.models.lora import train_lora
from matrix_entropy.models.provenance import versions
from matrix_entropy.results.intermediates import read_origin, read_record, read_texts
from matrix_entropy.running import gpus, processors
from matrix_entropy.running.console import job

with job(snakemake.log[0]):
    gpus.take(snakemake.resources.gpu)
    torch.set_num_threads(processors.allowed(snakemake.threads))
    options = snakemake.params.options
    record = train_lora(
        snakemake.wildcards.model,
        read_record(snakemake.input.base),
        options | options["lora"],
        read_texts(snakemake.input.prompts, snakemake.input.origin),
        Path(snakemake.output.folder),
    )
    record["training_texts"] = {
        "sha256": sha256(snakemake.input.prompts),
        **read_origin(snakemake.input.origin),
    }
    record["versions"] = versions("torch", "transformers", "peft", "accelerate")
    write_json(snakemake.output.record, record)
