"""A figure of SmolLM2-135M as typed against a plain script that does only what the figure needs.

Both read the same converted weights and 40 bundled stories; entropies alone, no controls and no
losses. The script loads the model, runs one text at a time, and finds the spectra from Gram
matrices; Snakemake plans, checks the weights, makes metrics and draws. Processor seconds of all
processes, one thread each. Run after `make smollm2-part`, from whose weights both start.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent.parent
WEIGHTS = ROOT / "smollm2/results/models/smollm2_135m"
LAYERS, WIDTH = 30, 576
PR_SET_CHILD_SUBREAPER = 36  # of prctl(2)
PLAIN = """
import json, sys, time
import numpy as np, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
torch.set_num_threads(1)
folder, texts = sys.argv[1], json.load(open(sys.argv[2]))
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).model.eval()
tokenizer = AutoTokenizer.from_pretrained(folder)
loaded, forward = time.process_time(), 0.0
for text in texts:
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    begun = time.process_time()
    with torch.inference_mode():
        states = model(ids, output_hidden_states=True).hidden_states
    forward += time.process_time() - begun
    for layer in states:
        rows = layer[0].double().numpy()
        rows = rows - rows.mean(axis=0)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        values = np.linalg.eigvalsh(rows @ rows.T / len(rows))
print(json.dumps({"start and load": loaded, "forward": forward}))
"""


def processor_seconds() -> float:
    """Of all processes of this one and of those, once they have ended."""
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    if not (WEIGHTS / "config.json").exists():
        print("error: there are no weights in smollm2/results; run `make smollm2-part` first")
        return 1
    stories = json.loads((ROOT / "data/stories/child.json").read_text(encoding="utf-8"))
    texts = [text for text in _strings(stories) if len(text.split()) > 20][:40]
    # Processes whose parent has ended become children of this one, and are counted.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "texts.json").write_text(json.dumps(texts))
        (folder / "texts.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))
        plain = [sys.executable, "-c", PLAIN, str(WEIGHTS), str(folder / "texts.json")]
        before = processor_seconds()
        done = subprocess.run(plain, check=True, capture_output=True, text=True, env=environment)
        whole_plain, parts = processor_seconds() - before, json.loads(done.stdout)
        shutil.copytree(WEIGHTS, folder / "smollm2")
        model = {"path": "smollm2", "layers": LAYERS, "width": WIDTH}
        dataset = {"path": "texts.jsonl", "controls": [], "token_losses": False}
        mine = {
            "hidden_states": "stream",
            "models": {"mine": model},
            "datasets": {"texts": dataset},
        }
        (folder / "mine.yaml").write_text(yaml.safe_dump(mine))
        shutil.copy(ROOT / "config.yaml", folder)
        command = ["snakemake", "figures/layers_mine_texts.pdf", "--cores", "1"]
        command += ["--directory", name, "--configfile", str(folder / "mine.yaml")]
        before = processor_seconds()
        subprocess.run(
            [sys.executable, "-m", *command],
            cwd=ROOT, check=True, env=environment, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        as_typed = processor_seconds() - before
        for log in sorted(folder.glob("results/logs/**/*.log")):
            print(
                f"  {log.relative_to(folder / 'results/logs')}: {log.read_text().splitlines()[-1]}"
            )
    allowed = 1.1 * parts["forward"] + 6
    print(f"plain script {whole_plain:.1f} s, of them {parts}")
    print(f"as typed {as_typed:.1f} s; 1.1 times the forward pass and 6 s are {allowed:.1f} s")
    return 0


def _strings(of: object) -> list[str]:
    if isinstance(of, str):
        return [of]
    parts = of.values() if isinstance(of, dict) else of if isinstance(of, list) else ()
    return [text for part in parts for text in _strings(part)]


if __name__ == "__main__":
    sys.exit(main())
