"""The forward pass alone, in the ways that could make it faster, against the way it is run.

SmolLM2-135M's shape with random weights, 16 texts of 80 to 320 tokens, one thread, processor time,
all ways in turn in one process, medians of three rounds. Run by `make benchmark`.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import functools
import time
from statistics import median
from typing import Any

import numpy as np
import torch
from transformers import LlamaConfig, LlamaModel

from matrix_entropy.texts.tokens import batches_by_length

BUDGET = 1024  # of a batch, as `states.extraction` has it without a GPU
ROUNDS = 3
WAYS: dict[str, dict[str, Any]] = {
    "as it is run": {},
    "one text at a time": {"budget": 1},
    "batches of 4,096 tokens": {"budget": 4 * BUDGET},
    "batches not by length": {"in_order": False},
    "attention without SDPA": {"attention": "eager"},
    "`no_grad` for `inference_mode`": {"mode": torch.no_grad},
    "bfloat16": {"dtype": torch.bfloat16},
}


@functools.cache
def model(attention: str, dtype: torch.dtype) -> LlamaModel:
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=576,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        intermediate_size=1536,
        vocab_size=49152,
        attn_implementation=attention,
    )
    return LlamaModel(config).to(dtype).eval()


def seconds(
    texts: list[np.ndarray],
    budget: int = BUDGET,
    in_order: bool = True,
    attention: str = "sdpa",
    dtype: torch.dtype = torch.float32,
    mode: Any = torch.inference_mode,
) -> float:
    reader = model(attention, dtype)
    lengths = np.array([len(text) for text in texts])
    if in_order:
        batches = list(batches_by_length(list(range(len(texts))), lengths, budget))
    else:
        most = budget // lengths.max()
        batches = [list(range(a, min(a + most, len(texts)))) for a in range(0, len(texts), most)]
    started = time.process_time()
    with mode():
        for batch in batches:
            ids = torch.zeros((len(batch), lengths[batch].max()), dtype=torch.long)
            for row, text in enumerate(batch):
                ids[row, : lengths[text]] = torch.from_numpy(texts[text])
            mask = torch.arange(ids.shape[1]) < torch.from_numpy(lengths[batch])[:, None]
            padded = None if bool(mask.all()) else mask.long()
            reader(input_ids=ids, attention_mask=padded, use_cache=False)
    return time.process_time() - started


def main() -> None:
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    texts = [random.integers(0, 49152, size=size) for size in random.integers(80, 321, size=16)]
    seconds(texts)
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(ROUNDS):
        for way, options in WAYS.items():
            found[way].append(seconds(texts, **options))
    print("| forward pass | seconds | of the time as it is run |\n|---|---|---|")
    for way, taken in found.items():
        print(
            f"| {way} | {median(taken):.2f} | {median(taken) / median(found['as it is run']):.2f} |"
        )


if __name__ == "__main__":
    main()
