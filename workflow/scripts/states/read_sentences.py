"""Run a model over a few sentences and keep its states and attention weights."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from pathlib import Path

import torch

from matrix_entropy.configuration.entries import layers_of
from matrix_entropy.results.intermediates import made_of, read_record, read_texts
from matrix_entropy.running import gpus, processors
from matrix_entropy.running.console import job
from matrix_entropy.states.reading import SAID
from matrix_entropy.states.sentences import read_sentences

with job(snakemake.log[0]) as log:
    gpus.take(snakemake.resources.gpu)
    torch.set_num_threads(processors.allowed(snakemake.threads))
    record = read_record(snakemake.input.model)
    options = snakemake.params.options | {"device_map": snakemake.resources.device_map}
    sentences = read_sentences(
        record,
        options,
        read_texts(snakemake.input.prompts, snakemake.input.origin),
        layers_of(options),
        torch.device("cuda" if torch.cuda.is_available() else "cpu"),
        made_of(
            record,
            Path(snakemake.input.prompts).stem,
            snakemake.input.origin,
            {name: options[name] for name in SAID if name in options},
        ),
    )
    sentences.save(snakemake.output[0])
    sentence_count = len(sentences.ids)
    plural = "" if sentence_count == 1 else "s"
    log.info("%d sentence%s, %d tokens", sentence_count, plural, len(sentences.tokens))
