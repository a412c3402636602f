"""Train a stand-in."""

from matrix_entropy import start  # noqa: F401  # isort: skip

from pathlib import Path

import torch
from transformers import PreTrainedTokenizerFast

from matrix_entropy import processors
from matrix_entropy.console import job
from matrix_entropy.files import write_json
from matrix_entropy.intermediates import read_texts
from matrix_entropy.stand_ins import train_stand_in

with job(snakemake.log[0]):
    torch.set_num_threads(processors.allowed(snakemake.threads))
    record = train_stand_in(
        snakemake.wildcards.model,
        snakemake.params.model,
        [record["text"] for record in read_texts(snakemake.input.corpus)],
        PreTrainedTokenizerFast.from_pretrained(snakemake.input.tokenizer),
        Path(snakemake.output.folder),
    )
    write_json(snakemake.output.record, record)
