"""Run a model over a few sentences and keep its states and attention weights."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from pathlib import Path

import torch

from matrix_entropy.configuration.entries import layers_of
from matrix_entropy.models.provenance import described, versions
from matrix_entropy.results.intermediates import read_origin, read_record, read_texts
from matrix_entropy.running import gpus, processors
from matrix_entropy.running.console import job
from matrix_entropy.states.sentences import read_sentences

OPTIONS = ("bos", "center_features", "dtype", "layers", "width", "extract", "streams")

with job(snakemake.log[0]) as log:
    gpus.take(snakemake.resources.gpu)
    torch.set_num_threads(processors.allowed(snakemake.threads))
    record = read_record(snakemake.input.model)
    options = snakemake.params.options | {"device_map": snakemake.resources.device_map}
    origin = read_origin(snakemake.input.origin)
    sentences = read_sentences(
        record,
        options,
        read_texts(snakemake.input.prompts, snakemake.input.origin),
        layers_of(options),
        torch.device("cuda" if torch.cuda.is_available() else "cpu"),
        {
            "model": described(record),
            "dataset": {"name": Path(snakemake.input.prompts).stem, **origin},
            "options": {name: options[name] for name in OPTIONS if name in options},
            "versions": versions("torch", "transformers", "tokenizers", "numpy"),
        },
    )
    sentences.save(snakemake.output[0])
    sentence_count = len(sentences.ids)
    plural = "" if sentence_count == 1 else "s"
    log.info("%d sentence%s, %d tokens", sentence_count, plural, len(sentences.tokens))
