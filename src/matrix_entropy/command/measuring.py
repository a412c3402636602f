"""`matrix-entropy measure`: a model on texts, to a file of a row per layer and text, or a table."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import write_csv, writing

ENDINGS = (".csv", ".parquet")
# Of the table of means, what is shown, where it is there; behind it what was asked for, and losses.
SHOWN = (
    *("group", "layer", "texts", "tokens_mean", "matrix_entropy", "entropy_a"),
    "effective_rank",
)


def add_to(parts: Any) -> None:
    """Describe this part of the command line."""
    part = parts.add_parser(
        "measure",
        help="measure a model on texts",
        description="Measure a model on texts: a row per layer and text into FILE, or means over "
        "the texts on the terminal.",
        allow_abbrev=False,
    )
    part.add_argument("model", help="a folder, a GGUF file, or an id of the hub")
    part.add_argument(
        "texts", nargs="+", type=Path, help=".txt (one text a line), JSON, JSON Lines, CSV, Parquet"
    )
    part.add_argument("-o", "--output", type=output, metavar="FILE", help="a .csv or .parquet")
    part.add_argument(
        "--layers", type=layers, default="all", metavar="LIST",
        help="such as 0,6,final; -1 counts from the end (--layers=-2); default all",
    )  # fmt: skip
    part.add_argument("--max-tokens", type=int, metavar="N", help="cut texts here")
    part.add_argument("--min-tokens", type=int, default=0, metavar="N", help="leave out shorter")
    part.add_argument("--metrics", type=names, default="all", metavar="LIST", help="default all")
    part.add_argument(
        "--measures", type=names, default=[], metavar="LIST",
        help="of hidden states: curvature, intrinsic_dimension, ..., or all; default none",
    )  # fmt: skip
    part.add_argument(
        "--controls", type=names, default=[], metavar="LIST",
        help="also without_first_row, equal_length, without_long_rows, ...",
    )  # fmt: skip
    part.add_argument("--no-losses", dest="losses", action="store_false", help="no output matrix")
    part.add_argument("--bos", action="store_true", help="put the token in front of every text")
    part.add_argument("--center-features", action="store_true", help="subtract each row's own mean")
    part.add_argument(
        "--spectra-precision", choices=("double", "single"), default="double",
        help="of eigenvalues; single is faster, for entropies and some metrics only",
    )  # fmt: skip
    part.add_argument("--dtype", help="float32 (default), bfloat16, float16")
    part.add_argument("--device", help="cpu, cuda, cuda:1, auto (over all GPUs)")
    part.add_argument("--batch-tokens", type=int, metavar="N", help="tokens in a batch")
    part.add_argument("--revision", help="branch, tag or commit on the hub")
    part.add_argument("--convert-weights", action="store_true", help="of a pickle on the hub")
    part.add_argument("--field", default="text", help="of a file's records; default text")
    part.add_argument("--group-field", metavar="FIELD", help="the field that names the group")
    part.add_argument("--skip-empty", action="store_true", help="leave out empty texts")
    part.add_argument("--streams", help="mean: of a model with several streams per token")
    part.add_argument("--threads", type=int, metavar="N", help="for spectra; default all")
    part.add_argument("--quiet", dest="progress", action="store_false", help="no bar of progress")
    part.set_defaults(run=run)


def output(path: str) -> Path:
    """A file to write, of a kind that its name says."""
    if Path(path).suffix not in ENDINGS:
        raise argparse.ArgumentTypeError(f"{path} ends neither in .csv nor in .parquet")
    return Path(path)


def names(text: str) -> str | list[str]:
    """Names with commas between, or all.

    Examples
    --------
    >>> names("a, b"), names("all")
    (['a', 'b'], 'all')
    """
    return text if text == "all" else [name.strip() for name in text.split(",") if name.strip()]


def layers(text: str) -> str | list[int | str]:
    """Layers with commas between, or all.

    Examples
    --------
    >>> layers("0, -2,final"), layers("all")
    ([0, -2, 'final'], 'all')
    """
    found = names(text)
    if isinstance(found, str):
        return found
    return [int(name) if name.lstrip("-").isdecimal() else name for name in found]


def run(asked: argparse.Namespace) -> None:
    """Measure, and write or show what came out."""
    from matrix_entropy.api.measured import Asked, measured
    from matrix_entropy.api.summaries import summarise
    from matrix_entropy.results import columns

    if asked.output is not None and asked.output.is_dir():
        raise InputError(f"{asked.output} is a folder; name a file.")
    options = {name: value for name, value in vars(asked).items() if name in Asked.__annotations__}
    table = measured(asked.model, asked.texts, Asked(**options))
    if asked.output is None:
        means = summarise(table)
        names = (*SHOWN, *(each.name for each in columns.if_asked()), "loss")
        shown = means[[name for name in names if name in means]]
        print(shown.to_string(index=False, float_format=lambda value: f"{value:.4f}"))
    elif asked.output.suffix == ".csv":
        write_csv(asked.output, table)
    else:
        with writing(asked.output) as temporary:
            table.to_parquet(temporary, index=False)
