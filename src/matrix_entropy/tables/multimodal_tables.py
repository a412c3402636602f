"""The tables of vision-language models: Wei et al. 2024, Tables 4 (architectures), 5 and 6."""

from __future__ import annotations

from typing import Any

import pandas as pd

from matrix_entropy.figures.drawing import Runs, titled
from matrix_entropy.figures.numbers import in_order
from matrix_entropy.results.multimodal_metrics import (
    CONNECTOR_INPUT,
    FRESH,
    NONE,
    POSITIONS,
    SHUFFLES,
    image_reduction,
    image_text_alignment,
)
from matrix_entropy.results.multimodal_values import (
    multimodal_values,
    null_values,
    paired_changes,
)
from matrix_entropy.tables.making import Table, values_table
from matrix_entropy.tables.model_tables import KEYS, standard_errors
from matrix_entropy.tables.writing import TITLES, Layout

Entry = dict[str, Any]

# What the published table calls each operation on an image or on its tokens.
VARIANTS = {
    "none": "base",
    "rotated": "rotate_image_clockwise",
    "reversed": "reverse_after_connector",
}
# Columns of values that are shown, and what each is.
MEASURES = {"entropy_a": "matrix_entropy", "effective_rank_geometric": "effective_rank"}
COUNTS = ("texts", "undefined", "width")  # of one position each
REDUCTION, ALIGNMENT = "image_reduction", "image_text_alignment"
# Of `results.multimodal_values.null_values`, and how rows are called.
CONTROLS = {
    "alignment_here": "Control: alignment of these records",
    "alignment_shuffled": "Control: alignment, other images",
    "alignment_shuffled_std": "Control: its deviation over shuffles",
    "alignment_fresh": "Control: alignment, fresh connector",
    "alignment_fresh_std": "Control: its deviation over draws",
    "reduction_here": "Control: image reduction of these records",
    "reduction_fresh": "Control: image reduction, fresh connector",
    CONNECTOR_INPUT: "Control: H1 of the rows that the connector reads",
    "reduction_connector_input": "Control: image reduction from these rows",
}


def multimodal_table(
    values: pd.DataFrame, nulls: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, Layout]:
    """Table 5: H1 to H5, image reduction and image–text alignment; a column for each run.

    First those of ``H / log d``, as published, then those of effective ranks ``exp(mean H)``. The
    latter are the control of the former: H1 and H2 are divided by the logs of different widths, so
    that the reduction may have the other sign in effective ranks.

    Parameters
    ----------
    values : DataFrame
        One row per model, data set, operation and position: ``model``, ``model_title``, ``family``
        ("LLaVA-1.5"), ``size`` ("7B"), ``parameters``, ``stand_in``, ``dataset``,
        ``dataset_title``, ``published_dataset``, ``operation`` (of `VARIANTS`; only "none" is
        shown here), ``position`` (of `POSITIONS`), ``entropy_a`` (mean ``H / log d``),
        ``effective_rank_geometric``, ``width``, ``texts`` and ``undefined``.
    nulls : DataFrame, optional
        From `results.multimodal_values.null_values`: controls, below the numbers of their measure.

    Returns
    -------
    (DataFrame, Layout)
        For `tables.making.values_table`: one row
        per value. ``indicator`` is the published name of what is published. What needs a position
        that was not measured is NaN.
    """
    table = _long(values[values["operation"] == "none"])
    table = pd.concat([table, _derived(table)], ignore_index=True)
    if nulls is not None:
        runs = table[[*KEYS, "dataset_title", "variant"]].drop_duplicates()
        controls = runs.merge(nulls, on=["model", "dataset"])
        table = pd.concat([table, controls.rename(columns={"control": "position"})])
    return _described(table.reset_index(drop=True)), Layout(("measure", "quantity"), "run")


def operation_table(values: pd.DataFrame, changes: pd.DataFrame) -> tuple[pd.DataFrame, Layout]:
    """Table 6: H1 to H5 as they are, of rotated images and of reversed tokens; a column for each.

    Below those of ``H / log d`` stand their changes, image by image, with standard errors: they are
    far smaller than the differences between images.

    ``values`` and what is returned are as in `multimodal_table`, ``changes`` are from
    `results.multimodal_values.paired_changes`.
    """
    changes = changes.assign(measure="entropy_a", variant=changes["operation"].map(VARIANTS))
    keys = ["model", "dataset", "variant", "position", "measure"]
    table = _long(values).merge(changes.drop(columns="operation"), "left", keys)
    return _described(table), Layout(("run", "measure", "quantity"), "variant")


def _long(values: pd.DataFrame) -> pd.DataFrame:
    """One row per value, by measure, then by operation and position in the paper's order.

    With its ``standard_error`` over texts.
    """
    keys = [*KEYS, "dataset_title", "variant", "position"]
    table = values.assign(variant=values["operation"].map(VARIANTS))
    for column, order in (("position", POSITIONS), ("variant", tuple(VARIANTS.values()))):
        table = table.sort_values(column, key=lambda names: names.map(order.index), kind="stable")
    errors = standard_errors(table)[[*MEASURES]].melt()["value"]
    table = table[[*keys, *COUNTS, *MEASURES]].melt([*keys, *COUNTS], var_name="measure")
    return table.assign(standard_error=errors)


def _derived(table: pd.DataFrame) -> pd.DataFrame:
    """Image reduction and image–text alignment of every run and measure."""
    keys = [*KEYS, "dataset_title", "variant", "measure"]
    wide = table.pivot(index=keys, columns="position", values="value")
    h1, h2, h3, h4, h5 = (wide.reindex(columns=list(POSITIONS))[name] for name in POSITIONS)
    reduction = [image_reduction(*pair) for pair in zip(h1, h2, strict=True)]
    alignment = [image_text_alignment(*three) for three in zip(h3, h4, h5, strict=True)]
    runs = wide.index.to_frame(index=False)
    return pd.concat(
        [
            runs.assign(position=REDUCTION, value=reduction),
            runs.assign(position=ALIGNMENT, value=alignment),
        ]
    )


def _described(table: pd.DataFrame) -> pd.DataFrame:
    """The table, run by run, with the indicator of every value and the words of its rows."""
    position, measure = table["position"], table["measure"].map(MEASURES)
    # A difference of effective ranks is one; their quotient is not.
    of_ranks = (measure == "effective_rank") & (position == ALIGNMENT)
    indicator = measure.where(measure != "matrix_entropy", position)
    # Controls are called so in both measures: a published effective rank is held against none.
    indicator = indicator.where(~position.isin(CONTROLS), "control_" + position)
    titles = TITLES["indicator"]
    described = table.assign(
        indicator=indicator.where(~of_ranks, "effective_rank_alignment"),
        run=table["model_title"] + ", " + table["dataset_title"],
        measure=measure.map(titles),
        quantity=position.map(titles | CONTROLS),
    )
    described = described.astype(dict.fromkeys(COUNTS, "Int64"))
    return in_order(described, ["model", "dataset", "measure"])


def width_note(values: pd.DataFrame) -> str:
    """What a caption of Table 5 has to say of its numbers: by which widths each is divided.

    ``values`` as in `multimodal_table`.
    """
    widths = []
    for _, run in values.groupby("model", sort=False):
        title = run["model_title"].iloc[0]
        width = run.drop_duplicates("position").set_index("position")["width"]
        vision, language = (int(width[name]) for name in POSITIONS[:2])
        widths.append(f"{vision} and {language} for {title}")
    return (
        "H1 is divided by the log of the vision encoder's width, H2 to H5 by that of the language "
        f"model's ({', '.join(widths)}); effective ranks, exp(mean H), are divided by nothing. "
        "H3, H4 and H5 share a width, but N rows have at most the entropy log(N − 1)."
    )


def null_note(nulls: pd.DataFrame) -> str:
    """What a caption of Table 5 has to say of its controls."""
    fewest, most = nulls["texts"].min(), nulls["texts"].max()
    records = f"{most}" if fewest == most else f"{fewest} to {most}"
    return (
        f"Controls of this project, not of the paper, are of the first {records} records of each "
        f"run: each text behind another record's image ({len(SHUFFLES)} derangements) and behind a "
        f"connector with fresh weights ({len(FRESH)} draws), means and standard deviations (ddof "
        "1); and H1 of the rows that the connector reads, of MiniGPT-v2 four patches joined, "
        "divided by the log of their width."
    )


def architecture_table(models: dict[str, Entry]) -> pd.DataFrame:
    """Table 4: of what each model is made; a row per part, a column per model.

    Parameters
    ----------
    models : dict
        Entries of the configuration by name: ``title``, ``vision`` (``encoder``, ``layers``,
        ``width``, ``image_size``, ``patch``, ``image_tokens``), ``connector``, ``language_model``
        and that one's ``layers`` and ``width``. One with ``train`` is called a stand-in.
    """
    titles = [
        entry.get("title", name) + (" (stand-in)" if "train" in entry else "")
        for name, entry in models.items()
    ]
    columns = [_architecture(entry) for entry in models.values()]
    rows = [[part, *(column[part] for column in columns)] for part in columns[0]]
    return pd.DataFrame(rows, columns=["architecture", *titles])


def _architecture(entry: Entry) -> dict[str, Any]:
    vision = entry["vision"]
    return {
        "vision encoder": vision["encoder"],
        "its layers": vision["layers"],
        "its width": vision["width"],
        "image (pixels)": vision["image_size"],
        "patch (pixels)": vision["patch"],
        "connector": entry["connector"],
        "image tokens after it": vision["image_tokens"],
        "language model": entry["language_model"],
        "layers of the language model": entry["layers"],
        "width of the language model": entry["width"],
    }


def places(entry: Entry, runs: Runs) -> Table:
    """Table 5."""
    values, nulls = _values(runs), null_values(runs.metrics)
    values = values[values["operation"] == NONE]
    found = multimodal_table(values, nulls)
    return values_table(entry, *found, width_note(values), null_note(nulls))


def operations(entry: Entry, runs: Runs) -> Table:
    """Table 6."""
    values = _values(runs)
    found = operation_table(values, paired_changes(runs.metrics))
    return values_table(entry, *found, width_note(values))


def architectures(entry: Entry, runs: Runs) -> Table:
    """Table 4."""
    return Table(architecture_table(runs.models), f"{titled(entry)}.")


def _values(runs: Runs) -> pd.DataFrame:
    return multimodal_values(runs.metrics, runs.inputs["summaries"], runs.models, runs.datasets)
