"""Measure a model's accuracy on the benchmarks of a data set."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

import torch

from matrix_entropy.base.files import write_json
from matrix_entropy.models.benchmarks import evaluate
from matrix_entropy.models.provenance import described, versions
from matrix_entropy.results.intermediates import read_origin, read_record
from matrix_entropy.running import gpus, processors
from matrix_entropy.running.console import job
from matrix_entropy.sources.hub import snapshot

with job(snakemake.log[0]):
    gpus.take(snakemake.resources.gpu)
    torch.set_num_threads(processors.allowed(snakemake.threads))
    record = read_record(snakemake.input.model)
    tasks = {}
    for name, dataset in snakemake.params.datasets.items():
        if "hub" in dataset:
            # All of it: the harness also opens splits that it does not ask questions from.
            revision = dataset.get("revision", "main")
            data = {"dataset_folder": snapshot("dataset", name, dataset["hub"], revision, ["*"])}
        else:
            data = {"questions": dataset.get("path", f"results/records/{name}.jsonl")}
        tasks[name] = {"task": dataset["task"], **data}
    options = snakemake.params.options | {"device_map": snakemake.resources.device_map}
    accuracies = evaluate(record, options, tasks, snakemake.resources.answers)
    for name, origin in zip(tasks, snakemake.input.origins, strict=True):
        accuracies[name]["data"] = read_origin(origin)
    found = {
        "model": described(record),
        "dataset": {"name": snakemake.wildcards.dataset},
        "accuracies": accuracies,
    }
    found["versions"] = versions("torch", "transformers", "lm-eval", "datasets")
    write_json(snakemake.output[0], found)
