"""Claims in words that numbers of several figures, or of a whole table, decide.

Each is a set of differences, all of which are positive if the claim holds. The same differences are
taken of the published numbers and of the rebuilt ones, from the rows of `published.comparison`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise, permutations

import numpy as np
import pandas as pd

from matrix_entropy.published.tables import STAND_IN, WEI

# Of two standard deviations over points of which none is read wrong by more than 0.00058, and of
# two printed numbers.
READ, ROUNDED = 1.2e-3, 1e-4
LIANG = "liang2024"
CURVE = "mean of H / log d"
OF_SEVERAL = "no: it takes several models"
NOT_BUILT = "not built"


@dataclass(frozen=True)
class TextClaim:
    """What a paper says, and the differences that are positive if it is so.

    Attributes
    ----------
    paper, said, where, decides : str
        The paper's folder, the claim, its section, and what the differences are of.
    differences : callable
        From the rows that were compared and the side ("published" or "rebuilt"); NaN where a
        number is missing.
    unclear : float
        Differences no further from zero are neither.
    one_model : str
        Whether one real model can answer it.
    """

    paper: str
    said: str
    where: str
    decides: str
    differences: Callable[[pd.DataFrame, str], list[float]]
    unclear: float
    one_model: str


def _spread(blocks: pd.Series) -> float:
    """Standard deviation over blocks, to the digits that are told."""
    return float(blocks.to_numpy().std())


def _spreads(compared: pd.DataFrame, side: str, dataset: str) -> pd.DataFrame:
    """Standard deviation over blocks, of every group (columns) and model (rows)."""
    rows = compared[(compared["quantity"] == CURVE) & (compared["dataset"] == dataset)]
    if rows.empty:
        raise KeyError(dataset)
    return rows.groupby(["model", "group"])[side].agg(_spread).unstack()


def _stable_28m(compared: pd.DataFrame, side: str) -> list[float]:
    found = _spreads(compared, side, "child")
    return list(found.loc["tinystories_3m"] - found.loc["tinystories_28m"])


def _stable_utopian(compared: pd.DataFrame, side: str) -> list[float]:
    found = _spreads(compared, side, "world").loc[["tinystories_3m", "tinystories_28m"]]
    return list(found["dystopian"] - found["utopian"])


def _consistent(compared: pd.DataFrame, side: str) -> list[float]:
    found = _spreads(compared, side, "child")
    larger = found.loc[["gpt2_medium", "gpt2_large"]]
    return list((found.loc["gpt2_small"] - larger).to_numpy().ravel())


def _predictable(compared: pd.DataFrame, side: str) -> list[float]:
    world, child = (_spreads(compared, side, name).mean(axis=1) for name in ("world", "child"))
    return list(world - child)


def _table(compared: pd.DataFrame, side: str, item: str) -> pd.DataFrame:
    rows = compared[(compared["item"] == item) & compared["published"].notna()]
    if rows.empty:
        raise KeyError(item)
    return rows[rows["kind"] == "number"].assign(value=rows[side])


def _diversity(compared: pd.DataFrame, side: str) -> list[float]:
    """openwebtext2 less the next, and the next but hh-rlhf less that, of every model."""
    rows = pd.concat(
        [_table(compared, side, f"wei_table{name}") for name in ("8_cerebras", "9_pythia")]
    )
    rows = rows[rows["quantity"] == "matrix_entropy"]
    wide = rows.pivot(index="model", columns="dataset", values="value")
    most, least = wide.pop("openwebtext2"), wide.pop("hh-rlhf")
    above, below = most - wide.max(axis=1, skipna=False), wide.min(axis=1, skipna=False) - least
    return [*above, *below]


def _reductions(compared: pd.DataFrame, side: str) -> list[float]:
    rows = _table(compared, side, "wei_table3_prompts")
    wide = rows.pivot(index="model", columns="group", values="value")
    names = [f"cerebras-gpt-{size}" for size in ("1.3B", "2.7B", "6.7B")]
    found = (wide["empty"] - wide["average_1_to_3"]).loc[names]
    return [larger - smaller for smaller, larger in pairwise(found)]


def _alignments(compared: pd.DataFrame, side: str) -> list[float]:
    """Score of every run less the mean score of entropies of three different runs."""
    rows = _table(compared, side, "wei_table5_mllm")
    runs = rows.pivot(index=["model", "dataset"], columns="quantity", values="value")
    places = runs[["h3_llm_image", "h4_llm_text", "h5_llm_image_text"]].to_numpy()

    def score(entropies: np.ndarray) -> float:
        return float(entropies.min() / entropies.max())

    null = np.mean(
        [score(places[list(three), range(3)]) for three in permutations(range(len(places)), 3)]
    )
    return [score(own) - float(null) for own in places]


def _operation(variant: str, *places: str) -> Callable[[pd.DataFrame, str], list[float]]:
    """Changes of H at these places of Table 6, rises as positive."""

    def differences(compared: pd.DataFrame, side: str) -> list[float]:
        rows = _table(compared, side, "wei_table6_image_operations")
        wide = rows.pivot(index="quantity", columns="group", values="value").loc[list(places)]
        change = list(wide[variant] - wide["base"])
        return change if variant.startswith("rotate") else [-value for value in change]

    return differences


CLAIMS = (
    TextClaim(
        LIANG,
        "the 28M model has a more stable profile across layers than the 3M model",
        "Liang 2024, 4.1.1", "standard deviation over blocks, 3M less 28M, of four groups",
        _stable_28m, READ, OF_SEVERAL,
    ),
    TextClaim(
        LIANG,
        "utopian stories have the more stable entropy across layers, in both TinyStories models",
        "Liang 2024, 4.2.1", "standard deviation over blocks, dystopian less utopian",
        _stable_utopian, READ, "yes, of itself",
    ),
    TextClaim(
        LIANG,
        "GPT-2 Medium and Large have “more consistent entropy values across layers”",
        "Liang 2024, 5.1",
        "standard deviation over blocks of child stories, Small less Medium and less Large",
        _consistent, READ, OF_SEVERAL,
    ),
    TextClaim(
        LIANG,
        "child stories show “more predictability across all model sizes” than world stories",
        "Liang 2024, 5.2",
        "standard deviation over blocks, mean of the groups, world less child, of five models; our "
        "reading of predictability",
        _predictable, READ, "yes, of itself",
    ),
    TextClaim(
        WEI,
        "openwebtext2 “exhibits the greatest diversity”, hh-rlhf the least, by their entropy",
        "Wei et al. 2024, 5.2.1",
        "H / log d of openwebtext2 less the next, and of the last but hh-rlhf less that, of every "
        "model; lengths of texts differ and set the entropy's bound",
        _diversity, ROUNDED, "yes, of the order of the same data sets",
    ),
    TextClaim(
        WEI,
        "“the average reduction of matrix entropy gets larger” in larger models",
        "Wei et al. 2024, 5.3.3",
        "average reduction by prompts, of a size less of the next smaller; both of two are "
        "positive by chance one time in six",
        _reductions, ROUNDED, OF_SEVERAL,
    ),
    TextClaim(
        WEI,
        "“all models align well”", "Wei et al. 2024, 6.2",
        "alignment score less the mean score of H3, H4 and H5 of three different runs",
        _alignments, ROUNDED, "no: a text model has no images",
    ),
    TextClaim(
        WEI,
        "rotation raises all entropies that see the image, so the model understands positions",
        "Wei et al. 2024, 6.2, Table 6",
        "rise of H1, H2, H3 and H5; of what follows from it no number of the table decides",
        _operation("rotate_image_clockwise", "h1_vision_encoder", "h2_connector", "h3_llm_image",
                   "h5_llm_image_text"),
        ROUNDED, "no: a text model has no images",
    ),
    TextClaim(
        WEI,
        "reversal after the connector lowers H3 and H5, so what is seen comes from the encoder",
        "Wei et al. 2024, 6.2, Table 6",
        "fall of H3 and H5; of what follows from it no number of the table decides",
        _operation("reverse_after_connector", "h3_llm_image", "h5_llm_image_text"),
        ROUNDED, "no: a text model has no images",
    ),
)  # fmt: skip


def text_claims(compared: pd.DataFrame) -> pd.DataFrame:
    """The claims all of whose published numbers are among what was compared, a row each.

    Columns: ``said``, ``where``, ``decides``, ``published`` and ``rebuilt``, what the differences
    say on each side, and ``one_model``. ``rebuilt`` is "stand-in, not comparable" or "not built"
    where a number is.
    """
    rows = []
    for found in CLAIMS:
        of_paper = compared[compared["paper"] == found.paper]
        stand_ins = of_paper["verdict"] == STAND_IN
        of_paper = of_paper.assign(rebuilt=of_paper["rebuilt"].where(~stand_ins))
        try:
            printed = found.differences(of_paper, "published")
            ours = found.differences(of_paper, "rebuilt")
        except KeyError:  # other figures or tables are compared
            continue
        if np.isnan(printed).any():
            continue
        missing = STAND_IN if stand_ins.any() else NOT_BUILT
        rows.append(
            {
                "said": found.said,
                "where": found.where,
                "decides": found.decides,
                "published": counted(printed, found.unclear),
                "rebuilt": missing if np.isnan(ours).any() else counted(ours, found.unclear),
                "one_model": found.one_model,
            }
        )
    return pd.DataFrame(rows)


# Of curves across blocks, what is counted of a text.
WAYS = {"normalised_mean": "all rows", "normalised_without_long_rows_mean": "long rows left out"}


def of_one_model(child: pd.DataFrame, world: pd.DataFrame, lengths: pd.DataFrame) -> pd.DataFrame:
    """Of the claims that one model can answer, what its numbers say, a row for each and way.

    What decides is what decides of the published numbers; errors over texts are not in it.

    Parameters
    ----------
    child, world : DataFrame
        Numbers of a figure across blocks (`figures.kinds.layers.layer_curves`) of stories for
        children and of worlds, the utopian and the dystopian.
    lengths : DataFrame
        Numbers of a figure of the same texts cut to ``tokens_kept`` (kind ``context_length``).

    Returns
    -------
    DataFrame
        ``said``, ``where``, ``rows`` (which of a text count) and ``here``, the verdict.
    """
    rows = []
    for column, way in WAYS.items():
        spreads = [curves.groupby("group")[column].agg(_spread) for curves in (child, world)]
        differences = {
            "Liang 2024, 4.2.1": spreads[1]["dystopian"] - spreads[1]["utopian"],
            "Liang 2024, 5.2": spreads[1].mean() - spreads[0].mean(),
        }
        rows += [(where, way, _of_one(found)) for where, found in differences.items()]
    kept = lengths.set_index("tokens_kept")["entropy_a"].sort_index()
    rise = kept.iloc[-1] - kept.iloc[0]
    rows.append(
        (
            "Wei et al. 2024, 5.2.1",
            "all rows",
            "cannot tell: its data sets are not at hand, and the same texts cut to "
            f"{kept.index[0]} and to {kept.index[-1]} tokens differ by {rise:+.3f}, so that an "
            "order of data sets can be one of lengths",
        )
    )
    said = {claim.where: claim.said for claim in CLAIMS}
    found = pd.DataFrame(rows, columns=["where", "rows", "here"])
    return found.assign(said=found["where"].map(said))[["said", "where", "rows", "here"]]


def _of_one(difference: float) -> str:
    """What a single difference says of a claim."""
    words = ("neither", "holds", "contrary")
    told = words[int(np.sign(difference)) if abs(difference) > READ else 0]
    return f"{told} ({difference:+.4f})".replace("-", "−")


def counted(differences: list[float], unclear: float) -> str:
    """How many differences bear a claim out, and how many are contrary.

    Examples
    --------
    >>> counted([0.02, 0.01, -0.03, 0.0001], 0.001)
    'holds in 2 of 4, contrary in 1 (−0.0300 to +0.0200)'
    """
    values = np.round(differences, 9)
    ends = " to ".join(f"{end:+.4f}".replace("-", "−") for end in (values.min(), values.max()))
    held, contrary = int((values > unclear).sum()), int((values < -unclear).sum())
    return f"holds in {held} of {len(values)}, contrary in {contrary} ({ends})"
