"""Peak memory of a hidden-states job against the number of texts and of layers.

A small GPT-2 of width 128 with random weights; every run is a process of its own, so that each
peak is its own. Run by `make benchmark`; exits with 1 if the peak grows with either number.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"

import re
import subprocess
import sys
import tempfile
from pathlib import Path

# (blocks, texts)
RUNS = [(4, 200), (4, 3200), (16, 200)]
LARGEST_GROWTH_MIB = 60  # token ids (8 bytes each), the texts, the blocks' own weights

CHILD = """
import logging, sys
import torch
from pathlib import Path
from transformers import GPT2Config, GPT2LMHeadModel
from matrix_entropy.states import extraction, hidden_states
from matrix_entropy.texts.synthetic.grammar import stories
from matrix_entropy.models.stand_ins import train_tokenizer

blocks, count, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
torch.set_num_threads(1)
logging.getLogger("matrix_entropy").setLevel(logging.INFO)
logging.getLogger("matrix_entropy").addHandler(logging.StreamHandler(sys.stdout))
texts = list(stories(count))
tokenizer = train_tokenizer([text["text"] for text in texts[:200]], 1024)
config = GPT2Config(n_embd=128, n_head=4, n_layer=blocks, vocab_size=1024, bos_token_id=0)
model = GPT2LMHeadModel(config).eval()
extraction.load_placed = lambda *_, **__: (model, torch.device("cpu"))
extraction.load_tokenizer = lambda *_: tokenizer
options = {"layers": blocks, "width": 128, "bos": True, "center_features": False,
           "dtype": "float32", "device_map": "single"}
layers = [*range(blocks + 1), "final"]
hidden_states.dump_hidden_states(
    {"model": "gpt2"}, options, {}, texts, layers, folder, {"options": options}, 2048
)
print("disk", sum(path.stat().st_size for path in folder.iterdir()) // 2**20)
"""


def peak(blocks: int, texts: int) -> tuple[int, int]:
    """Peak memory of the process and size of its output, MiB."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = [str(blocks), str(texts), str(Path(folder) / "states")]
        done = subprocess.run(
            [sys.executable, "-c", CHILD, *arguments], check=True, capture_output=True, text=True
        )
    memory = re.search(r"peak memory (\d+) MiB", done.stdout)
    disk = re.search(r"disk (\d+)", done.stdout)
    assert memory is not None
    assert disk is not None
    return int(memory[1]), int(disk[1])


def main() -> int:
    print("| blocks | texts | on disk (MiB) | peak memory (MiB) |\n|---|---|---|---|")
    peaks = []
    for blocks, texts in RUNS:
        memory, disk = peak(blocks, texts)
        peaks.append(memory)
        print(f"| {blocks} | {texts} | {disk} | {memory} |")
    return 0 if max(peaks) - min(peaks) <= LARGEST_GROWTH_MIB else 1


if __name__ == "__main__":
    sys.exit(main())
