"""Whether the first group of a panel has the higher entropy: gaps, their errors, tests of them.

A text's value is its mean over blocks of ``H / log d``. The same states are looked at in four ways,
since a gap can come from long rows (attention sinks) and from length: all rows, long rows left out,
texts cut to equal length, and both. Where length is not cut it is a covariate instead: the gap that
is left between texts of the same ``log N``, ``N`` being a text's tokens, by a line and by a bend.

The texts are the sample: a small p says that other texts of this kind would differ too, in this
model. No p is corrected for the number of panels, ways and models; that of the blocks is. A large p
is no equality: how small a difference the texts can exclude, the margin of equivalence says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from matrix_entropy.base.errors import InputError
from matrix_entropy.figures.kinds.run_curves import NO_GROUPS, Entry, run_captions, run_metrics
from matrix_entropy.figures.text import probability
from matrix_entropy.maths.covariates import (
    ORDERS,
    Adjusted,
    adjusted_groups,
    adjusted_pairs,
    explained,
)
from matrix_entropy.maths.group_tests import (
    SEED,
    Difference,
    Floats,
    Permutations,
    paired,
    permuted_groups,
    permuted_signs,
    welch,
)

VALUE = "matrix_entropy_normalised"
ALL_ROWS, WITHOUT_LONG = "all rows", "long rows left out"
TREATMENTS = {
    ALL_ROWS: VALUE,
    WITHOUT_LONG: f"{VALUE}_without_long_rows",
    "equal length": f"{VALUE}_equal_length",
    "both": f"{VALUE}_equal_length_without_long_rows",
}
OF_FULL_LENGTH = (ALL_ROWS, WITHOUT_LONG)
# What a gap is called at equal length, and how many powers of log N are its covariates.
POWERS = {"adjusted_": 1, "curved_": 2}
UNIT = 1000  # gaps are shown in thousandths of H / log d
MISSING = "–"


def group_gaps(
    metrics: Sequence[str], models: dict[str, Entry], datasets: dict[str, Entry]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Gaps of every model, panel of two groups and treatment: of texts' means, and block by block.

    Parameters are those of `figures.kinds.run_curves.run_metrics`. If a data set's entry has
    ``paired``, the texts at the same place of two groups are a pair.

    Returns
    -------
    means : DataFrame
        A row per model, panel and treatment, after `IDENTITY`, ``panel``, ``gap`` ("good − bad"),
        ``treatment``, ``paired``: ``texts_first``, ``texts_second`` and ``left_out``, the texts
        without an entropy at some block (and the other ones of their pairs); ``difference``, its
        ``standard_error``, ``low`` and ``high`` of the 95 % t interval, ``equal_within`` (the
        smallest margin of equivalence), ``p`` of the permutation test, ``p_blocks`` (max-t over
        blocks), ``relabellings`` and whether these are all (``exact``); the same of the difference
        at equal log N, ``adjusted_difference`` and so on, with its ``slope``, and of that at equal
        log N and its square, ``curved_difference`` and so on (`maths.covariates`), NaN where length
        is cut; and the medians over blocks of R² of log N, over all texts of the data set's panels,
        those of the panel, and within its groups.
    blocks : DataFrame
        A row per block as well: ``difference``, ``standard_error``, ``low`` and ``high`` of a band
        in which the gaps of all blocks lie together with 95 %, ``p``, ``p_blocks``.

    Raises
    ------
    InputError
        If a data set was not measured with all treatments, no panel has two groups, or groups of
        pairs have unlike numbers of texts.
    """
    means: list[Entry] = []
    blocks: list[pd.DataFrame] = []
    for called, table, panels in run_metrics(metrics, models, datasets):
        _require_treatments(called["dataset"], table)
        pairs = bool(datasets[called["dataset"]].get("paired", False))
        table = table[~table["layer"].isin(["0", "final"])]
        whole = table[table["group"].isin([group for some in panels.values() for group in some])]
        for panel, groups in panels.items():
            if len(groups) != 2:
                continue
            for treatment, column in TREATMENTS.items():
                head = {
                    **called,
                    "panel": panel,
                    "gap": " − ".join(groups),
                    "treatment": treatment,
                    "paired": pairs,
                }
                texts = [_texts(table[table["group"] == group], column) for group in groups]
                if pairs and len(texts[0]) != len(texts[1]):
                    raise InputError(
                        f"data set '{called['dataset']}' has `paired:`, but "
                        f"{len(texts[0])} texts in '{groups[0]}' and {len(texts[1])} in "
                        f"'{groups[1]}'; remove it, or give both as many."
                    )
                kept = _with_an_entropy(texts, pairs)
                if min(map(len, kept)) < 2:
                    raise InputError(
                        f"data set '{called['dataset']}' has fewer than two texts with an entropy "
                        f"in a group of '{panel}' ({treatment}); use more or longer texts."
                    )
                of_mean, of_blocks = _gap(kept[0], kept[1], pairs)
                all_texts = _texts(whole, column).dropna()
                counts = {
                    "texts_first": len(kept[0]),
                    "texts_second": len(kept[1]),
                    "left_out": sum(map(len, texts)) - sum(map(len, kept)),
                }
                r_squared = {"r_squared_all": _median_r_squared([all_texts])}
                means.append(head | counts | of_mean | r_squared)
                blocks.append(of_blocks.assign(**head)[[*head, *of_blocks]])
    if not means:
        raise InputError(NO_GROUPS)
    return _without_length(pd.DataFrame(means)), pd.concat(blocks, ignore_index=True)


def _require_treatments(dataset: str, table: pd.DataFrame) -> None:
    """Stop with a sentence if texts were not measured in all ways."""
    missing = [column for column in TREATMENTS.values() if column not in table]
    if missing:
        names = ", ".join(f"`{column.removeprefix(f'{VALUE}_')}`" for column in missing)
        raise InputError(
            f"data set '{dataset}' was not measured in every way; add {names} to its `controls:`."
        )


def _texts(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """A row per text, in the order of the source, a column per block; indexed by log N."""
    names = ["group", "id"]
    texts = rows.drop_duplicates(names).set_index(names)
    wide = rows.pivot(index=names, columns="layer", values=column).reindex(texts.index)
    blocks = sorted(wide, key=int)
    return wide[blocks].set_index(np.log(texts["tokens"].to_numpy(float)))


def _with_an_entropy(groups: list[pd.DataFrame], pairs: bool) -> list[pd.DataFrame]:
    """The texts that have an entropy at every block; pairs of which both have."""
    defined = [group.notna().all(axis=1).to_numpy() for group in groups]
    if pairs:
        defined = [np.logical_and(*defined)] * 2
    return [group[keep] for group, keep in zip(groups, defined, strict=True)]


def _gap(first: pd.DataFrame, second: pd.DataFrame, pairs: bool) -> tuple[Entry, pd.DataFrame]:
    """What is found of two groups: of the means over blocks, and block by block."""
    of_blocks, by_blocks = _tested(first.to_numpy(), second.to_numpy(), pairs)
    one, other = (group.mean(axis=1).to_numpy()[:, None] for group in (first, second))
    gap, test = _tested(one, other, pairs)
    at_equal_length: Entry = {}
    for name, powers in POWERS.items():
        of_first, of_second = (
            group.index.to_numpy()[:, None] ** range(1, powers + 1) for group in (first, second)
        )
        found = _adjusted(one, other, of_first, of_second, pairs)
        of_each = _adjusted(first.to_numpy(), second.to_numpy(), of_first, of_second, pairs).test
        if powers == 1:
            at_equal_length["slope"] = found.slopes[0, 0]
        at_equal_length |= {
            **_interval(name, found.gap),
            f"{name}p": found.test.p[0],
            f"{name}p_blocks": np.min(of_each.p_family),
        }
    means = {
        **_interval("", gap),
        "p": test.p[0],
        "p_blocks": np.min(by_blocks.p_family),
        "relabellings": test.count,
        "exact": test.exact,
        **at_equal_length,
        "r_squared_panel": _median_r_squared([pd.concat([first, second])]),
        "r_squared_within": _median_r_squared([first, second]),
    }
    blocks = pd.DataFrame(
        {
            "block": [int(layer) - 1 for layer in first],
            "difference": of_blocks.mean,
            "standard_error": of_blocks.standard_error,
            "low": of_blocks.mean - by_blocks.critical * of_blocks.standard_error,
            "high": of_blocks.mean + by_blocks.critical * of_blocks.standard_error,
            "p": by_blocks.p,
            "p_blocks": by_blocks.p_family,
        }
    )
    return means, blocks


def _tested(first: Floats, second: Floats, pairs: bool) -> tuple[Difference, Permutations]:
    if pairs:
        return paired(first - second), permuted_signs(first - second)
    return welch(first, second), permuted_groups(first, second)


def _adjusted(
    first: Floats, second: Floats, of_first: Floats, of_second: Floats, pairs: bool
) -> Adjusted:
    if pairs:
        return adjusted_pairs(first - second, of_first - of_second)
    return adjusted_groups(first, second, of_first, of_second)


def _interval(name: str, found: Difference) -> Entry:
    return {
        name + "difference": found.mean[0],
        name + "standard_error": found.standard_error[0],
        name + "low": (found.mean - found.margin)[0],
        name + "high": (found.mean + found.margin)[0],
        name + "equal_within": found.equal_within[0],
    }


def _median_r_squared(groups: list[pd.DataFrame]) -> float:
    """Median over blocks of R² of log N, within the groups."""
    texts = pd.concat(groups)
    sizes = [len(group) for group in groups]
    return float(np.median(explained(texts.index.to_numpy(), texts.to_numpy(), sizes)))


def _without_length(means: pd.DataFrame) -> pd.DataFrame:
    """Nothing of a length that the texts had before they were cut."""
    of_length = ["slope", *(name for name in means if name.startswith((*POWERS, "r_squared")))]
    means.loc[~means["treatment"].isin(OF_FULL_LENGTH), of_length] = np.nan
    return means


def gap_rows(means: pd.DataFrame) -> pd.DataFrame:
    """The means as a table to read, in words: rows per panel, a column per treatment."""
    rows = []
    for (_, panel, gap), part in means.groupby(["model", "panel", "gap"], sort=False):
        title = part["model_title"].iloc[0]  # which two models may share
        head = {"model": title, "texts": f"{panel}: {gap}" if panel else gap}
        for what, cell in CELLS.items():
            words = {row["treatment"]: cell(row) for row in part.to_dict("records")}
            rows.append({**head, "": what, **words})
            head = dict.fromkeys(head, "")
    table = pd.DataFrame(rows)
    return table.drop(columns="model") if means["model"].nunique() == 1 else table


def _gap_words(row: Entry) -> str:
    return with_error(row["difference"], row["standard_error"])


def _interval_words(row: Entry) -> str:
    return f"{thousandths(row['low'])} to {thousandths(row['high'])}"


def _p_words(row: Entry, name: str = "") -> str:
    return f"{probability(row[f'{name}p'])} ({probability(row[f'{name}p_blocks'])})"


def _adjusted_words(name: str) -> Callable[[Entry], str]:
    def words(row: Entry) -> str:
        gap, error = row[f"{name}difference"], row[f"{name}standard_error"]
        return MISSING if np.isnan(gap) else f"{with_error(gap, error)}, {_p_words(row, name)}"

    return words


def _equal_words(row: Entry) -> str:
    margins = [row[f"{name}equal_within"] for name in ("", *POWERS)]
    return ", ".join(f"{UNIT * margin:.1f}" for margin in margins if not np.isnan(margin))


def _r_squared_words(row: Entry) -> str:
    shares = [row[f"r_squared_{of}"] for of in ("all", "panel", "within")]
    if np.isnan(shares).all():
        return MISSING
    return ", ".join(f"{share:.3f}" for share in shares)


def _texts_words(row: Entry) -> str:
    words = f"{row['texts_first']} and {row['texts_second']}"
    return f"{words}, {row['left_out']} left out" if row["left_out"] else words


CELLS = {
    "gap ± standard error": _gap_words,
    "95 % interval": _interval_words,
    "p (max-t over blocks)": _p_words,
    "at equal log length, p (max-t)": _adjusted_words("adjusted_"),
    "and its square, p (max-t)": _adjusted_words("curved_"),
    "equal within (TOST): gap, at equal log length, and its square": _equal_words,
    "R² of log length: all, panel, within groups": _r_squared_words,
    "texts": _texts_words,
}


def thousandths(value: float) -> str:
    """A difference of ``H / log d`` in thousandths.

    Examples
    --------
    >>> thousandths(-0.00449), thousandths(0.0303)
    ('−4.5', '+30.3')
    """
    return f"{round(UNIT * value, 1) + 0.0:+.1f}".replace("-", "−")


def with_error(difference: float, standard_error: float) -> str:
    """A difference of ``H / log d`` and its standard error in thousandths.

    Examples
    --------
    >>> with_error(0.0303, 0.01018)
    '+30.3 ± 10.2'
    """
    return f"{thousandths(difference)} ± {UNIT * standard_error:.1f}"


def gap_caption(title: str, means: pd.DataFrame) -> str:
    """What the table says of itself: models, units, errors, and how the gaps were tested."""
    title, words = run_captions(title, means)
    named = f"{title}. {words}" if means["stand_in"].any() else title
    return (
        f"{named}. Gaps of H / log d in thousandths, the first group less the second, of "
        f"the texts' means over blocks; {tests_words(means)}. In brackets the smallest p of a "
        f"block, corrected for all blocks by the largest |t| (max-t). {LENGTH_WORDS}. Equal "
        "within: the smallest margin that two one-sided tests of 5 % find the gap inside of. R²: "
        "medians over blocks. No p is corrected for the number of rows and columns."
    )


LENGTH_WORDS = (
    "At equal log length, and at equal log length and its square: regression with one slope in "
    "both groups, HC2 standard error with the degrees of freedom of Bell and McCaffrey, p of "
    "Freedman and Lane's relabelled residuals (of pairs their signs, of groups "
    f"{ORDERS:,} orders drawn with seed {SEED})"
)


def tests_words(means: pd.DataFrame) -> str:
    """What is an error here, and of how many relabellings p is, drawn or all."""
    told = []
    for pairs, part in means.groupby("paired", sort=False):
        ways = []
        for row in part.drop_duplicates(["exact", "relabellings"]).to_dict("records"):
            number = row["relabellings"] - (not row["exact"])
            ways.append(
                f"all {number:,} ways to {'turn pairs round' if pairs else 'mix the groups'}"
                if row["exact"]
                else f"{number:,} of them, drawn with seed {SEED}"
            )
        names = " and ".join(dict.fromkeys(part["dataset_title"]))
        error = "of the differences of pairs" if pairs else "Welch's"
        told.append(f"{names}: standard error over texts {error}, {' or '.join(ways)}")
    return f"p of a two-sided permutation test of gap / standard error ({'; '.join(told)})"
