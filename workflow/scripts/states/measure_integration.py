"""How far image tokens are from text tokens at every layer of a vision-language model."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from matrix_entropy.base.files import write_csv
from matrix_entropy.models.vision.multimodal_models import load_vision_language
from matrix_entropy.results.intermediates import read_record, read_texts
from matrix_entropy.running import gpus, processors
from matrix_entropy.running.console import job
from matrix_entropy.states.modality_states import measure_integration

with job(snakemake.log[0]) as log:
    gpus.take(snakemake.resources.gpu)
    threads = processors.allowed(snakemake.threads)
    torch.set_num_threads(threads)
    options = snakemake.params.options | {"device_map": snakemake.resources.device_map}
    # A model that is spread over all devices stays where it is, one without any on the CPU.
    moves = torch.cuda.is_available() and options["device_map"] != "auto"
    with threadpool_limits(threads, user_api="blas"):
        table = measure_integration(
            load_vision_language(read_record(snakemake.input.model), options),
            read_texts(snakemake.input.prompts, snakemake.input.origin),
            torch.device("cuda") if moves else None,
            max_tokens=snakemake.params.max_tokens,
            batch=snakemake.resources.images,
            scratch=Path(snakemake.resources.tmpdir),
        )
    of = {"model": snakemake.wildcards.model, "dataset": snakemake.wildcards.dataset}
    write_csv(snakemake.output[0], table.assign(**of))
    log.info("MIR %.4f of %d records", table["mir"][0], table["records"][0])
