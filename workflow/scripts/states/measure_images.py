"""Spectra at five places of a vision-language model, or of what they are held against."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from functools import partial
from pathlib import Path

import torch

from matrix_entropy.models.provenance import described, versions
from matrix_entropy.models.vision.multimodal_models import load_vision_language
from matrix_entropy.results.intermediates import read_origin, read_record, read_texts
from matrix_entropy.results.multimodal_metrics import NULL_POSITIONS, NULLS, POSITIONS
from matrix_entropy.running import gpus, processors
from matrix_entropy.running.console import job
from matrix_entropy.states.multimodal import measure
from matrix_entropy.states.multimodal_nulls import measure_nulls

with job(snakemake.log[0]) as log:
    gpus.take(snakemake.resources.gpu)
    threads = processors.allowed(snakemake.threads)
    torch.set_num_threads(threads)
    options = snakemake.params.options | {"device_map": snakemake.resources.device_map}
    max_tokens = snakemake.params.max_tokens
    record, origin = read_record(snakemake.input.model), read_origin(snakemake.input.origin)
    operation = snakemake.wildcards.get("operation", NULLS)
    positions = NULL_POSITIONS if operation == NULLS else POSITIONS
    model = load_vision_language(record, options)
    # A model that is spread over all devices stays where it is, one without any on the CPU.
    moves = torch.cuda.is_available() and options["device_map"] != "auto"
    run = measure_nulls if operation == NULLS else partial(measure, operation=operation)
    found = run(
        model,
        read_texts(snakemake.input.prompts, snakemake.input.origin),
        provenance={
            "model": described(record),
            "dataset": {"name": snakemake.wildcards.dataset, **origin},
            "options": {
                **{key: options[key] for key in ("layers", "width", "bos", "dtype")},
                "operation": operation,
                "max_tokens": max_tokens,
            },
            "shard": [1, 1],
            "versions": versions("torch", "transformers", "tokenizers", "numpy", "pillow"),
        },
        device=torch.device("cuda") if moves else None,
        max_tokens=max_tokens,
        bos_counts=options["bos"],
        batch=snakemake.resources.images,
        threads=threads,
        scratch=Path(snakemake.resources.tmpdir),
    )
    for position, path in zip(positions, snakemake.output, strict=True):
        found[position].save(path)
    log.info("%d images and texts at %d places", len(found[positions[0]].ids), len(positions))
