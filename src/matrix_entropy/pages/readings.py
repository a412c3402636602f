"""Small tables and ends of curves, read from the numbers of figures for the paper notebooks.

They pick and rename rows, and take means and differences of what the figures draw.
"""

from __future__ import annotations

import pandas as pd

from matrix_entropy.figures.kinds.group_gaps import with_error
from matrix_entropy.figures.text import probability

# Mean over the texts of a group, as the paper draws it and with its controls.
VERSIONS = {
    "as drawn": "normalised_mean",
    "without first row": "normalised_without_first_row_mean",
    "equal lengths": "normalised_equal_length_mean",
}


def group_gaps(curves: pd.DataFrame) -> pd.DataFrame:
    """Of a figure across blocks, how far the first group of each panel lies above the second.

    Parameters
    ----------
    curves : DataFrame
        As `figures.kinds.layers.layer_curves` gives them, two groups a panel.

    Returns
    -------
    DataFrame
        A row per panel: ``panel``, ``first − second``, their mean ``tokens``, ``blocks above``
        (in how many the first group is higher, of how many), and the difference of the means of
        H / log d, averaged over the blocks: ``as drawn``, ``without first row``, ``equal lengths``,
        the last two as far as they were measured.
    """
    rows = []
    for panel, part in curves.groupby("panel", sort=False):
        first, second = dict.fromkeys(part["group"])
        one, other = (
            part[part["group"] == group].set_index("block").sort_index()
            for group in (first, second)
        )
        gaps = {
            title: one[column] - other[column]
            for title, column in VERSIONS.items()
            if column in part
        }
        drawn = gaps["as drawn"]
        rows.append(
            {
                "panel": panel,
                "first − second": f"{first} − {second}",
                "tokens": " / ".join(f"{side['tokens_mean'].iloc[0]:.0f}" for side in (one, other)),
                "blocks above": f"{int((drawn > 0).sum())} of {len(drawn)}",
                **{title: gap.mean() for title, gap in gaps.items()},
            }
        )
    return pd.DataFrame(rows)


def gap_words(means: pd.DataFrame, panel: str, treatment: str) -> str:
    """A gap in thousandths of H / log d with its error and p, as a sentence has it.

    ``means`` are those of `figures.kinds.group_gaps.group_gaps`, of one model.
    """
    found = means[(means["panel"] == panel) & (means["treatment"] == treatment)].iloc[0]
    gap = with_error(found["difference"], found["standard_error"])
    return f"{gap} (p {probability(found['p'])})"


def size_ends(values: pd.DataFrame, columns: dict[str, str]) -> pd.DataFrame:
    """Of a figure across sizes, the smallest and the largest model of each family and data set.

    ``columns`` are those to show, each with its head. Models that the figure leaves out are none.
    """
    if "shown" in values:
        values = values[values["shown"]]
    rows = []
    for _, part in values.groupby(["family", "dataset"], sort=False):
        least, most = (
            part.loc[find()] for find in (part["parameters"].idxmin, part["parameters"].idxmax)
        )
        rows.append(
            {
                "data set": least["dataset_title"],
                "models": f"{least['family']} {least['size']}, {most['size']}",
                **{
                    f"{head}, {end}": row[column]
                    for column, head in columns.items()
                    for end, row in (("smallest", least), ("largest", most))
                },
            }
        )
    return pd.DataFrame(rows)


def fit_rows(fits: pd.DataFrame, columns: dict[str, str], **chosen: str) -> pd.DataFrame:
    """Rows of fits whose columns have the chosen values, with some columns under other heads."""
    for name, value in chosen.items():
        fits = fits[fits[name] == value]
    return fits[list(columns)].rename(columns=columns).reset_index(drop=True)


def separations(places: pd.DataFrame) -> pd.DataFrame:
    """Of a map of sentences, how well contexts separate by each measure, and the null beside it.

    Both are means over the sentences, of silhouettes that belong to the measure, not to the map.
    """
    columns = {"silhouette": "silhouette of contexts", "null_silhouette": "of the null"}
    means = places.groupby("measure", sort=False)[list(columns)].mean().reset_index()
    means["measure"] = means["measure"].str.replace("_", " ")
    return means.rename(columns=columns)
