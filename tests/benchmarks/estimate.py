"""What `snakemake estimate` says of the miniature scale's jobs against what they took.

Run by `make benchmark` on the machine and in the state in which `make miniature` has run; exits
with 1 if a rule's jobs took less than half or more than twice as long. That a machine is faster or
slower than the one of the estimate is found by a product of matrices and allowed for.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import sys
import time
from pathlib import Path

import pandas as pd
import torch
import yaml

from matrix_entropy.configuration import targets
from matrix_entropy.configuration.checking import checked
from matrix_entropy.estimate.devices import device_of
from matrix_entropy.estimate.run_costs import costs_of

MINIATURE = Path(__file__).parent.parent.parent / "miniature"


def measured_seconds(results: Path) -> pd.Series:
    """Seconds of all jobs of a rule, as Snakemake measured them."""
    files = list((results / "benchmarks").rglob("*.tsv"))
    rules = [file.relative_to(results / "benchmarks").parts[0] for file in files]
    seconds = [float(pd.read_csv(file, sep="\t")["s"].iloc[0]) for file in files]
    return pd.Series(seconds).groupby(rules).sum()


def times_slower() -> float:
    """How many times slower than `cpu_core` this machine is just now."""
    matrix = torch.rand(768, 768)
    started = time.perf_counter()
    for _ in range(20):
        matrix @ matrix
    rate = 20 * 2 * 768**3 / (time.perf_counter() - started)
    return device_of("cpu_core").rates["float32"] / rate


def main() -> int:
    config = checked(yaml.safe_load((MINIATURE / "config.yaml").read_text()))
    device = device_of("cpu_core")
    jobs = {
        name: found
        for entry in targets.chosen(config).values()
        for name, found in costs_of(entry, config, device).items()
    }
    table = pd.DataFrame(
        [(job.rule, job.work, job.start_up) for job in jobs.values()],
        columns=["rule", "work", "start_up"],
    )
    table = table.groupby("rule").sum()
    table["measured"] = measured_seconds(MINIATURE / "results")
    table = table.dropna()
    table.loc["all"] = table.sum()
    # A start may take less time: a process may have been started before.
    slower = times_slower()
    table["least"] = min(1.0, slower) / 2 * table["work"]
    table["most"] = max(1.0, slower) * 2 * (table["work"] + table["start_up"])
    print(table.round(1).to_string())
    good = table["measured"].between(table["least"], table["most"])
    print("missed: " + (", ".join(table.index[~good]) or "none"))
    return int(not good.all())


if __name__ == "__main__":
    sys.exit(main())
