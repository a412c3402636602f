"""Models of the published entropies compared: a constant rank, laws of size, a law of width.

Every series is looked at four ways, as neither what its sizes are nor which models belong in it is
beyond doubt: with the number of parameters by which a model is called and with that of its blocks
alone, ``12 · layers · width²`` (without embeddings, as Wei et al. 2024 say of eq. 3); and with all
models and without the one in doubt.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pandas as pd

from matrix_entropy.maths.model_comparison import (
    collinearity_of_size_and_width,
    compare_models,
    slope_of_rank,
)

# The loss of Cerebras-GPT-13B does not fit the others' (`loss_13b` in the errata), and the paper
# leaves Pythia-1B out of its Figure 6.
IN_DOUBT = {"Cerebras-GPT": "13B", "Pythia": "1B"}
NAMED, BLOCKS = "as named", "blocks"


def model_comparison(numbers: pd.DataFrame) -> pd.DataFrame:
    """Rows of table, data set, what counts as ``size`` and which model is ``left_out``, if one is.

    Of each of `maths.model_comparison.compare_models`: ``NAME_degrees`` of freedom that its
    residuals have, ``NAME_aicc`` (to be compared within a row) and ``NAME_left_out_error`` (in
    ``H / log d``). ``rank_slope`` with ``rank_t`` and ``rank_p`` is the line of the log effective
    rank on the log size, ``correlation`` and ``variance_inflation`` are of log size and log width.

    Parameters
    ----------
    numbers : DataFrame
        ``table``, ``panel``, ``family``, ``size``, ``parameters``, ``layers``, ``width``,
        ``dataset`` and ``entropy_normalised``.
    """
    rows = []
    for (panel, dataset), series in numbers.groupby(["panel", "dataset"], sort=False):
        family = series["family"].iloc[0]
        blocks = 12 * series["layers"] * series["width"] ** 2
        for called, sizes in ((NAMED, series["parameters"]), (BLOCKS, blocks)):
            for left_out in ("", IN_DOUBT[family]):
                kept = series["size"] != left_out
                where = {
                    "table": series["table"].iloc[0],
                    "panel": panel,
                    "family": family,
                    "dataset": dataset,
                    "size": called,
                    "left_out": left_out,
                    "models": int(kept.sum()),
                }
                part = series[kept]
                found = _found(sizes[kept], part["width"], part["entropy_normalised"])
                rows.append(where | found)
    return pd.DataFrame(rows)


def _found(size: pd.Series, width: pd.Series, entropy: pd.Series) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, fit in compare_models(size, width, entropy).items():
        row[f"{name}_degrees"] = fit.degrees
        row[f"{name}_aicc"] = fit.aicc
        row[f"{name}_left_out_error"] = fit.left_out_error
    slope = slope_of_rank(size, width, entropy)
    row |= {"rank_slope": slope.slope, "rank_t": slope.t, "rank_p": slope.p}
    return row | asdict(collinearity_of_size_and_width(size, width))
