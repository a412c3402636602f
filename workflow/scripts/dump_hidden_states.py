"""Run a model over texts and write its hidden states, in as many processes as asked for."""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from matrix_entropy.files import part_of_folder, read_json, read_jsonl

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", required=True, help="record of a resolved model, JSON")
parser.add_argument("--options", required=True, help="the model's entry, as a JSON text")
parser.add_argument("--prompts", required=True, help="texts, JSON Lines")
parser.add_argument("--origin", required=True, help="where the texts came from, JSON")
parser.add_argument("--dataset", default="{}", help="the data set's entry, as a JSON text")
parser.add_argument("--shard", default="1/1", help="number/count: work on this part of the texts")
parser.add_argument("--gpus", type=int, default=0, help="one process each")
parser.add_argument("--processes", type=int, default=1, help="without GPUs")
parser.add_argument("--threads", type=int, default=1, help="shared by the processes")
parser.add_argument("--batch-tokens", type=int, default=0, help="0: as fits the device")
parser.add_argument("--output", type=Path, required=True, help="folder to make")
parser.add_argument("--log", type=Path, required=True)
arguments = parser.parse_args()
options = json.loads(arguments.options)
dataset = json.loads(arguments.dataset)

# A model that is spread over the devices is one process.
processes = 1 if options["device_map"] == "auto" else arguments.gpus or arguments.processes
if processes > 1 and "LOCAL_RANK" not in os.environ:
    # accelerate's way for several GPUs is torchrun, which starts processes on CPUs as well; its
    # way for CPUs starts a single one without a word.
    flags = f"--multi_gpu --num_processes {processes} --num_machines 1 --main_process_port 0"
    flags += " --mixed_precision no --dynamo_backend no"
    launch = [sys.executable, "-m", "accelerate.commands.launch", *flags.split(), *sys.argv]
    status = subprocess.run(launch).returncode
    if status:  # a process that stops cannot clear away what the others still write
        shutil.rmtree(part_of_folder(arguments.output), ignore_errors=True)
    sys.exit(min(abs(status), 1))

# Not in the process that only launches the others.
from matrix_entropy import start  # noqa: E402, F401  # isort: skip
import torch  # noqa: E402

from matrix_entropy.console import job  # noqa: E402
from matrix_entropy.entries import layers_of  # noqa: E402
from matrix_entropy.hidden_states import dump_hidden_states  # noqa: E402
from matrix_entropy.provenance import described, versions  # noqa: E402

OPTIONS = ("bos", "center_features", "dtype", "layers", "width", "extract")

with job(arguments.log):
    torch.set_num_threads(max(1, arguments.threads // processes))
    record = read_json(arguments.model)
    number, _, count = arguments.shard.partition("/")
    dump_hidden_states(
        record,
        options,
        dataset,
        read_jsonl(arguments.prompts),
        layers_of(options),
        arguments.output,
        {
            "model": described(record),
            "dataset": {"name": Path(arguments.prompts).stem, **read_json(arguments.origin)},
            "options": {name: options[name] for name in OPTIONS} | dataset,
            "versions": versions("torch", "transformers", "tokenizers", "numpy"),
        },
        arguments.batch_tokens or None,
        (int(number), int(count)),
    )
