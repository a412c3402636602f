"""The tests of numbers as other machines would run them: `make sweep`.

Libraries choose their kernels by the processor. Told to take an older one's, they round otherwise,
which is what another machine does. Each setting runs the tests that compute in a process of its
own, in a random order; beside two busy loops, other tests' seconds would be seen; and every test
file of the whole suite is run alone with ``--all``, which takes long.

OpenBLAS takes only kernels that the processor has, so that some settings are left out and named.
torch refuses bfloat16 where it is told that the processor is older than it is.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
NUMBERS = (
    *("entropy", "spectra", "spectra_file", "streamed_spectra", "hidden_states", "one_by_one"),
    *("residual_stream", "token_losses", "information_gain", "gain_file", "distances"),
    *("eva_vit", "llava", "minigpt_v2", "multimodal", "lora", "training", "generation"),
    *("scaling", "sentences", "sentence_map", "token_selection", "errata_proofs", "prefix_null"),
    *("proofs_of_losses", "proofs_of_scaling", "proofs_of_skills", "proofs_of_stories"),
)
OLDER = ["-k", "not bfloat16"]
# Environment of a setting, and further arguments of pytest.
SETTINGS: dict[str, tuple[dict[str, str], list[str]]] = {
    "1 thread": ({}, []),
    "2 threads": ({"OMP_NUM_THREADS": "2"}, []),
    "torch: default": ({"ATEN_CPU_CAPABILITY": "default"}, OLDER),
    "torch: avx2": ({"ATEN_CPU_CAPABILITY": "avx2"}, OLDER),
    "OpenBLAS: Prescott": ({"OPENBLAS_CORETYPE": "Prescott"}, []),
    "OpenBLAS: Haswell": ({"OPENBLAS_CORETYPE": "Haswell"}, []),
    "OpenBLAS: SkylakeX": ({"OPENBLAS_CORETYPE": "SkylakeX"}, []),
}
BUSY = "beside two busy loops"
NEEDED = {"OpenBLAS: Haswell": "avx2", "OpenBLAS: SkylakeX": "avx512f", "torch: avx2": "avx2"}


def flags() -> set[str]:
    """What the processor can do, as Linux says; nothing elsewhere."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return set(next((line for line in lines if line.startswith("flags")), "").split())


def passes(name: str, files: list[Path], environment: dict[str, str], more: list[str]) -> bool:
    """Run tests in one setting and say how it went."""
    told = os.environ | {"OMP_NUM_THREADS": "1"} | environment
    command = [sys.executable, "-m", "pytest", "-q", *map(str, files), *more]
    done = subprocess.run(command, cwd=ROOT, env=told, capture_output=True, text=True)
    said = done.stdout.strip().splitlines() or done.stderr.strip().splitlines()
    print(f"{name}: {said[-1] if said else done.returncode}", flush=True)
    good = done.returncode in (0, 5)  # 5: a file without a test
    if not good:
        print(done.stdout[-6000:], flush=True)
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", default="1", help="of the random order")
    parser.add_argument("--files", nargs="*", default=NUMBERS, help="names without test_")
    parser.add_argument("--all", action="store_true", help="also every test file alone")
    arguments = parser.parse_args()
    files = [ROOT / f"tests/test_{name}.py" for name in arguments.files]
    order, can, failed = ["--shuffle", arguments.seed], flags(), []
    for name, (environment, more) in SETTINGS.items():
        if NEEDED.get(name, "") not in can | {""}:
            print(f"{name}: left out, this processor has no {NEEDED[name]}")
        elif not passes(name, files, environment, [*more, *order]):
            failed.append(name)
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        if not passes(BUSY, files, {}, order):
            failed.append(BUSY)
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
    for file in sorted((ROOT / "tests").glob("test_*.py")) if arguments.all else []:
        if not passes(file.name, [file], {}, order):
            failed.append(file.name)
    print("failed: " + (", ".join(failed) or "none"))
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
