"""Train a vision-language stand-in."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from pathlib import Path

import torch
from transformers import PreTrainedTokenizerFast

from matrix_entropy.base.files import write_json
from matrix_entropy.models.vision.multimodal_stand_ins import train_multimodal_stand_in
from matrix_entropy.results.intermediates import read_texts
from matrix_entropy.running import processors
from matrix_entropy.running.console import job

with job(snakemake.log[0]):
    torch.set_num_threads(processors.allowed(snakemake.threads))
    record = train_multimodal_stand_in(
        snakemake.wildcards.model,
        snakemake.params.model,
        [(record["image"], record["text"]) for record in read_texts(snakemake.input.corpus)],
        PreTrainedTokenizerFast.from_pretrained(snakemake.input.tokenizer),
        Path(snakemake.output.folder),
    )
    write_json(snakemake.output.record, record)
