"""Run a model over texts and write its hidden states; started once per process by the rule."""

import argparse
import json
from pathlib import Path

import torch

from matrix_entropy.configuration import layers_of
from matrix_entropy.console import job
from matrix_entropy.files import read_json, read_jsonl
from matrix_entropy.hidden_states import dump_hidden_states
from matrix_entropy.provenance import versions

OPTIONS = ("bos", "center_features", "dtype", "layers", "width", "extract")

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", required=True, help="record of a resolved model, JSON")
parser.add_argument("--options", required=True, help="the model's entry, as a JSON text")
parser.add_argument("--prompts", required=True, help="texts, JSON Lines")
parser.add_argument("--origin", required=True, help="where the texts came from, JSON")
parser.add_argument("--max-tokens", type=int, default=0, help="0: only the model's own limit")
parser.add_argument("--batch-tokens", type=int, required=True)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--output", type=Path, required=True, help="folder to make")
parser.add_argument("--log", type=Path, required=True)
arguments = parser.parse_args()

with job(arguments.log):
    torch.set_num_threads(arguments.threads)
    record, options = read_json(arguments.model), json.loads(arguments.options)
    dump_hidden_states(
        record,
        options,
        read_jsonl(arguments.prompts),
        arguments.max_tokens or None,
        layers_of(options),
        arguments.batch_tokens,
        arguments.output,
        {
            "model": {key: value for key, value in record.items() if key != "folder"},
            "dataset": {"name": Path(arguments.prompts).stem, **read_json(arguments.origin)},
            "options": {name: options[name] for name in OPTIONS},
            "max_tokens": arguments.max_tokens or None,
            "versions": versions("torch", "transformers", "tokenizers", "numpy"),
        },
    )
