"""A digest of the numbers behind every figure and table of the miniature, to notice that they move.

    python tests/golden.py miniature                # keeps the digest of what is built there
    python tests/golden.py --compare FOLDER OTHER   # two builds, number by number

A column is kept as three numbers: how many there are, their mean, and their mean weighted by the
row (a change of order moves it). Words are kept as a hash. Stand-ins are trained, so with other
kernels they end elsewhere (means move by up to 4e-3 of a column's largest value, deviations over
few texts by 5e-2): a digest says on which processors it was found, the one that it was made on and
others where a build was the same, and is held against builds there only.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from threadpoolctl import threadpool_info

DIGEST = Path(__file__).with_name("golden.csv")
KEYS = ["file", "column"]
LEAST = 1e-6  # of the largest value of a column
PROCESSOR = "# made on "
# UMAP's coordinates follow the last bit of the distances, which are compared themselves.
FREE = {("figures/tan_fig4_context_projection.csv", axis) for axis in ("x", "y")} | {
    (f"figures/tan_fig{number}.csv", axis)
    for number in ("5_js_distance", "6_distance_ablation")
    for axis in ("x", "y")
}


def tables(folder: Path) -> Iterator[tuple[str, pd.DataFrame]]:
    """The numbers of every figure and table built in a folder, by their path in it."""
    for pattern in ("figures/*.csv", "results/tables/*.csv"):
        for path in sorted(folder.glob(pattern)):
            yield path.relative_to(folder).as_posix(), pd.read_csv(path, keep_default_na=False)


def columns(folder: Path) -> Iterator[tuple[str, str, pd.Series]]:
    """Every column of them: numbers where all that stands in it are numbers or nothing."""
    for name, table in tables(folder):
        for column, values in table.items():
            if (name, column) not in FREE:
                words = values.astype(str)
                numbers = pd.to_numeric(words.replace("", np.nan), errors="coerce")
                alike = (numbers.isna() == words.eq("")).all()
                yield name, str(column), numbers if alike else words


def numeric(values: pd.Series) -> bool:
    return values.dtype.kind in "fiu"


def digest(folder: Path) -> pd.DataFrame:
    """A row per column: ``rows``, ``mean``, ``weighted``, ``largest`` of numbers, ``words``."""
    rows = []
    for name, column, values in columns(folder):
        row: dict[str, object] = {"file": name, "column": column, "rows": len(values)}
        if numeric(values):
            numbers = values.to_numpy(dtype=np.float64)
            known = np.flatnonzero(np.isfinite(numbers))
            numbers = numbers[known]
            row["rows"] = len(numbers)
            if len(numbers):
                row["mean"] = numbers.mean()
                row["weighted"] = np.average(numbers, weights=1 + known)
                row["largest"] = np.abs(numbers).max()
        else:
            row["words"] = hashlib.sha256("\n".join(values).encode()).hexdigest()[:12]
        rows.append(row)
    return pd.DataFrame(rows)


def moved(found: pd.DataFrame, expected: pd.DataFrame) -> pd.DataFrame:
    """``apart``: how far means moved, relative to the column's largest value; inf if not alike."""
    both = expected.merge(found, on=KEYS, how="outer", suffixes=("", "_found"), indicator=True)
    scale = both["largest"].where(both["largest"] > 0, 1.0)
    means = [(both[name] - both[f"{name}_found"]).abs() / scale for name in ("mean", "weighted")]
    alike = both["_merge"].eq("both") & both["rows"].eq(both["rows_found"])
    alike &= both["words"].fillna("").eq(both["words_found"].fillna(""))
    apart = pd.concat(means, axis=1).max(axis=1).fillna(0.0)
    return both[KEYS].assign(apart=apart.where(alike, math.inf))


def processor() -> str:
    """What decides which kernels torch and NumPy take."""
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
    lines = sorted({line for line in flags.splitlines() if line.startswith(("model", "flags"))})
    known = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]
    blas = {library.get("architecture") for library in threadpool_info()} - {None}
    return ", ".join([torch.backends.cpu.get_cpu_capability(), *sorted(blas), known])


def write(folder: Path) -> None:
    """Keep the digest of a build."""
    kept = digest(folder).sort_values(KEYS, ignore_index=True)
    text = kept.to_csv(index=False, float_format="%.9g")
    DIGEST.write_text(f"{PROCESSOR}{processor()}\n{text}", encoding="utf-8")


def read() -> tuple[list[str], pd.DataFrame]:
    """The processors and the digest that are kept."""
    first, _, text = DIGEST.read_text(encoding="utf-8").partition("\n")
    # A column may be called "null", and a hash may look like a number.
    kept = pd.read_csv(
        io.StringIO(text), keep_default_na=False, na_values=[""], dtype={"words": object}
    )
    return first.removeprefix(PROCESSOR).split("; "), kept


def compare(folder: Path, other: Path) -> int:
    """Print every column of which two builds differ: the largest difference of two numbers."""
    builds = [
        {(name, column): values for name, column, values in columns(each)}
        for each in (folder, other)
    ]
    differ = 0
    for key in sorted({*builds[0], *builds[1]}):
        ours, theirs = (build.get(key) for build in builds)
        if ours is None or theirs is None or len(ours) != len(theirs):
            said = "not in both, or not as long"
        elif numeric(ours) and numeric(theirs):
            largest = theirs.abs().max()
            apart = (ours - theirs).abs().max() / (largest if largest > 0 else 1.0)
            said = f"{apart:.1e} of the largest" if apart > LEAST else ""
            said = said if (ours.isna() == theirs.isna()).all() else "numbers in other places"
        else:
            said = "" if ours.astype(str).equals(theirs.astype(str)) else "other words"
        differ += bool(said)
        if said:
            print(*key, said)
    print(f"{differ} of {len({*builds[0], *builds[1]})} columns differ")
    return 1 if differ else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("other", type=Path, nargs="?")
    parser.add_argument("--compare", action="store_true")
    arguments = parser.parse_args()
    if arguments.compare and arguments.other:
        return compare(arguments.folder, arguments.other)
    write(arguments.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
