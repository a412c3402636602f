"""Every number that a paper prints or draws beside the one rebuilt, with a verdict.

A number is judged by its tolerance (`published.tolerances`). Where the paper claims an effect and
the tolerance is as large, a number within it can tell nothing. Those of a stand-in, which is
another model, never are judged; in their place, and beside those of real models, stand directions
(`published.directions`): what rises in the paper, and whether it rises here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from matrix_entropy.base.errors import InputError, first_line
from matrix_entropy.base.files import read_csv
from matrix_entropy.configuration.experiments import models_of
from matrix_entropy.published.claims import claims_of
from matrix_entropy.published.counterparts import REAL_MODEL, TOLD_BY, counterparts
from matrix_entropy.published.curves import (
    TABLE_OF_FAMILY,
    TOKENS,
    published_family,
    published_layers,
)
from matrix_entropy.published.directions import (
    CANNOT_TELL,
    NO_DIRECTION,
    PAIRS,
    claimed_effects,
    half_interval,
    layer_directions,
    pair_directions,
    size_directions,
)
from matrix_entropy.published.tables import (
    NAMES,
    STAND_IN,
    UNPUBLISHED,
    WEI,
    published_models,
    published_values,
)
from matrix_entropy.published.tolerances import (
    WIDEST_OF_TABLES,
    Tolerance,
    tolerance_of_curve,
    tolerance_of_table,
)

Entry = dict[str, Any]

PASS, FAIL = "pass", "fail"
NOT_BUILT = "not built"
NOT_JUDGED = "not judged"
SAME, OTHER = "same direction", "other direction"
NUMBER, DIRECTION = "number", "direction"
COLUMNS = (
    *("paper", "item", "kind", "quantity", "model", "dataset", "group", "layer"),
    *("published", "rebuilt", "standard_error", "difference", "difference_over_error"),
    *("tolerance", "effect", "tolerance_over_effect", "reason"),
    *("published_direction", "rebuilt_direction", "published_p", "rebuilt_p", "chance", "verdict"),
)
NUMERIC = (
    *("layer", "published", "rebuilt", "standard_error", "difference", "difference_over_error"),
    *("tolerance", "effect", "tolerance_over_effect", "published_p", "rebuilt_p", "chance"),
)
# A direction that is told has two words, and values that know nothing of the paper either as often.
CHANCE = 0.5

# Tables of Wei et al. 2024 that are indicators against size, with a direction of each.
SIZE_TABLES = ("1", "8", "9")
# Columns of a figure across sizes, and what the tables call them.
INDICATORS = {
    "entropy_a": "matrix_entropy",
    "effective_rank_geometric": "effective_rank",
    "loss": "loss",
    "ppl_windows": "ppl_windows",
}
# Columns of a table that has them, over its texts.
ERRORS = ("standard_error", "change_standard_error")
OTHER_TEXTS = {"bundled", "generate"}  # keys of data sets whose texts were written here


def compare(
    entries: Mapping[str, Entry],
    models: Mapping[str, Entry],
    datasets: Mapping[str, Entry],
    paths: Iterable[str | Path],
) -> pd.DataFrame:
    """All that has a published counterpart beside it, one row per number or direction.

    Parameters
    ----------
    entries, models, datasets : mapping
        ``figures:`` with ``tables:``, ``models:`` and ``datasets:`` of the configuration, by name.
        Of a model are read ``train``, ``family`` and ``size``; of a data set ``published``,
        ``bundled`` and ``generate``.
    paths : iterable of path
        Files that may be there, ending as `counterparts` says; of those that are not, all numbers
        are "not built".

    Returns
    -------
    DataFrame
        ``paper``, ``item`` (figure or table), ``kind`` ("number" or "direction"), ``quantity``,
        ``model``, ``dataset``, ``group`` (or variant), ``layer`` (block, from 0), ``published``,
        ``rebuilt`` and its ``standard_error`` over texts, if the table has it; of a judged number
        ``difference`` (rebuilt − published), also in standard errors of ours
        (``difference_over_error``), ``tolerance`` and its ``reason``, and where the paper claims a
        change of it, that ``effect`` and
        ``tolerance_over_effect``; of a direction ``published_direction`` and
        ``rebuilt_direction``, of a rank correlation ``published_p`` and ``rebuilt_p`` (how often
        chance gives one as far from zero), and ``chance``, how often one that is told on both sides
        would agree by chance; ``verdict``: "pass", "fail", "cannot tell" (within a tolerance that
        is as large as the effect, or, of a direction, where one of the two sides has none),
        "stand-in, not comparable", "no published value", "not built", "not judged" (where no
        tolerance can be stated, or no paper has such a direction), "same direction" or "other
        direction".
    """
    built = {Path(path).as_posix(): Path(path) for path in paths if Path(path).exists()}
    called = {
        name: entry.get("published", name.replace("_", "-")) for name, entry in datasets.items()
    }
    parts = []
    for name, file in counterparts(entries).items():
        entry = entries[name]
        found = [path for posix, path in built.items() if f"/{posix}".endswith(f"/{file}")]
        rebuilt = read_csv(found[0]) if found else None
        if rebuilt is not None:
            _check_whose(name, entry, rebuilt, found[0])
        try:
            part = _compared(entry, models, datasets, rebuilt, called)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            if not found:
                raise
            raise InputError(
                f"{found[0]} has not the columns and values of {name} ({type(error).__name__}: "
                f"{first_line(error)}); delete it and run again."
            ) from error
        if entry["paper"] != REAL_MODEL:
            part = part.assign(paper=entry["paper"])
        parts.append(part.assign(item=name))
    compared = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return compared.reindex(columns=list(COLUMNS))


def _check_whose(name: str, entry: Entry, rebuilt: pd.DataFrame, path: Path) -> None:
    """See that a file of numbers is of the models, and a curve of the texts, of its entry."""
    expected = {"model": models_of(entry)}
    if entry.get("kind", "layers") == "layers":
        expected["dataset"] = [entry["dataset"]]
        if lacking := expected.keys() - {*rebuilt}:
            raise InputError(
                f"{path} does not say of which {min(lacking)} it is; delete it and run again."
            )
    for column, names in expected.items():
        # Of a model there are fine-tuned ones, and those with fresh weights.
        derived = tuple(f"{name}_{made}_" for name in names for made in ("lora", "untrained"))
        for found in rebuilt.get(column, pd.Series(dtype=str)).dropna().unique():
            if names and found not in names and not str(found).startswith(derived):
                raise InputError(
                    f"{path} is of the {column} '{found}', which '{name}' does not name; delete "
                    "it and run again."
                )


def _compared(
    entry: Entry,
    models: Mapping[str, Entry],
    datasets: Mapping[str, Entry],
    rebuilt: pd.DataFrame | None,
    called: Mapping[str, str],
) -> pd.DataFrame:
    """The rows of one figure or table, without its name."""
    kind = entry.get("kind", "layers")
    if entry["paper"] == REAL_MODEL:
        # None of the papers' models: of it the comparison has what their texts say in general.
        return _judged([], [] if rebuilt is None else claims_of(kind, rebuilt))
    if kind in TOLD_BY:
        return compare_words(kind, models_of(entry), models, rebuilt)
    if kind == "layers":
        # Other stories of that name are no more the paper's than a stand-in is its model.
        texts = datasets[entry["dataset"]]
        stand_in = "train" in models[entry["model"]] or not OTHER_TEXTS.isdisjoint(texts)
        return compare_layers(entry["paper"], entry["model"], entry["dataset"], rebuilt, stand_in)
    if kind == "scaling":
        return compare_scaling(entry, models, rebuilt, called)
    if kind == "token_selection":
        return compare_tokens(entry["model"], rebuilt)
    return compare_table(entry["paper"], str(entry["table"]), rebuilt)


def compare_words(
    kind: str, names: Collection[str], models: Mapping[str, Entry], rebuilt: pd.DataFrame | None
) -> pd.DataFrame:
    """What a paper's text says of a figure of its own models (`published.claims`).

    Of a stand-in the rows have its numbers, and no verdict; a row of several models is a stand-in's
    if one of them is.
    """
    rows = [] if rebuilt is None else claims_of(kind, rebuilt)
    judged = _judged([], rows)
    trained = {name for name in names if "train" in models[name]}
    whose = judged["model"].where(judged["model"] != "", next(iter(trained), ""))
    stand_in = whose.isin(trained)
    return judged.assign(
        verdict=judged["verdict"].where(~stand_in, STAND_IN),
        chance=judged["chance"].where(~stand_in),
    )


def compare_layers(
    paper: str, model: str, dataset: str, rebuilt: pd.DataFrame | None, stand_in: bool
) -> pd.DataFrame:
    """A figure of curves across blocks against `figures.kinds.layers.layer_curves`.

    A stand-in has other blocks than the model in the paper: of it there are directions only, and
    one row for every published point that says why.
    """
    published = published_layers(paper, model, dataset)
    ours: dict[tuple[str, int], Any] = {}
    curves: dict[str, np.ndarray] = {}
    if rebuilt is not None:
        ours = {(row.group, int(row.block)): row for row in rebuilt.itertuples()}
        by_group = rebuilt.sort_values("block", kind="stable").groupby("group", sort=False)
        curves = {str(group): part["normalised_mean"].to_numpy() for group, part in by_group}
    rows = []
    for point in published.itertuples():
        row = ours.get((point.group, int(point.block)))
        for quantity, value, error in (
            ("mean of H / log d", point.mean, point.mean_err),
            ("standard deviation of H / log d", point.std, point.std_err),
        ):
            # A stand-in's block of that number is not the same share of its depth.
            column = "normalised_mean" if quantity.startswith("mean") else "normalised_std"
            missing = row is None or stand_in
            rows.append(
                {
                    "quantity": quantity,
                    "group": point.group,
                    "layer": point.block,
                    "published": value,
                    "rebuilt": np.nan if missing else getattr(row, column),
                    "stand_in": stand_in and rebuilt is not None,
                    "allowed": tolerance_of_curve(error),
                }
            )
    by_group = published.groupby("group", sort=False)
    drawn = {str(group): part["mean"].to_numpy() for group, part in by_group}
    errors = {str(group): part["mean_err"].to_numpy() for group, part in by_group}
    judged = _judged(rows, layer_directions(drawn, errors, curves))
    return judged.assign(model=model, dataset=dataset)


def compare_scaling(
    entry: Entry,
    models: Mapping[str, Entry],
    rebuilt: pd.DataFrame | None,
    called: Mapping[str, str],
) -> pd.DataFrame:
    """Figure 1 or 6 of Wei et al. 2024, whose numbers are those of Tables 8 and 9.

    Models that the figure leaves out are not compared. ``called`` says what the paper calls each
    data set.
    """
    shown = [models[name] for name in entry["models"] if name not in entry.get("leave_out", [])]
    table = None
    if rebuilt is not None:
        keys = ["family", "size", "parameters", "stand_in", "dataset", "texts"]
        table = rebuilt[rebuilt["shown"]].melt(
            keys, list(INDICATORS), var_name="indicator", value_name="value"
        )
        table = table.replace({"indicator": INDICATORS})
        table["published_dataset"] = table["dataset"].map(called)
    parts = []
    for family in dict.fromkeys(str(model["family"]) for model in shown):
        sizes = [model["size"] for model in shown if model["family"] == family]
        ours = None if table is None else table[table["family"] == family]
        number = TABLE_OF_FAMILY.get(family.lower())
        if number is not None:
            parts.append(compare_table(WEI, number, ours, sizes))
    return pd.concat(parts, ignore_index=True) if parts else _judged([], [])


def compare_table(
    paper: str,
    table: str,
    rebuilt: pd.DataFrame | None,
    sizes: Collection[str] | None = None,
) -> pd.DataFrame:
    """A table of a paper against one of `tables.model_tables`, in long form.

    Parameters
    ----------
    paper, table : str
        The paper's folder, and the table's number in it. For Wei et al. 2024 tolerances follow
        from what is known of the numbers; other papers state theirs beside them.
    rebuilt : DataFrame or None
        ``family``, ``size``, ``parameters``, ``stand_in``, ``published_dataset``, ``indicator``,
        ``value``, ``texts`` and perhaps ``variant`` and ``position``.
    sizes : collection of str, optional
        Those that are compared; all by default.
    """
    of_wei = paper == WEI
    if of_wei and table in SIZE_TABLES:
        printed = published_family(table)
    else:
        printed = published_values(paper, table)
    if sizes is not None:
        printed = printed[printed["size"].isin(sizes)]
    printed = printed.rename(columns={"value": "published", "parameters": "published_parameters"})
    keys = ["model_family", "size", "dataset", "indicator", "variant"]
    numbers = printed.merge(_rebuilt_numbers(rebuilt), on=keys, how="outer", sort=False)
    numbers = numbers.fillna({"position": ""})
    numbers["stand_in"] = numbers["stand_in"].eq(True)  # nothing that was not built is one
    # An outer join sorts; the paper's order first, then what the paper does not print.
    order = pd.MultiIndex.from_frame(printed[keys])
    place = order.get_indexer(pd.MultiIndex.from_frame(numbers[keys]))
    numbers["place"] = np.where(place < 0, len(order), place)
    numbers = numbers.sort_values("place", kind="stable", ignore_index=True)
    numbers["model"] = numbers["model_family"] + "-" + numbers["size"]
    # Effective ranks are those that H / log d has, and of them no number is printed.
    ranks = numbers["indicator"] == "effective_rank"
    directions = numbers[numbers["published"].notna()]
    numbers["published"] = numbers["published"].where(~ranks)
    base = numbers[numbers["variant"] == "base"].set_index(["model", "dataset", "indicator"])
    effects = claimed_effects(numbers, table) if of_wei else {}
    widths = published_models().set_index(["model_family", "size"])["width"]
    rows = []
    for row in numbers.itertuples():
        if np.isnan(row.published) and np.isnan(row.rebuilt) and ranks[row.Index]:
            continue
        change = np.nan
        if row.variant == "lora" and not np.isnan(row.published):
            tuned_from = base.loc[(row.model, row.dataset, row.indicator), "published"]
            change = row.published - float(tuned_from)
        rows.append(
            {
                "quantity": row.indicator,
                "model": row.model,
                "dataset": row.dataset,
                "group": ", ".join(filter(None, (row.variant, row.position))),
                "published": row.published,
                "rebuilt": row.rebuilt,
                "standard_error": row.standard_error,
                "stand_in": row.stand_in,
                "effect": effects.get(row.Index, np.nan),
                "allowed": tolerance_of_table(
                    table,
                    row.indicator,
                    row.dataset,
                    row.variant,
                    row.published,
                    row.texts,
                    change,
                    widths.get((row.model_family, row.size), WIDEST_OF_TABLES),
                )
                if of_wei
                else _stated(row),
            }
        )
    found = []
    if of_wei and table in SIZE_TABLES:
        found = size_directions(directions)
    elif of_wei and table in PAIRS:
        found = pair_directions(directions, table, _errors_of_changes(numbers))
    return _judged(rows, found)


def _errors_of_changes(numbers: pd.DataFrame) -> dict[tuple[str, ...], float]:
    """Half of the 95 % interval of every paired change whose standard error stands in the table."""
    known = numbers[numbers["change_standard_error"].notna()]
    return {
        (row.model, row.dataset, row.indicator, row.variant): half_interval(
            row.change_standard_error, int(row.texts)
        )
        for row in known.itertuples()
    }


def _stated(row: Any) -> Tolerance:
    """The tolerance that a paper's folder states beside a number."""
    stated = getattr(row, "tolerance", np.nan)
    return Tolerance(stated, getattr(row, "reason", "") or "no tolerance is stated beside it")


def _rebuilt_numbers(rebuilt: pd.DataFrame | None) -> pd.DataFrame:
    """Ours under the paper's names, one row per number."""
    if rebuilt is None:
        columns = ["model_family", "size", "dataset", "indicator", "variant", "position"]
        numbers = pd.DataFrame(columns=columns, dtype=str)
        return numbers.assign(
            **{name: [] for name in ("rebuilt", "rebuilt_parameters", "texts", *ERRORS)},
            stand_in=False,
        )
    indicator = rebuilt["indicator"].replace(NAMES)
    numbers = pd.DataFrame(
        {
            "model_family": rebuilt["family"].str.lower(),
            "size": rebuilt["size"],
            "dataset": rebuilt["published_dataset"],
            "indicator": indicator,
            "variant": "",
            "position": "",
            "rebuilt": rebuilt["value"],
            "rebuilt_parameters": rebuilt["parameters"],
            "texts": rebuilt["texts"],
            "stand_in": rebuilt["stand_in"].astype(bool),
            **{name: rebuilt.get(name, np.nan) for name in ERRORS},
        }
    )
    if "variant" in rebuilt:
        # A column without any entry is read as numbers.
        numbers["variant"] = rebuilt["variant"].astype(object).fillna("")
    if "position" in rebuilt:  # where an indicator is that position, it need not say so twice
        numbers["position"] = rebuilt["position"].where(rebuilt["position"] != indicator, "")
    return numbers


def compare_tokens(model: str, rebuilt: pd.DataFrame | None) -> pd.DataFrame:
    """The tokens of Tan et al. 2024, section 4.2, against `token_selection.token_weights`.

    Two rows for every target and method. The first: how many tokens the paper lists, and how many
    of them are picked here, each as often as both have it; a listed token that the printed sentence
    lacks, as its commas, can be picked by nobody and is the tolerance. The second: how many further
    tokens are picked here, none in the paper. The threshold of the paper's figure is not said, and
    as many again as are listed are let pass: to pick every token of the sentence finds all that are
    listed, but fails by the further ones.
    """
    printed = pd.read_csv(TOKENS, keep_default_na=False)
    weights = None
    if rebuilt is not None:
        (sentence,) = printed["sentence"].unique()
        weights = _of_sentence(rebuilt, sentence)
    rows = []
    for (target, method), listed in printed.groupby(["target", "method"], sort=False):
        wanted = Counter(listed["picks"])
        lacking = sum(token not in listed["sentence"].iloc[0] for token in listed["picks"])
        common, further, stand_in = np.nan, np.nan, False
        if weights is not None:
            part = weights[weights["target"] == target]
            picked = Counter(part.loc[part[f"picked_{method}"], "token"].str.strip())
            common, further = (wanted & picked).total(), (picked - wanted).total()
            stand_in = bool(part["stand_in"].any())
        total = float(wanted.total())
        for quantity, count, found, allowed in (
            (
                "listed tokens that are picked",
                total,
                common,
                Tolerance(float(lacking), "listed tokens that the sentence lacks"),
            ),
            (
                "further tokens that are picked",
                0.0,
                further,
                Tolerance(total, "the threshold is not said: assumed, as many again as are listed"),
            ),
        ):
            rows.append(
                {
                    "quantity": quantity,
                    "model": model,
                    "dataset": "capitals",
                    "group": f"[{target}], {method}",
                    "published": count,
                    "rebuilt": found,
                    "stand_in": stand_in,
                    "allowed": allowed,
                }
            )
    return _judged(rows, [])


def _of_sentence(weights: pd.DataFrame, sentence: str) -> pd.DataFrame | None:
    """The rows of that sentence, known by its words; None if it is not among them."""
    for _, part in weights.groupby("sentence", sort=False):
        tokens = part[part["target"] == part["target"].iloc[0]].sort_values("position")
        if "".join(tokens["token"]).split() == sentence.split():
            return part
    return None


def _judged(rows: list[dict[str, Any]], directions: list[dict[str, Any]]) -> pd.DataFrame:
    """The columns `COLUMNS` of numbers, with ``allowed`` and ``stand_in``, and of directions."""
    judged = [_judged_number(row) for row in rows]
    for row in directions:
        verdict = _judged_direction(row["published_direction"], row["rebuilt_direction"])
        chance = CHANCE if verdict in (SAME, OTHER) else np.nan
        judged.append({"chance": chance, **row, "kind": DIRECTION, "verdict": verdict})
    empty = {name: np.nan if name in NUMERIC else "" for name in COLUMNS}
    frame = pd.DataFrame([{**empty, **row} for row in judged], columns=list(COLUMNS))
    return frame.astype(dict.fromkeys(NUMERIC, np.float64))


def _judged_direction(published: str, rebuilt: str) -> str:
    if not rebuilt:
        return NOT_BUILT
    if not published:
        return NOT_JUDGED
    if published in NO_DIRECTION or rebuilt in NO_DIRECTION:
        return CANNOT_TELL
    return SAME if published == rebuilt else OTHER


def _judged_number(row: dict[str, Any]) -> dict[str, Any]:
    allowed: Tolerance = row.pop("allowed")
    stand_in = row.pop("stand_in")
    row = {**row, "kind": NUMBER}
    if np.isnan(row["published"]):
        return {**row, "verdict": UNPUBLISHED}
    if stand_in:
        return {**row, "verdict": STAND_IN}
    if np.isnan(row["rebuilt"]):
        return {**row, "verdict": NOT_BUILT}
    difference = row["rebuilt"] - row["published"]
    row |= {"difference": difference, "reason": allowed.reason}
    if error := row.get("standard_error"):
        row["difference_over_error"] = difference / error
    if np.isnan(allowed.amount):
        return {**row, "verdict": NOT_JUDGED}
    # Decimals have no exact doubles: a difference of just the tolerance is no failure.
    within = abs(difference) <= allowed.amount * (1 + 1e-9)
    row["tolerance"] = allowed.amount
    share = allowed.amount / abs(row.get("effect", np.nan))
    hidden = share >= 1  # False of NaN: no effect is claimed
    verdict = FAIL if not within else CANNOT_TELL if hidden else PASS
    return {**row, "tolerance_over_effect": share, "verdict": verdict}


def summary(compared: pd.DataFrame) -> pd.DataFrame:
    """One row per item of `compare`: what was compared, and how it came out.

    Columns: ``paper``, ``item``; of numbers ``judged``, ``passed``, ``cannot_tell``, ``stand_in``,
    ``not_built``, ``unpublished`` and ``not_judged``; ``largest_difference`` with its ``tolerance``
    and ``where`` it is: that which exhausts most of its tolerance; ``directions`` that were
    compared and those that ``agree``; those that a stand-in cannot show are in ``stand_in`` too.
    """
    rows = []
    for (paper, item), part in compared.groupby(["paper", "item"], sort=False):
        numbers = part[part["kind"] == NUMBER]
        counts = numbers["verdict"].value_counts()
        row = {
            "paper": paper,
            "item": item,
            "judged": int(counts.reindex([PASS, FAIL]).sum()),
            "passed": int(counts.get(PASS, 0)),
            "cannot_tell": int(counts.get(CANNOT_TELL, 0)),
            "stand_in": int((part["verdict"] == STAND_IN).sum()),
            "not_built": int(counts.get(NOT_BUILT, 0)),
            "unpublished": int(counts.get(UNPUBLISHED, 0)),
            "not_judged": int(counts.get(NOT_JUDGED, 0)),
            **_worst(numbers[numbers["verdict"].isin([PASS, FAIL])]),
        }
        told = part[(part["kind"] == DIRECTION) & part["verdict"].isin([SAME, OTHER])]
        row["directions"] = len(told)
        row["agree"] = int((told["verdict"] == SAME).sum())
        row["by_chance"] = float(told["chance"].sum())
        rows.append(row)
    return pd.DataFrame(rows)


def _worst(judged: pd.DataFrame) -> dict[str, Any]:
    """The difference that exhausts most of its tolerance."""
    if judged.empty:
        return {"largest_difference": np.nan, "tolerance": np.nan, "where": ""}
    size = judged["difference"].abs()
    # Of two with no tolerance at all the larger is worse, and none is worse than any with one.
    share = (size / judged["tolerance"].clip(lower=np.finfo(float).tiny)).fillna(0)
    row = judged.loc[share.idxmax()]
    named = [row[name] for name in ("quantity", "model", "dataset", "group")]
    layer = "" if np.isnan(row["layer"]) else f"block {row['layer']:g}"
    return {
        "largest_difference": row["difference"],
        "tolerance": row["tolerance"],
        "where": ", ".join(filter(None, [*named, layer])),
    }
