"""The typed commands at full size, without a network and without real weights: `make rehearsal`.

For each rehearsal a hub of this machine (`hub_server`) is given the models that it needs, of the
real shapes and files but with random weights (`real_size_models`), tokenizers of the real size
(`real_size_tokenizers`) and a few texts in the files of the real data sets. Then the command is
run as a person types it, in an empty folder and with empty caches, and what it took is printed:
minutes, memory, disk. Of the numbers that come out none means anything but that it is a number.

`--only papers` (`make rehearse-papers`) runs the commands for whole papers, against a hub that has
all that they need, small (`paper_hub`): first without what a user asks for and fetches by hand,
then with it.

Memory that only mirrors a file (weights that are read in place) is given back where others need
it, so that it is counted apart, as far as the system tells (Linux does).
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

import paper_hub
import real_size_models
import real_size_tokenizers
import small_hub_texts
from conftest import ROOT
from file_server import running_files
from hub_server import TOKEN, Files, Hub, commit_of, running_hub
from matrix_entropy.base.files import sha256
from real_size_models import Layout, write_model

MADE = ROOT / "config.yaml"
LAST_LINE = re.compile(r"of ([\d.]+) s to start, [\d.]+ s of processors, (\d+) MiB at the peak\n$")


@dataclass(frozen=True)
class Rehearsal:
    """A command, and what the hub is to have for it."""

    targets: list[str]
    models: dict[str, Layout]  # by the name in the configuration
    texts: tuple[str, ...] = ()  # names of data sets
    filled: bool = True  # or weights of zeros, which take no room at the hub


REHEARSALS = {
    # 774 million parameters in float32, names without a prefix, masks among the weights.
    "gpt2_large": Rehearsal(
        ["figures/fig10_gpt2_large_world.pdf"],
        {"gpt2_large": real_size_models.GPT2_LARGE},
        ("world",),
    ),
    # A pickle in float32, one in float16, safetensors in float16.
    "three_families": Rehearsal(
        ["figures/wei_fig2_context_length.pdf"],
        {
            "cerebras_1_3b": real_size_models.CEREBRAS_1_3B,
            "pythia_1_4b": real_size_models.PYTHIA_1_4B,
            "opt_1_3b": real_size_models.OPT_1_3B,
        },
        ("dolly",),
    ),
    # Losses, windows of 2048 tokens, attention, and accuracy.
    "pythia": Rehearsal(
        [
            "results/metrics/pythia_1_4b/benchmarks.summary.csv",
            "results/accuracy/pythia_1_4b/benchmarks.json",
            "results/tables/tan_table_lasso_tokens.csv",
            "figures/tan_fig6_distance_ablation.pdf",
        ],
        {"pythia_1_4b": real_size_models.PYTHIA_1_4B},
        ("benchmarks",),
    ),
    "shards": Rehearsal(
        ["figures/layers_in_shards_dolly_long.pdf"],
        {"in_shards": real_size_models.CEREBRAS_IN_SHARDS},
        ("dolly",),
    ),
    # A conversion of more weights than most machines have memory, 27 GB twice on disk.
    "large_pickle": Rehearsal(
        ["results/models/cerebras_6_7b.json"],
        {"cerebras_6_7b": real_size_models.CEREBRAS_6_7B},
        filled=False,
    ),
}
USUAL = ["gpt2_large", "three_families", "pythia", "shards"]

# Commands and the statuses that they end with, before and after what is left to the user is there.
PAPERS = "papers"
MULTIMODAL = "wei2024_multimodal --cores 2"
FIRST = [
    ("preflight --cores 1", 1),
    ("preflight --cores 1 --config targets=[liang2024]", 0),
    ("liang2024 --cores 2", 0),
    ("tan2024 --cores 2", 0),
    ("wei2024 --cores 2", 0),
    (MULTIMODAL, 1),
    ("prefetch --cores 1", 1),
]
THEN = [("prefetch --cores 1", 0), (MULTIMODAL, 0)]


class Watch(threading.Thread):
    """Looks twice a second at a process with all that it starts, and at its folders."""

    def __init__(self, pid: int, folders: dict[str, Path]) -> None:
        super().__init__(daemon=True)
        self.process, self.folders = psutil.Process(pid), folders
        self.most: Counter[str] = Counter()
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.5):
            seen = {"memory": sum(map(own_memory, descendants(self.process)))}
            seen |= {name: size(folder) for name, folder in self.folders.items()}
            self.most |= Counter(seen)


def descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def own_memory(process: psutil.Process) -> int:
    """Bytes that a process holds and no file does; all that it holds, where nobody tells."""
    try:
        told = Path(f"/proc/{process.pid}/status").read_text()
        return 1024 * int(re.search(r"RssAnon:\s+(\d+)", told)[1])  # type: ignore[index]
    except (OSError, TypeError):
        try:
            return int(process.memory_info().rss)
        except psutil.NoSuchProcess:
            return 0


def size(folder: Path) -> int:
    """Bytes that a folder's files take on disk; files come and go meanwhile."""
    whole = 0
    for path in folder.rglob("*"):
        try:
            found = path.lstat()
        except OSError:
            continue
        whole += 512 * found.st_blocks
    return whole


def changed_configuration(hub: Hub, rehearsal: Rehearsal) -> dict[str, Any]:
    """What a user's file has to say: where the stories lie, and which model is none of ours."""
    changes: dict[str, Any] = {}
    if "world" in rehearsal.texts:
        path = next(path for path in paper_hub.STORIES["world"] if path.is_file())
        hub.publish("datasets/author/stories", {"stories.json": path.read_bytes()})
        url = f"{hub.address}/datasets/author/stories/resolve/main/stories.json"
        entry = yaml.safe_load(MADE.read_text())["datasets"]["world"]
        changes["datasets"] = {"world": entry | {"url": url, "sha256": sha256(path)}}
    if "in_shards" in rehearsal.models:
        place = {"hub": "rehearsal/in-shards", "convert_weights": True}
        changes["models"] = {"in_shards": place | {"layers": 24, "width": 2048}}
    return changes


def fill_hub(
    hub: Hub, rehearsal: Rehearsal, config: dict[str, Any], tokenizer: dict[str, Any], folder: Path
) -> None:
    """Put there what a rehearsal needs, at the revisions of the configuration."""
    published: dict[str, Files] = {}
    for name, layout in rehearsal.models.items():
        files = write_model(layout, tokenizer, folder / name, rehearsal.filled)
        published[f"models/{config['models'][name]['hub']}"] = dict(files)
    if "dolly" in rehearsal.texts:
        published["datasets/databricks/databricks-dolly-15k"] = small_hub_texts.dolly(4, 12, 40)
    if "benchmarks" in rehearsal.texts:
        for hub_id, files in small_hub_texts.benchmarks(12).items():
            published[f"datasets/{hub_id}"] = files
    entries = [*config["models"].values(), *config["datasets"].values()]
    revisions = {entry["hub"]: entry.get("revision", "main") for entry in entries if "hub" in entry}
    for name, files in published.items():
        hub.publish(name, files, revisions[name.partition("/")[2]])
        commit_of(files)  # before anybody waits for the hashes


def rehearse(name: str, rehearsal: Rehearsal, tokenizer: dict[str, Any], folder: Path) -> bool:
    """Run one command, and print what it took."""
    run = folder / "run"
    run.mkdir(parents=True)
    with running_hub() as hub:
        changes = changed_configuration(hub, rehearsal)
        shutil.copy(MADE, run)
        (run / "mine.yaml").write_text(yaml.safe_dump(changes))
        config = yaml.safe_load(MADE.read_text())
        for part, entries in changes.items():
            config[part] |= entries
        fill_hub(hub, rehearsal, config, tokenizer, folder / "hub")
        command = [sys.executable, "-m", "snakemake", *rehearsal.targets, "--cores", "2"]
        command += ["--directory", str(run), "--configfile", str(run / "mine.yaml")]
        environment = environment_for(hub, run)
        print(f"\n{name}: snakemake {' '.join(rehearsal.targets)} --cores 2", flush=True)
        began = time.monotonic()
        with (folder / "said.txt").open("w") as said:
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=said, stderr=subprocess.STDOUT
            )
            watch = Watch(
                process.pid,
                {
                    "downloaded": run / "hub",
                    "tables": run / "datasets",
                    "converted": run / "results" / "models",
                    "states": run / "results" / "hidden_states",
                    "all": run,
                },
            )
            watch.start()
            status = process.wait()
        minutes = (time.monotonic() - began) / 60
        watch.ended.set()
        watch.join()
    print(f"exit status {status}, {minutes:.1f} minutes; at the most", end=" ")
    print(", ".join(f"{what} {most / 1e9:.2f} GB" for what, most in sorted(watch.most.items())))
    print_jobs(run / "results" / "logs")
    return status == 0


def rehearse_papers(folder: Path) -> bool:
    """Run the commands for whole papers in a copy of the repository; whether all ended as told."""
    clone = folder / "clone"
    copy_repository(clone)
    as_told = True
    with running_hub() as hub, running_files() as server:
        config = paper_hub.smaller(yaml.safe_load(MADE.read_text()))
        paper_hub.fill_server(server, config)
        paper_hub.fill_hub(hub, config, folder / "hub")
        (clone / "small.yaml").write_text(yaml.safe_dump(config))
        environment = environment_for(hub, folder / "huggingface")
        for number, (typed, expected) in enumerate([*FIRST, *THEN]):
            if number == len(FIRST):
                paper_hub.write_checkpoint(config, clone)
                environment["HF_TOKEN"] = TOKEN
            print(f"\nsnakemake {typed}", flush=True)
            command = [sys.executable, "-m", "snakemake", *typed.split()]
            command += ["--configfile", "small.yaml"]
            began = time.monotonic()
            path = folder / f"{number}.txt"
            with path.open("w") as stream:
                status = subprocess.call(
                    command, cwd=clone, env=environment, stdout=stream, stderr=subprocess.STDOUT
                )
            minutes, said = (time.monotonic() - began) / 60, path.read_text()
            steps = re.findall(r"\d+ of \d+ steps", said)[-1:]
            waits = said.partition("Job stats:")[0].count("To be fetched by hand: ")
            print(f"exit status {status} of {expected}, {minutes:.1f} minutes", *steps, sep=", ")
            print(f"said at its start: {waits} things to be fetched by hand", flush=True)
            as_told &= status == expected
        wasted = sorted(hub.sent.keys() & set(paper_hub.UNWANTED_FILES))
    print(f"\nfetched and not needed: {', '.join(wasted) or 'nothing'}")
    return as_told and not wasted


def copy_repository(clone: Path) -> None:
    """What git knows of it and does not ignore, as it is now."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, clone / name, follow_symlinks=False)


def environment_for(hub: Hub, home: Path) -> dict[str, str]:
    """That of a user whose caches are empty and who has no token, and for whom this is the hub."""
    kept = {
        name: value
        for name, value in os.environ.items()
        # OMP_NUM_THREADS is set by the tests, and by make.
        if not name.startswith("HF_") and name != "OMP_NUM_THREADS"
    }
    return kept | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HF_ENDPOINT": hub.address,
        "HF_HOME": str(home),
    }


def print_jobs(logs: Path) -> None:
    """Seconds and peak memory of every job, files that it mirrors included, as its log has them."""
    for log in sorted(logs.rglob("*.log")):
        found = LAST_LINE.search(log.read_text())
        if found:
            print(f"  {float(found[1]):7.1f} s {found[2]:>6} MiB  {log.relative_to(logs)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a new folder, on a disk with room")
    parser.add_argument("--only", nargs="+", choices=[*REHEARSALS, PAPERS], default=USUAL)
    parser.add_argument("--keep", action="store_true", help="leave all files there")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    folder = arguments.folder.absolute()
    failed = []
    for name in arguments.only:
        if name == PAPERS:
            done = rehearse_papers(folder / name)
        else:
            tokenizer = real_size_tokenizers.learnt(folder / "tokenizer.json")
            done = rehearse(name, REHEARSALS[name], tokenizer, folder / name)
        if not done:
            failed.append(name)
        if not arguments.keep and name not in failed:
            shutil.rmtree(folder / name)
    print("failed: " + (", ".join(failed) or "none"))
    return int(bool(failed))


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    sys.exit(main())
