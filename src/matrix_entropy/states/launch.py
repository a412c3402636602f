"""The command line of jobs that run a model over texts, in as many processes as they are given."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from matrix_entropy.base.files import part_of_folder
from matrix_entropy.configuration.entries import layers_of
from matrix_entropy.models.placement import is_spread, shared_out
from matrix_entropy.results.asked_views import precision_of
from matrix_entropy.results.intermediates import made_of, read_record, read_texts
from matrix_entropy.running import gpus, processors

# Of the entries of model and data set, what hidden states depend on.
RECORDED = (
    "bos", "center_features", "dtype", "layers", "width", "extract", "batch_texts", "streams",
)  # fmt: skip
RECORDED_OF_DATASET = ("max_tokens", "min_tokens", "token_losses", "window_perplexity")


def parsed(description: str) -> argparse.Namespace:
    """The arguments of a job that runs a model, its entries read from JSON."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--model", required=True, help="record of a resolved model, JSON")
    parser.add_argument("--options", required=True, help="the model's entry, as a JSON text")
    parser.add_argument("--prompts", required=True, help="texts, JSON Lines")
    parser.add_argument("--origin", required=True, help="where the texts came from, JSON")
    parser.add_argument("--dataset", default="{}", help="the data set's entry, as a JSON text")
    parser.add_argument(
        "--shard", default="1/1", help="number/count: work on this part of the texts"
    )
    parser.add_argument("--gpus", type=int, default=0, help="that the job was given")
    parser.add_argument("--gpu-mb", type=int, default=0, help="memory of one; 0: what it says")
    parser.add_argument("--processes", type=int, default=1, help="without GPUs")
    parser.add_argument("--threads", type=int, default=1, help="shared by the processes")
    parser.add_argument("--device-map", default="fit", help="of the model's entry")
    parser.add_argument("--batch-tokens", type=int, default=0, help="0: as fits the device")
    parser.add_argument("--output", type=Path, required=True, help="file or folder to make")
    parser.add_argument("--log", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.options = json.loads(arguments.options) | {"device_map": arguments.device_map}
    arguments.dataset = json.loads(arguments.dataset)
    # The record of the same model at another place, where its weights are for as long as it runs.
    arguments.files = arguments.model
    arguments.threads = processors.allowed(arguments.threads)
    return arguments


def threads_of_each(arguments: argparse.Namespace) -> int:
    """Threads of one of a job's processes, which share those of the job and have at least one."""
    return max(1, int(arguments.threads) // int(arguments.processes))


def in_processes(arguments: argparse.Namespace) -> None:
    """Take the job's GPUs and start its processes; only a process that is to work returns.

    There is one where the model is spread over the GPUs (``device_map: auto``, or ``fit`` and it
    does not fit on one), else one a GPU, or as many as ``--processes`` says. ``arguments.options``
    and ``arguments.processes`` say afterwards what was decided.

    Raises
    ------
    InputError
        If there are fewer GPUs than asked for.
    """
    if "LOCAL_RANK" in os.environ:  # one of several, which hold the whole model each
        arguments.options["device_map"] = "single"
        arguments.processes = int(os.environ["LOCAL_WORLD_SIZE"])
        return
    memory = None
    if arguments.gpus or Path(gpus.NVIDIA).exists():
        import torch  # only where there may be a device to ask

        gpus.take(arguments.gpus)
        if torch.cuda.is_available():
            memory = torch.cuda.get_device_properties(0).total_memory
            # The one that it sees without having been given any is for one process.
            arguments.gpus = max(1, arguments.gpus)
    memory = arguments.gpu_mb * 2**20 or memory
    if memory is not None or arguments.options["device_map"] != "fit":
        folder = Path(read_record(arguments.files)["folder"])
        spread = is_spread(folder, arguments.options, memory)
        arguments.options["device_map"] = "auto" if spread else "single"
    arguments.processes = shared_out(
        arguments.options["device_map"] == "auto", arguments.gpus, arguments.processes
    )
    if arguments.processes > 1:
        sys.exit(_launched(arguments))


def _launched(arguments: argparse.Namespace) -> int:
    """Run this command in several processes; the exit status."""
    # accelerate's way for several GPUs is torchrun, which starts processes on CPUs as well; its
    # way for CPUs starts a single one without a word.
    flags = f"--multi_gpu --num_processes {arguments.processes} --num_machines 1"
    flags += " --main_process_port 0 --mixed_precision no --dynamo_backend no"
    launch = [sys.executable, "-m", "accelerate.commands.launch", *flags.split(), *sys.argv]
    share = processors.variables(threads_of_each(arguments))
    status = subprocess.run(launch, env=os.environ | share).returncode
    # A process cannot clear away what the others still write.
    shutil.rmtree(part_of_folder(arguments.output), ignore_errors=True)
    return min(abs(status), 1)


def views_in(dataset: dict[str, Any]) -> dict[str, Any]:
    """Of a data set's entry, with which views, measures and precision its spectra are made."""
    return {
        "controls": dataset.get("controls", []),
        "panels": dataset.get("panels"),
        "lengths": dataset.get("lengths", []),
        **({"measures": dataset["measures"]} if "measures" in dataset else {}),
        **precision_of(dataset),
    }


def work(arguments: argparse.Namespace) -> dict[str, Any]:
    """The model, the texts and the provenance of a job, by the names of `extract`'s parameters."""
    record, options, dataset = read_record(arguments.model), arguments.options, arguments.dataset
    number, _, count = arguments.shard.partition("/")
    said = {name: options[name] for name in RECORDED if name in options}
    recorded = {name: dataset[name] for name in RECORDED_OF_DATASET if name in dataset}
    return {
        "record": read_record(arguments.files),
        "model_options": options,
        "dataset_options": dataset,
        "texts": read_texts(arguments.prompts, arguments.origin),
        "layers": layers_of(options),
        "provenance": made_of(
            record, Path(arguments.prompts).stem, arguments.origin, said | recorded
        ),
        "batch_tokens": arguments.batch_tokens or None,
        "shard": (int(number), int(count)),
    }
