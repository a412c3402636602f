"""`matrix-entropy plot`: the figure across blocks, from tables that `measure` wrote."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import read_csv

if TYPE_CHECKING:
    import pandas as pd

ENDINGS = (".pdf", ".png")


def add_to(parts: Any) -> None:
    """Describe this part of the command line."""
    part = parts.add_parser(
        "plot",
        help="draw tables of `measure` across the blocks",
        description="Draw matrix entropy / log d across the blocks, a curve per group of texts; of "
        "several tables a curve per model.",
        allow_abbrev=False,
    )
    part.add_argument("tables", nargs="+", type=Path, help="files that `measure -o` wrote")
    part.add_argument(
        "-o", "--output", type=output, required=True, metavar="FILE", help="a .pdf or .png"
    )
    part.add_argument("--title", help="above the figure")
    part.set_defaults(run=run)


def output(path: str) -> Path:
    """A file to draw into, of a kind that its name says."""
    if Path(path).suffix not in ENDINGS:
        raise argparse.ArgumentTypeError(f"{path} ends neither in .pdf nor in .png")
    return Path(path)


def run(asked: argparse.Namespace) -> None:
    """Draw the figure."""
    import pandas as pd

    from matrix_entropy.api.summaries import check_once
    from matrix_entropy.figures.kinds.layers import draw_layers, layer_curves
    from matrix_entropy.figures.style import save_figure

    tables = pd.concat([_table(path) for path in asked.tables], ignore_index=True)
    try:
        check_once(tables)
    except ValueError as error:
        raise InputError(f"{', '.join(map(str, asked.tables))}: {error}") from None
    models = list(dict.fromkeys(tables["model"]))
    texts = tables.drop_duplicates(["model", "group", "id"]).groupby("model").size()
    if len(models) > 1:
        groups = tables["group"].where(tables["group"] != "all", "")
        tables["group"] = tables["model"] + groups.map(lambda group: f", {group}" if group else "")
    curves = layer_curves(tables, {"": list(dict.fromkeys(tables["group"]))})
    title = asked.title or f"Matrix entropy across the blocks of {', '.join(models)}"
    words = "; ".join(f"{model}: {texts[model]} texts" for model in models)
    drawn = draw_layers(curves, title, f"{words}; from {', '.join(map(str, asked.tables))}")
    save_figure(drawn, curves, [asked.output])


def _table(path: Path) -> pd.DataFrame:
    """A table that `measure` wrote, if the figure can be drawn of it."""
    import pandas as pd

    from matrix_entropy.figures.kinds.layers import BOUND, VALUE

    if not path.is_file():
        raise InputError(f"there is no table {path}; write one with `measure -o {path}`.")
    if path.suffix == ".parquet":
        try:
            table = pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise InputError(f"{path} is no Parquet file ({error}); measure again.") from None
    else:
        table = read_csv(path, "layer", "id")
    needed = ("model", "id", "group", "layer", "tokens", VALUE, BOUND)
    if missing := [name for name in needed if name not in table]:
        raise InputError(f"{path} lacks {', '.join(missing)}; draw what `measure` wrote whole.")
    return table
