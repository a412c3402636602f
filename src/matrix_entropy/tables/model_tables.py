"""The tables across models: which rows and columns each kind has, from the models' values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from matrix_entropy.figures.drawing import Runs, titled
from matrix_entropy.results.intermediates import read_accuracies, read_origin
from matrix_entropy.results.model_values import CHANGES, change_of, text_values
from matrix_entropy.tables.making import Table, values_table
from matrix_entropy.tables.writing import Layout

Entry = dict[str, Any]

CONTROLS_OF_PREFIXES = (
    "Controls of this project, not of the paper: in the place of each prompt as many random "
    "tokens, drawn anew for every text, or as many of a text about something else; and the same "
    "rows without the first, or without those of more than ten times the median norm, of which "
    "there seldom are any after the last normalisation. Each reduction is from the same rows "
    "behind no prompt."
)

# Columns of values that are indicators of a table, in its order.
INDICATORS = {
    "entropy_a": "matrix_entropy",
    "effective_rank_geometric": "effective_rank",
    "loss": "loss",
    "ppl_token": "ppl_token",
    "ppl_windows": "ppl_windows",
}
PERPLEXITIES = ("ppl_token", "ppl_windows")
# Views that Table 3 shows, and what the name of an indicator says of them.
ROWS_LEFT_OUT = {
    "all_rows": "",
    "without_first_row": "_without_first_row",
    "without_long_rows": "_without_long_rows",
}
KEYS = (
    *("model", "model_title", "family", "size", "parameters", "stand_in", "weights"),
    *("dataset", "published_dataset"),
)


def long_table(values: pd.DataFrame, indicators: Sequence[str]) -> pd.DataFrame:
    """One row per value: the columns `KEYS`, ``variant``, ``texts``, ``indicator``, ``value``.

    With its ``standard_error`` over texts, or over windows where these were read.
    """
    keys = [*KEYS, "dataset_title", "variant", "texts"]
    columns = [column for column in INDICATORS if column in indicators]
    table = values[[*keys, *columns]].melt(keys, var_name="indicator", value_name="value")
    errors = standard_errors(values)[columns].melt()["value"]
    return table.replace({"indicator": INDICATORS}).assign(standard_error=errors)


def standard_errors(values: pd.DataFrame) -> pd.DataFrame:
    """The standard error of every mean of `INDICATORS`, to first order where it is no mean itself.

    NaN of a single text. ``values`` are from `results.model_values.model_values`.
    """
    texts = values["texts"] - values["undefined"]
    entropy = values["entropy_a_std"] / np.sqrt((texts - 1).where(texts > 1))
    of_rank = values["effective_rank_geometric"] * np.log(values["width"]) * entropy
    errors = pd.DataFrame({"entropy_a": entropy, "effective_rank_geometric": of_rank})
    # Summaries of an older version have none.
    of_loss = [column for column in INDICATORS if column not in errors]
    return errors.assign(
        **{column: values.get(f"{column}_sem", np.nan) for column in of_loss},
    )


def indicator_table(
    values: pd.DataFrame, accuracies: Sequence[str], perplexity: bool
) -> tuple[pd.DataFrame, Layout]:
    """Tables 1, 8 and 9: every indicator of every data set, a column for each size.

    Parameters
    ----------
    values : DataFrame
        From `results.model_values.model_values`.
    accuracies : sequence of str
        ``{model}/{dataset}.json`` of the benchmarks, if any.
    perplexity : bool
        Whether perplexities are among the indicators.
    """
    shown = [name for name in INDICATORS if perplexity or name not in PERPLEXITIES]
    table = long_table(values, shown)
    frames = [_accuracy(values, accuracies), table] if accuracies else [table]
    table = _in_order(pd.concat(frames, ignore_index=True), values)
    return table, Layout(("dataset_title", "indicator"), "size")


def _accuracy(values: pd.DataFrame, paths: Sequence[str]) -> pd.DataFrame:
    found = {path.split("/")[-2]: read_accuracies(path) for path in paths}
    rows = values[[*KEYS, "dataset_title", "variant", "texts"]].copy()
    rows["indicator"] = "accuracy"
    # A single question has no standard error (None).
    for column, key in (("value", "accuracy"), ("standard_error", "accuracy_stderr")):
        rows[column] = [
            found[model].get(dataset, {}).get(key)
            for model, dataset in zip(rows["model"], rows["dataset"], strict=True)
        ]
    return rows.astype({"value": float, "standard_error": float}).dropna(subset="value")


def lora_table(
    values: pd.DataFrame, texts: pd.DataFrame, models: dict[str, Entry]
) -> tuple[pd.DataFrame, Layout]:
    """Table 2: entropy and loss on the training texts before and after fine-tuning.

    ``texts``, from `results.model_values.text_values`, are those of the same runs.
    """
    bases = {name: entry["lora"]["model"] for name, entry in models.items() if "lora" in entry}
    values = values.assign(variant=np.where(values["model"].isin([*bases]), "lora", "base"))
    table = long_table(values, ("entropy_a", "effective_rank_geometric", "loss"))
    runs = dict(iter(texts.set_index("text").groupby(["model", "dataset"])))
    changes = [
        {"model": model, "dataset": dataset, "variant": "lora", "indicator": INDICATORS[column]}
        | change_of(before[column], after[column])
        for (model, dataset), after in runs.items()
        if (before := runs.get((bases.get(model), dataset))) is not None
        for column in INDICATORS
        if column in after
    ]
    keys = ["model", "dataset", "variant", "indicator"]
    table = table.merge(pd.DataFrame(changes, columns=[*keys, *CHANGES]), "left", keys)
    return _in_order(table, values), Layout(("dataset_title", "indicator", "variant"), "size")


def variant_table(
    values: pd.DataFrame, texts: pd.DataFrame, changes: dict[str, Entry]
) -> tuple[pd.DataFrame, Layout]:
    """Table 3: entropy for every variant, the mean of all but the first, a column for each.

    Below it stand its controls, as far as the data set has them: the same rows without the first
    one and without long ones, and what stands in the place of a prefix (``like:`` of ``changes``),
    in the column of that prefix; several draws in one place count as their mean.

    Parameters
    ----------
    values : DataFrame
        From `results.model_values.model_values`, of every view.
    texts : DataFrame
        From `results.model_values.text_values`, of the same runs and views.
    changes : dict
        The variants of the data set.

    Returns
    -------
    (DataFrame, Layout)
        ``indicator`` is matrix_entropy of what the paper measures; of a control it goes on with
        ``_random_tokens`` or ``_unrelated_text``, then ``_without_first_row`` or
        ``_without_long_rows``.
    """
    values = _with_controls(values.sort_values("order", kind="stable"), changes)
    keys = [*KEYS, "dataset_title", "texts", "control", "of_rows"]
    table = values.groupby([*keys, "variant"], sort=False, as_index=False)["entropy_a"].mean()
    table = table.rename(columns={"entropy_a": "value"})
    base = table["variant"] == next(iter(changes))
    mean = table[~base].groupby(keys, sort=False, as_index=False)["value"].mean()
    # What Table 3 calls the average of its prompts 1 to 3.
    mean["variant"] = average = f"average_1_to_{table.loc[~base, 'variant'].nunique()}"
    same = ["model", "of_rows"]
    unchanged = mean[same].merge(table[base], on=same, how="left")["value"]
    fall = mean.assign(variant="reduction", value=unchanged - mean["value"])
    table = pd.concat([table, mean, fall], ignore_index=True)
    shown = [
        f"matrix_entropy{control}{rows}"
        for rows in ROWS_LEFT_OUT.values()
        for control in ("", "_random_tokens", "_unrelated_text")
    ]
    table = table.sort_values("control", key=lambda found: found.map(shown.index), kind="stable")
    table = table.rename(columns={"control": "indicator"}).drop(columns="of_rows")
    errors = _errors_of_variants(_with_controls(texts, changes), next(iter(changes)), average)
    table = table.merge(errors, "left", ["model", "dataset", "variant", "indicator"])
    heads = ("size", "indicator") if table["indicator"].nunique() > 1 else ("size",)
    return _in_order(table, values), Layout(heads, "variant")


def _with_controls(rows: pd.DataFrame, changes: dict[str, Entry]) -> pd.DataFrame:
    """Rows of the views that Table 3 shows, in the place of which prefix each stands, and how."""
    rows = rows[rows["view"].isin(ROWS_LEFT_OUT)]
    stand_in_for = {name: change.get("like", name) for name, change in changes.items()}
    instead = {
        name: ("_unrelated_text" if "text" in change else "_random_tokens")
        if "like" in change
        else ""
        for name, change in changes.items()
    }
    of_control, of_rows = rows["variant"].map(instead), rows["view"].map(ROWS_LEFT_OUT)
    return rows.assign(
        control="matrix_entropy" + of_control + of_rows,
        of_rows=of_rows,
        variant=rows["variant"].map(stand_in_for),
    )


def _errors_of_variants(texts: pd.DataFrame, first: str, average: str) -> pd.DataFrame:
    """Standard errors of `variant_table`, and changes of the same texts to the first variant."""
    keys = ["model", "dataset", "of_rows", "control"]
    of_texts = texts.groupby([*keys, "text", "variant"], sort=False)["entropy_a"].mean()
    wide = of_texts.unstack("variant")
    before = wide[first].dropna().droplevel("control")
    rows = []
    for (model, dataset, of_rows, control), part in wide.groupby(level=keys, sort=False):
        where = {"model": model, "dataset": dataset, "indicator": control}
        # A control need not stand in the place of every prompt, and has no text without one.
        part = part.droplevel(keys).dropna(axis=1, how="all")
        prompts = part.drop(columns=first, errors="ignore")
        part = part.assign(**{average: prompts.mean(axis=1, skipna=False)})
        for variant in part:
            found = {**where, "variant": variant, "standard_error": part[variant].sem()}
            if variant != first:
                found |= change_of(before.loc[model, dataset, of_rows], part[variant])
            rows.append(found)
        # The average, which is the last, has the error that the fall to it has.
        error = rows[-1]["change_standard_error"]
        rows.append({**where, "variant": "reduction", "standard_error": error})
    return pd.DataFrame(rows)


def sample_table(values: pd.DataFrame) -> tuple[pd.DataFrame, Layout]:
    """Table 7: entropy for every sample of one source, and their standard deviation (ddof 1).

    Samples are called by what follows the beginning that their names share (``wikipedia_``).
    """
    names = list(dict.fromkeys(values["dataset"]))
    source = _shared_beginning(names)
    values = values.assign(
        variant=values["dataset"].str.removeprefix(f"{source}_"),
        dataset=source,
        dataset_title=source,
        published_dataset=source.replace("_", "-"),
    )
    table = long_table(values, ("entropy_a",))
    keys = [*KEYS, "dataset_title", "indicator"]
    spread = table.groupby(keys, sort=False, as_index=False)["value"].std(ddof=1)
    table = pd.concat([table, spread.assign(variant="standard_deviation")], ignore_index=True)
    # A sample's name may promise another size than this scale has.
    counted = table["variant"] + " (" + table["texts"].map("{:.0f} texts)".format)
    table["sample"] = counted.where(table["texts"].notna(), "standard deviation")
    return table, Layout(("size",), "sample")


def _shared_beginning(names: Sequence[str]) -> str:
    """The words, parted by underscores, that all names begin with; else ``samples``."""
    shared: list[str] = []
    for words in zip(*(name.split("_") for name in names), strict=False):
        if len(set(words)) > 1:
            break
        shared.append(words[0])
    return "_".join(shared) or "samples"


def _in_order(table: pd.DataFrame, values: pd.DataFrame) -> pd.DataFrame:
    """Rows by data set as in ``values``; within one, as they are."""
    order = list(dict.fromkeys(values["dataset"]))
    position = table["dataset"].map(order.index)
    return table.loc[position.sort_values(kind="stable").index].reset_index(drop=True)


def prompt_table(changes: dict[str, Entry]) -> pd.DataFrame:
    """Table 10: the prefixes of a data set's variants."""
    prefixes = {name: change["prefix"] for name, change in changes.items() if "prefix" in change}
    return pd.DataFrame({"id": list(prefixes), "prompt": list(prefixes.values())})


def source_table(origins: dict[str, Entry], datasets: dict[str, Entry]) -> pd.DataFrame:
    """Where the texts of data sets come from: source, revision, licence, rows, hash.

    The hash is the resolved commit of a hub data set, else the SHA-256 of the file. ``rows`` are
    the records of the source, ``texts`` those that are left after empty ones and sampling.
    """
    rows = []
    for name, origin in origins.items():
        entry, generate = datasets[name], origin.get("generate", {})
        made_here = (
            f"generated by the grammar {generate.get('grammar')}, seed {generate.get('seed')}"
        )
        rows.append(
            {
                "name": name,
                "data set": entry.get("title", name),
                "source": made_here if "grammar" in generate else origin["source"],
                "revision": origin.get("revision", ""),
                "licence": entry.get("licence") or origin.get("licence", ""),
                "rows": origin.get("records", origin["texts"]),
                "texts": origin["texts"],
                "hash": origin.get("commit") or origin.get("sha256", ""),
            }
        )
    return pd.DataFrame(rows)


def indicators(entry: Entry, runs: Runs) -> Table:
    """Tables 1, 8 and 9."""
    accuracies = runs.inputs.get("accuracies", [])
    found = indicator_table(runs.values(), accuracies, entry["perplexity"])
    return values_table(entry, *found)


def lora(entry: Entry, runs: Runs) -> Table:
    """Table 2."""
    texts = text_values(runs.metrics, runs.datasets)
    return values_table(entry, *lora_table(runs.values(), texts, runs.models))


def variants(entry: Entry, runs: Runs) -> Table:
    """Table 3."""
    changes = runs.datasets[entry["dataset"]]["variants"]["changes"]
    texts = text_values(runs.metrics, runs.datasets, [*ROWS_LEFT_OUT])
    found, layout = variant_table(runs.values(view=None), texts, changes)
    controls = found["indicator"].nunique() > 1
    return values_table(entry, found, layout, *([CONTROLS_OF_PREFIXES] if controls else []))


def samples(entry: Entry, runs: Runs) -> Table:
    """Table 7."""
    return values_table(entry, *sample_table(runs.values()))


def prompts(entry: Entry, runs: Runs) -> Table:
    """Table 10."""
    changes = runs.datasets[entry["dataset"]]["variants"]["changes"]
    return Table(prompt_table(changes), f"{titled(entry)}.")


def sources(entry: Entry, runs: Runs) -> Table:
    """Where texts come from."""
    origins = {
        Path(path).name.removesuffix(".origin.json"): read_origin(path)
        for path in runs.inputs["origins"]
    }
    return Table(source_table(origins, runs.datasets), f"{titled(entry)}.")
