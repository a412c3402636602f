"""Half precision against float32: how far entropies and losses move, and how fast each type is.

On a GPU if there is one, else on one thread: GPT-2 Small's shape with random weights and, where the
real 260,032-parameter model and its texts are at hand, that model. Spectra are streamed. Run by
`make benchmark`.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from matrix_entropy.maths.entropy import matrix_entropy
from matrix_entropy.models.resolving import resolve_path
from matrix_entropy.models.stand_ins import train_tokenizer
from matrix_entropy.results.spectra_file import Spectra
from matrix_entropy.states.streamed_spectra import stream_spectra
from matrix_entropy.texts.readers import read_dataset

ROOT = Path(__file__).parents[2]
REAL = Path(os.environ.get("MATRIX_ENTROPY_REAL_DATA", ROOT.parent / "shared"))


def spectra_of(
    record: dict[str, Any], texts: list[dict[str, str]], layers: int, width: int, dtype: str
) -> tuple[Spectra, float]:
    """Spectra in one type, and tokens per second with loading left out as far as it repeats."""
    options = {
        "layers": layers, "width": width, "bos": True, "center_features": False,
        "dtype": dtype, "device_map": "single",
    }  # fmt: skip
    job = (record, options, {"max_tokens": 256}, texts, [*range(layers + 1), "final"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spectra.npz"
        times = []
        for few in (texts[:1], texts):
            started = time.perf_counter()
            stream_spectra(*job[:3], few, job[4], path, {"options": options})
            times.append(time.perf_counter() - started)
        spectra = Spectra.load(path)
    return spectra, spectra.offsets[-1] / max(times[1] - times[0], 1e-9)


def entropies(spectra: Spectra) -> np.ndarray:
    layers, texts = spectra.counts.shape[1:]
    return np.array(
        [[matrix_entropy(spectra.of(0, at, text)) for text in range(texts)] for at in range(layers)]
    )


def compare(name: str, record: dict[str, Any], texts: Any, layers: int, width: int) -> None:
    expected, rate = spectra_of(record, texts, layers, width, "float32")
    print(f"| {name} | float32 | {rate:.0f} | | | |")
    for dtype in ("float16", "bfloat16"):
        found, rate = spectra_of(record, texts, layers, width, dtype)
        difference = np.abs(entropies(found) - entropies(expected))
        loss = np.nanmean(found.token_losses) - np.nanmean(expected.token_losses)
        print(
            f"| {name} | {dtype} | {rate:.0f} | {np.nanmean(difference):.1e} "
            f"| {np.nanmax(difference):.1e} | {loss:+.1e} |"
        )


def main() -> int:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    cuda = torch.cuda.is_available()
    device = torch.cuda.get_device_name() if cuda else "CPU, one thread"
    print(f"{device}\n")
    print("| model | type | tokens/s | mean change of H (nats) | largest | change of loss (nats) |")
    print("|---|---|---|---|---|---|")
    stories, _ = read_dataset(
        {"field": "text", "format": "json"}, ROOT / "data" / "stories" / "child.json", "child.json"
    )
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = train_tokenizer([text["text"] for text in stories], 4000)
        shape = GPT2Config(vocab_size=len(tokenizer), bos_token_id=0, eos_token_id=0)
        GPT2LMHeadModel(shape).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        record = {"model": "random", "folder": folder}
        compare("GPT-2 Small's shape", record, stories if cuda else stories[:2], 12, 768)
    if (REAL / "models" / "stories260K").is_dir():
        record = resolve_path("stories260k", "stories260K", REAL / "models" / "stories260K")
        path = REAL / "data" / "tinystories.jsonl"
        reading = {"field": "text", "format": "jsonl", "sample": {"first": 40}}
        texts, _ = read_dataset(reading, path, path.name)
        compare("real, 260K parameters", record, texts, 5, 64)
    return 0


if __name__ == "__main__":
    sys.exit(main())
