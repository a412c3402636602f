"""Which earlier tokens a token's attention and a Lasso regression pick: Tan et al. 2024, 4.2.

The regression explains a token's hidden state by those of the tokens before it. The paper's
objective ``‖z − Zᵀβ‖² + λ|β|₁`` is scikit-learn's with ``alpha = λ / (2d)``; its λ = 1e-4, taken
so, leaves out next to nothing, while ``alpha = 1e-4`` picks as few tokens as the paper prints. Both
are computed: ``lasso`` by alpha, ``lasso_literal`` by the penalty λ.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from matrix_entropy.errors import InputError
from matrix_entropy.sentences_file import Sentences

Float64 = NDArray[np.float64]

log = logging.getLogger(__name__)

PUBLISHED = Path(__file__).parents[2] / "data" / "published" / "tan2024_tokens.csv"
# Columns of weights, and what tables and figures call them.
METHODS = {
    "attention": "attention",
    "lasso": "Lasso",
    "lasso_literal": "literal Lasso",
}
PICKED = {
    "attention": "picked_attention",
    "lasso": "picked_lasso",
    "lasso_literal": "picked_literal",
}
MOST_LISTED = 8  # picks; more are counted
MISSING = "–"

# Tokens after a period are nearly parallel in the last layers, and coordinate descent is slow
# there: a sentence of a hundred tokens needs a million steps of a microsecond at a small penalty.
MOST_STEPS = 3_000_000
TOLERANCE = 1e-10


def lasso_weights(earlier: NDArray, token: NDArray, alpha: float) -> Float64:
    """Weights β of earlier tokens that explain a token: ``min ‖z − Zᵀβ‖² / (2d) + alpha |β|₁``.

    All rows are scaled to unit norm first; there is no intercept. This is scikit-learn's ``Lasso``
    over the d features, and the objective of Tan et al. 2024 with ``alpha = λ / (2d)``
    (`literal_alpha`). If it has not converged, the log says so.

    Parameters
    ----------
    earlier : array of shape (tokens, width)
        Z, the hidden states of the tokens before.
    token : array of shape (width,)
        z, the hidden state to explain.
    alpha : float
        Positive. Above ``max |Z z| / d`` all weights are zero.

    Returns
    -------
    array of shape (tokens,)

    Examples
    --------
    >>> lasso_weights(np.eye(2, 4), np.array([3.0, 0, 4, 0]), alpha=0.025).round(6).tolist()
    [0.5, 0.0]
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import Lasso

    rows, target = _unit(earlier), _unit(token)
    model = Lasso(
        alpha=alpha,
        fit_intercept=False,
        precompute=True,  # of tokens² numbers: a step costs nothing
        max_iter=MOST_STEPS,
        tol=TOLERANCE,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(rows.T, target)
    if model.dual_gap_ * len(target) > TOLERANCE:
        log.warning(
            "Lasso of %d tokens with alpha %.2e has not converged after %d steps (dual gap %.1e): "
            "weights near the threshold may be off",
            *(len(rows), alpha, model.n_iter_, model.dual_gap_),
        )
    return np.asarray(model.coef_, dtype=np.float64)


def _unit(rows: NDArray) -> Float64:
    rows = np.asarray(rows, dtype=np.float64)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def literal_alpha(penalty: float, width: int) -> float:
    """scikit-learn's alpha for the λ of ``‖z − Zᵀβ‖² + λ|β|₁``: ``λ / (2d)``.

    Examples
    --------
    >>> literal_alpha(0.0001, 2048)
    2.44140625e-08
    """
    return penalty / (2 * width)


def find_token(tokens: Sequence[str], wanted: str, sentence_name: str) -> tuple[int, list[int]]:
    """Row of a token's last occurrence in a sentence, and the rows of all.

    White space around tokens does not count. A word in several tokens is found too; its row is
    that of its last piece, the only one that has seen the whole word.

    Raises
    ------
    InputError
        If the sentence has no such token, or only as its first, before which there is none.

    Examples
    --------
    >>> find_token(["Is", " Ch", "ina", "?", " Is", "?"], "China", "capitals")
    (2, [2])
    >>> find_token(["Is", " Ch", "ina", "?", " Is", "?"], "?", "capitals")
    (5, [3, 5])
    """
    word = wanted.strip()
    ends = (_end_of(tokens, start, word) for start in range(len(tokens)))
    positions = sorted({end for end in ends if end is not None})
    if not positions:
        known = " ".join(f"[{token.strip()}]" for token in tokens)
        raise InputError(
            f"sentence '{sentence_name}' has no token '{wanted}', but {known}; correct `tokens:`."
        )
    if positions[-1] == 0:
        raise InputError(
            f"token '{wanted}' is the first of sentence '{sentence_name}' and has none before it "
            "to pick; name a later one in `tokens:`."
        )
    return positions[-1], positions


def _end_of(tokens: Sequence[str], start: int, word: str) -> int | None:
    """The row where the word ends whose pieces begin at ``start``, if they do."""
    joined = ""
    for row in range(start, len(tokens)):
        joined += tokens[row]
        if joined.strip() == word:
            return row
        if not word.startswith(joined.strip()):
            return None
    return None


def token_weights(
    sentences: Sentences,
    sentence: int,
    targets: Sequence[str],
    layer: int | str,
    attention_block: int | str,
    alpha: float,
    penalty: float,
    threshold: float,
) -> pd.DataFrame:
    """Weights of every token of a sentence for every target token.

    Parameters
    ----------
    sentence : int
        Which one, from 0.
    targets : sequence of str
        As `find_token` takes them; of several occurrences the last is taken, and the log says so.
    layer : int or str
        Whose hidden states the regression explains.
    attention_block : int or str
        From 1, or ``"last"``.
    alpha, penalty : float
        Of ``lasso`` and of ``lasso_literal``.
    threshold : float
        What a weight has to exceed to be picked; a negative weight never does.

    Returns
    -------
    DataFrame
        One row per target and token: ``sentence`` (its id), ``target``, ``target_position``,
        ``occurrence`` ("4 of 4"), ``position`` (from 0), ``token``, ``attention``, ``lasso``,
        ``lasso_literal``, ``picked_attention``, ``picked_lasso``, ``picked_literal``. Weights are
        NaN where there are none: after the target, and of a regression at the target itself. The
        target's attention to itself is kept, but not picked.

    Raises
    ------
    InputError
        If a target, the layer or the block is not there.
    """
    name, tokens = str(sentences.ids[sentence]), sentences.words(sentence)
    states = sentences.rows(sentence, layer)
    block = len(sentences.attention) if attention_block == "last" else int(attention_block)
    attention = sentences.attention_of(sentence, block)
    parts = []
    for target in targets:
        row, positions = find_token(tokens, target, name)
        if len(positions) > 1:
            log.info("[%s] of sentence '%s': the last of %d taken", target, name, len(positions))
        part = pd.DataFrame({"position": np.arange(len(tokens)), "token": tokens})
        earlier = part["position"] < row
        part["attention"] = np.where(part["position"] <= row, attention[row], np.nan)
        for column, strength in (
            ("lasso", alpha),
            ("lasso_literal", literal_alpha(penalty, states.shape[1])),
        ):
            part[column] = np.nan
            part.loc[earlier, column] = lasso_weights(states[:row], states[row], strength)
        for column, picked in PICKED.items():
            part[picked] = (part[column] > threshold) & earlier
        occurrence = f"{len(positions)} of {len(positions)}"
        for place, (column, value) in enumerate(
            {
                "sentence": name,
                "target": target,
                "target_position": row,
                "occurrence": occurrence,
            }.items()
        ):
            part.insert(place, column, value)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def published_picks(sentences: Sentences) -> pd.DataFrame:
    """What Tan et al. 2024 print of these sentences: a row per pick, in the order printed.

    Columns: ``sentence`` (its id), ``target``, ``method``, ``picks``. There are picks of the
    sentence of section 4.2 only, which is known by its words.
    """
    printed = pd.read_csv(PUBLISHED, keep_default_na=False)
    printed["words"] = printed["sentence"].map(str.split).map(tuple)
    known = pd.DataFrame(
        {
            "sentence": sentences.ids.astype(str),
            "words": [tuple(str(text).split()) for text in sentences.texts],
        }
    )
    picks = known.merge(printed.drop(columns="sentence"), on="words")
    return picks[["sentence", "target", "method", "picks"]]


def selection_table(weights: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """The picks of every target and method as words, those with the largest weight first.

    Of more than eight picks the first eight are named and all counted: "... (18 of 39)". The
    published picks stand in the order printed, those by Lasso beside both readings of the penalty.

    Parameters
    ----------
    weights : DataFrame
        From `token_weights`, of one or several sentences.
    published : DataFrame
        From `published_picks`; without rows there is no column of published picks.

    Returns
    -------
    DataFrame
        ``token``, ``occurrence``, ``weights``, ``picked`` and perhaps ``published``; in front
        ``sentence`` where there are several.
    """
    rows = []
    for (sentence, target), part in weights.groupby(["sentence", "target"], sort=False):
        earlier = part[part["position"] < part["target_position"]]
        for method, title in METHODS.items():
            printed = published[
                (published["sentence"] == sentence)
                & (published["target"] == target.strip())
                & (published["method"] == method.removesuffix("_literal"))
            ]
            rows.append(
                {
                    "sentence": sentence,
                    "token": f"[{target}]",
                    "occurrence": part["occurrence"].iloc[0],
                    "weights": title,
                    "picked": _picked(earlier, method),
                    "published": _listed(printed["picks"]),
                }
            )
    table = pd.DataFrame(rows)
    needless = ["published"] if published.empty else []
    if table["sentence"].nunique() == 1:
        needless.append("sentence")
    return table.drop(columns=needless)


def _picked(earlier: pd.DataFrame, method: str) -> str:
    picks = earlier[earlier[PICKED[method]]].sort_values(method, ascending=False, kind="stable")
    named = _listed(picks["token"].iloc[:MOST_LISTED])
    if len(picks) <= MOST_LISTED:
        return named
    return f"{named} ... ({len(picks)} of {len(earlier)})"


def _listed(tokens: pd.Series) -> str:
    return " ".join(f"[{token.strip()}]" for token in tokens) or MISSING
