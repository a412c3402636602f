"""What `snakemake estimate` says of the miniature scale's jobs against what they took.

Both are processor time, so that it does not matter what else ran beside `make miniature`. Run by
`make benchmark` on the same machine; exits with 1 if a rule's jobs took less than half or more than
twice as long. That a machine is faster or slower than the one of the estimate is found by a product
of matrices and allowed for.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import re
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

LAST_LINE = re.compile(r"([\d.]+) s of processors, \d+ MiB at the peak\n$")
MINIATURE = Path(__file__).parent.parent.parent / "miniature"


def measured_seconds(results: Path) -> pd.Series:
    """Processor time of all jobs of a rule, by the last lines of their logs.

    What Snakemake measures is the process that waits for a job's copy (`running.workers`).
    """
    logs, rules, seconds = results / "logs", [], []
    for path in sorted(logs.rglob("*.log")):
        if found := LAST_LINE.search(path.read_text(encoding="utf-8")):
            rules.append(path.relative_to(logs).parts[0])
            seconds.append(float(found[1]))
    return pd.Series(seconds, dtype=float).groupby(rules).sum()


def times_slower() -> float:
    """How many times slower than `cpu_core` this machine is just now."""
    matrix = torch.rand(768, 768)
    started = time.process_time()
    for _ in range(20):
        matrix @ matrix
    rate = 20 * 2 * 768**3 / (time.process_time() - started)
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
    if table.empty:
        print("error: no log of the miniature tells the processor time of its job; build it again")
        return 1
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
