"""Run a model over texts and keep one vector for every text at every layer."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

import torch

from matrix_entropy.configuration.entries import layers_of
from matrix_entropy.results.intermediates import made_of, read_record, read_texts
from matrix_entropy.running import gpus, processors
from matrix_entropy.running.console import job
from matrix_entropy.states.pooled_texts import pool_texts
from matrix_entropy.states.reading import SAID

with job(snakemake.log[0]) as log:
    gpus.take(snakemake.resources.gpu)
    torch.set_num_threads(processors.allowed(snakemake.threads))
    record = read_record(snakemake.input.model)
    options = snakemake.params.options | {"device_map": snakemake.resources.device_map}
    pooled = pool_texts(
        record,
        options,
        snakemake.params.dataset,
        read_texts(snakemake.input.prompts, snakemake.input.origin),
        layers_of(options),
        torch.device("cuda" if torch.cuda.is_available() else "cpu"),
        made_of(
            record,
            snakemake.wildcards.dataset,
            snakemake.input.origin,
            {name: options[name] for name in SAID if name in options} | snakemake.params.dataset,
        ),
        snakemake.params.halves,
        snakemake.resources.batch_tokens or None,
    )
    pooled.save(snakemake.output[0])
    log.info("vectors of %d texts at %d layers", len(pooled.ids), len(pooled.layers))
