"""Let a model write a data set's texts; prompts and settings are kept beside them."""

from matrix_entropy import start  # noqa: F401  # isort: skip

import torch

from matrix_entropy import processors
from matrix_entropy.console import job
from matrix_entropy.files import sha256, write_json, write_jsonl
from matrix_entropy.generation import write_texts
from matrix_entropy.intermediates import read_record
from matrix_entropy.provenance import described, versions

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
