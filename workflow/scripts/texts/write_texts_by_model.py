"""Let a model write a data set's texts; prompts and settings are kept beside them."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

import torch

from matrix_entropy.base.files import sha256, write_json, write_jsonl
from matrix_entropy.models.generation import write_texts
from matrix_entropy.models.provenance import described, versions
from matrix_entropy.results.intermediates import read_record
from matrix_entropy.running import processors
from matrix_entropy.running.console import job

with job(snakemake.log[0]) as log:
    torch.set_num_threads(processors.allowed(snakemake.threads))
    generate = snakemake.params.generate
    record = read_record(snakemake.input.model)
    texts = write_texts(record, snakemake.params.model, generate, snakemake.wildcards.dataset)
    write_jsonl(snakemake.output.prompts, texts)
    origin = {
        "source": f"written by {record['model']}",
        "sha256": sha256(snakemake.output.prompts),
        "texts": len(texts),
        "generate": generate,
        "model": described(record),
        "versions": versions("torch", "transformers"),
    }
    write_json(snakemake.output.origin, origin)
    log.info("%d texts", len(texts))
