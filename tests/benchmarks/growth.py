"""How time and memory of the jobs grow: with the number of texts, their length, and the layers.

A GPT-2 of width 32 with random weights; every job is the workflow's own script in a process of its
own, with one thread. Times are processor time; exponents are slopes of the logarithms of the two
largest runs, less the time of a few texts, which is that of starting. Run by hand (a quarter of an
hour); exits with 1 if a job over the most texts takes more memory than `MOST_MIB`.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"

import json
import math
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
WIDTH, HEADS, CONTEXT = 32, 4, 8192
MOST_MIB = 600
LEAST_SECONDS = 0.5  # above what starting takes: of less, no exponent is told
CONTROLS = ["without_first_row", "equal_length"]  # as data sets have them unless told otherwise
JOBS = ("stream_spectra", "dump_hidden_states", "compute_spectra", "compute_metrics")

# Libraries are imported by processes of their own: a child's peak is not below its parent's.
MAKE_MODEL = """
import sys
from pathlib import Path
import random_models
from matrix_entropy.models.stand_ins import train_tokenizer

folder, blocks, width, heads, context = sys.argv[1], *map(int, sys.argv[2:6])
tokenizer = train_tokenizer([" ".join(sys.argv[6:])] * 2, 2000)
model = random_models.gpt2(
    width=width, blocks=blocks, heads=heads, vocabulary=len(tokenizer), context=context
)
model.save_pretrained(folder)
tokenizer.save_pretrained(folder)
"""

# What Snakemake gives a script of its own.
RUN_SCRIPT = """
import json, runpy, sys
from types import SimpleNamespace

script, given = sys.argv[1], json.loads(sys.argv[2])
class Input(SimpleNamespace):
    def get(self, name):
        return getattr(self, name, None)
class Output(SimpleNamespace):
    def __getitem__(self, at):
        return self.file
snakemake = SimpleNamespace(
    input=Input(**given["input"]), output=Output(**given["output"]),
    params=SimpleNamespace(**given["params"]), log=[given["log"]], threads=1,
)
runpy.run_path(script, init_globals={"snakemake": snakemake})
"""


class Run(NamedTuple):
    """How large a run is."""

    texts: int
    tokens: int
    blocks: int
    spread: int = 5  # tokens by which a text may be longer or shorter


START = Run(20, 20, 3)
TEXTS = [Run(count, 20, 3) for count in (5_000, 20_000, 100_000)]
LENGTHS = [Run(8, length, 3, 0) for length in (512, 1024, 2048, 4096, 8192)]
BLOCKS = [Run(1000, 20, blocks) for blocks in (4, 8, 16, 32)]


def measured(command: list[str]) -> tuple[float, int]:
    """Processor time of a process in seconds, and its peak memory in MiB."""
    process = subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tests'}"},
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(said.decode())
    units = 2**20 if sys.platform == "darwin" else 2**10
    return used.ru_utime + used.ru_stime, used.ru_maxrss // units


def words() -> list[str]:
    """Words of a token each, with the space before them."""
    letters = random.Random(0)
    return sorted({"".join(letters.choices("abcdefghij", k=3)) for _ in range(300)})


def write_texts(folder: Path, run: Run) -> None:
    chosen = random.Random(1)
    known = words()
    with open(folder / "texts.jsonl", "w", encoding="utf-8") as file:
        for number in range(run.texts):
            length = run.tokens + chosen.randint(-run.spread, run.spread)
            text = "".join(f" {word}" for word in chosen.choices(known, k=length))
            group = "odd" if number % 2 else "even"
            record = {"id": f"text_{number:06d}", "group": group, "text": text}
            file.write(json.dumps(record) + "\n")
    origin = {"source": "random words", "texts": run.texts}
    (folder / "origin.json").write_text(json.dumps(origin), encoding="utf-8")


def jobs_of(run: Run, folder: Path) -> dict[str, tuple[float, int]]:
    """Time and memory of every job over a model and texts made for it."""
    write_texts(folder, run)
    shape = map(str, (run.blocks, WIDTH, HEADS, CONTEXT))
    measured(["-c", MAKE_MODEL, str(folder / "model"), *shape, *(f" {word}" for word in words())])
    record = {"model": "random", "source": "path", "folder": str(folder / "model")}
    (folder / "model.json").write_text(json.dumps(record | {"stand_in": False}), encoding="utf-8")
    options = {
        "layers": run.blocks, "width": WIDTH, "bos": False, "center_features": False,
        "dtype": "float32", "device_map": "single", "extract": "all",
    }  # fmt: skip
    views = {"controls": CONTROLS, "panels": None, "lengths": []}
    given = {
        "--model": folder / "model.json",
        "--options": json.dumps(options),
        "--prompts": folder / "texts.jsonl",
        "--origin": folder / "origin.json",
        "--dataset": json.dumps(views),
        "--log": folder / "log",
    }

    def of_model(name: str, output: str) -> tuple[float, int]:
        arguments = [str(part) for pair in given.items() for part in pair]
        script = str(ROOT / f"workflow/scripts/states/{name}.py")
        return measured([script, *arguments, "--output", str(folder / output)])

    def of_script(name: str, **values: dict[str, object]) -> tuple[float, int]:
        script = str(ROOT / f"workflow/scripts/{name}.py")
        return measured(["-c", RUN_SCRIPT, script, json.dumps(values | {"log": str(folder / "l")})])

    return {
        "stream_spectra": of_model("stream_spectra", "spectra.npz"),
        "dump_hidden_states": of_model("dump_hidden_states", "states"),
        "compute_spectra": of_script(
            "states/compute_spectra",
            input={"states": str(folder / "states")},
            output={"file": str(folder / "from_disk.npz")},
            params={"layers": [*range(run.blocks + 1), "final"], "views": views},
        ),
        "compute_metrics": of_script(
            "results/compute_metrics",
            input={"spectra": [str(folder / "spectra.npz")]},
            output={
                "metrics": str(folder / "metrics.parquet"),
                "summary": str(folder / "metrics.summary.csv"),
            },
            params={
                "options": {}, "views": ["all_rows", *CONTROLS], "measures": [], "metrics": [],
                "groups": {},
            },
        ),
    }  # fmt: skip


def table(what: str, runs: list[Run], sizes: list[int]) -> dict[str, int]:
    """Print a table; of every job the peak memory of the largest run."""
    print(f"\n| {what} | " + " | ".join(f"{job} (s, MiB)" for job in JOBS) + " |")
    print("|---" * (len(JOBS) + 1) + "|")
    found = []
    for run, size in zip([START, *runs], ["start", *(f"{size:,}" for size in sizes)], strict=True):
        with tempfile.TemporaryDirectory() as folder:
            found.append(jobs_of(run, Path(folder)))
        shown = " | ".join(f"{found[-1][job][0]:.1f}, {found[-1][job][1]}" for job in JOBS)
        print(f"| {size} | {shown} |", flush=True)
    exponents = []
    for job in JOBS:
        start, *_, less, most = (each[job][0] for each in found)
        if min(less, most) - start < LEAST_SECONDS:
            exponents.append("")
            continue
        slope = math.log((most - start) / (less - start))
        exponents.append(f"{slope / math.log(sizes[-1] / sizes[-2]):.2f}")
    print("| exponent | " + " | ".join(exponents) + " |")
    return {job: found[-1][job][1] for job in JOBS}


def main() -> int:
    peaks = table("texts of 20 tokens", TEXTS, [run.texts for run in TEXTS])
    table("tokens of each of 8 texts", LENGTHS, [run.tokens for run in LENGTHS])
    table("blocks, 1,000 texts of 20 tokens", BLOCKS, [run.blocks for run in BLOCKS])
    above = [job for job, peak in peaks.items() if peak > MOST_MIB]
    print(f"above {MOST_MIB} MiB: {', '.join(above) or 'none'}")
    return int(bool(above))


if __name__ == "__main__":
    sys.exit(main())
