"""Which earlier tokens a token's attention and a Lasso regression pick: Tan et al. 2024, 4.2.

The regression explains a token's hidden state by those of the tokens before it. The paper's
objective ``‖z − Zᵀβ‖² + λ|β|₁`` is scikit-learn's with ``alpha = λ / (2d)``; for its λ = 1e-4 that
is a 4096th of it at width 2048. On one trained model, none of the paper's, ``alpha = 1e-4`` picks
as few tokens as the paper prints and the penalty as printed nearly half of all; which of the two
the authors ran cannot be told. Both are computed: ``lasso`` by alpha, ``lasso_literal`` by λ.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from matrix_entropy.base.errors import InputError
from matrix_entropy.published.curves import TOKENS
from matrix_entropy.results.model_words import weights_of
from matrix_entropy.results.sentences_file import Sentences

Float64 = NDArray[np.float64]

log = logging.getLogger(__name__)

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
PUBLISHED_COLUMN = "published (Pythia-1.4B)"  # the paper's model, whatever ours is
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

    Raises
    ------
    InputError
        If a state is zero and so has no direction, or is not finite.

    Examples
    --------
    >>> lasso_weights(np.eye(2, 4), np.array([3.0, 0, 4, 0]), alpha=0.025).round(6).tolist()
    [0.5, 0.0]
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import Lasso

    states = _unit(np.vstack([earlier, token]))
    rows, target = states[:-1], states[-1]
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


def _unit(states: NDArray) -> Float64:
    states = np.asarray(states, dtype=np.float64)
    lengths = np.linalg.norm(states, axis=1)
    for bad, is_what in ((~np.isfinite(lengths), "not finite"), (lengths == 0, "zero")):
        if bad.any():
            raise InputError(
                f"the hidden state of token {np.argmax(bad)} (counted from 0) is {is_what}, so no "
                "direction can be explained or explain others; choose another `layer:`."
            )
    unit: Float64 = states / lengths[:, None]
    return unit


def literal_alpha(penalty: float, width: int) -> float:
    """scikit-learn's alpha for the λ of ``‖z − Zᵀβ‖² + λ|β|₁``: ``λ / (2d)``.

    Examples
    --------
    >>> literal_alpha(0.0001, 2048)
    2.44140625e-08
    """
    return penalty / (2 * width)


def find_token(sentences: Sentences, sentence: int, wanted: str) -> tuple[str, list[int]]:
    """A token or word of a sentence as its text has it, and the rows where its occurrences end.

    White space around it does not count; ``[No]`` is ``No`` unless the text has such brackets. See
    `occurrences` for what counts as one.

    Raises
    ------
    InputError
        If the sentence has no such token, or only as its first, before which there is none.
    """
    name, text = sentences.ids[sentence], str(sentences.texts[sentence])
    word = wanted.strip()
    if word not in text and word.startswith("[") and word.endswith("]"):
        word = word[1:-1].strip()
    rows = occurrences(text, sentences.spans_of(sentence), word)
    if not rows:
        known = _listed(sentences.words(sentence))
        raise InputError(
            f"sentence '{name}' has no token '{wanted}', but {known}; correct `tokens:`."
        )
    if rows[-1] == 0:
        raise InputError(
            f"token '{wanted}' is the first of sentence '{name}' and has none before it to pick; "
            "name a later one in `tokens:`."
        )
    return word, rows


def occurrences(text: str, spans: NDArray[np.int64], word: str) -> list[int]:
    """Rows of the last tokens of all places where whole tokens spell a word, in their order.

    No token may reach beyond either end of the word but with white space. Of a word in several
    tokens the last piece counts, the only one that has seen it all. Places inside longer words,
    next to a letter or digit, count only if there are no others: ``No`` is not the beginning of
    ``Norway``, but ``way`` may be asked for.

    Parameters
    ----------
    text : str
    spans : array of shape (tokens, 2)
        The characters of the text that each token covers.
    word : str
        Without white space around it.

    Examples
    --------
    >>> spans = np.array([[0, 3], [3, 6], [6, 7], [7, 10], [10, 11]])
    >>> occurrences("Norway? No.", spans, "Norway"), occurrences("Norway? No.", spans, "No")
    ([1], [3])
    >>> occurrences("Norway? No.", spans, "way"), occurrences("Norway? No.", spans, "ay")
    ([1], [])
    """
    covered = np.array([_without_space(text, start, end) for start, end in spans])
    starts, ends = covered.T
    whole: list[int] = []
    inside: list[int] = []
    for match in re.finditer(f"(?={re.escape(word)})", text) if word else ():
        start, end = match.start(), match.start() + len(word)
        of_word = (starts >= start) & (ends <= end) & (starts < ends)
        reaching = (starts < end) & (ends > start) & (starts < ends) & ~of_word
        if of_word.any() and not reaching.any():
            within = _joined(text, start) or _joined(text, end)
            (inside if within else whole).append(int(np.flatnonzero(of_word)[-1]))
    return whole or inside


def _without_space(text: str, start: int, end: int) -> tuple[int, int]:
    """A part of a text without the white space at its ends."""
    said = text[start:end]
    return end - len(said.lstrip()), start + len(said.rstrip())


def _joined(text: str, place: int) -> bool:
    """Whether letters or digits stand on both sides of a place in a text."""
    return text[place - 1 : place].isalnum() and text[place : place + 1].isalnum()


def shown_token(token: str) -> str:
    """What to write for a token: without space around it, and white space alone made visible.

    Examples
    --------
    >>> shown_token(" London"), shown_token("  "), shown_token("\\n")
    ('London', '␣', '↵')
    """
    return "↵".join(token.strip().splitlines()) or ("↵" if "\n" in token else "␣")


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
        What is asked for twice is weighed once.
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
        ``lasso_literal``, ``picked_attention``, ``picked_lasso``, ``picked_literal``; in every row
        ``model``, ``stand_in``, ``weights`` (how the model's are stored) and the settings, the
        block as a number. Attention and Lasso are NaN where there are none: after the target, and
        of a regression at the target itself. The target's attention to itself is kept, but not
        picked.

    Raises
    ------
    InputError
        If a target, the layer or the block is not there, or a state has no direction.
    """
    name, tokens = str(sentences.ids[sentence]), sentences.words(sentence)
    states = sentences.rows(sentence, layer)
    block = len(sentences.attention) if attention_block == "last" else int(attention_block)
    attention = sentences.attention_of(sentence, block)
    parts = []
    record = sentences.provenance["model"]
    settings = {
        "model": record["model"],
        "stand_in": record["stand_in"],
        "weights": weights_of(record),
        "layer": layer,
        "attention_block": block,
        "alpha": alpha,
        "penalty": penalty,
        "threshold": threshold,
    }
    found = dict(find_token(sentences, sentence, target) for target in targets)
    for target, rows in found.items():
        row = rows[-1]
        if len(rows) > 1:
            log.info("[%s] of sentence '%s': the last of %d taken", target, name, len(rows))
        part = pd.DataFrame({"position": np.arange(len(tokens)), "token": tokens})
        earlier = part["position"] < row
        part["attention"] = np.where(part["position"] <= row, attention[row], np.nan)
        for column, strength in (
            ("lasso", alpha),
            ("lasso_literal", literal_alpha(penalty, states.shape[1])),
        ):
            part[column] = np.nan
            try:
                part.loc[earlier, column] = lasso_weights(states[:row], states[row], strength)
            except InputError as error:
                raise InputError(f"sentence '{name}', layer {layer}: {error}") from None
        for column, picked in PICKED.items():
            part[picked] = (part[column] > threshold) & earlier
        occurrence = f"{len(rows)} of {len(rows)}"
        for place, (column, value) in enumerate(
            {
                "sentence": name,
                "target": target,
                "target_position": row,
                "occurrence": occurrence,
            }.items()
        ):
            part.insert(place, column, value)
        parts.append(part.assign(**settings))
    return pd.concat(parts, ignore_index=True)


def published_picks(sentences: Sentences) -> pd.DataFrame:
    """What Tan et al. 2024 print of these sentences: a row per pick, in the order printed.

    Columns: ``sentence`` (its id), ``target``, ``method``, ``picks``. There are picks of the
    sentence of section 4.2 only, which is known by its words.
    """
    printed = pd.read_csv(TOKENS, keep_default_na=False)
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
        ``token``, ``occurrence``, ``weights``, ``picked`` and perhaps `PUBLISHED_COLUMN`, which
        says whose picks they are; in front ``sentence`` where there are several.
    """
    rows = []
    for (sentence, target), part in weights.groupby(["sentence", "target"], sort=False):
        earlier = part[part["position"] < part["target_position"]]
        for method, title in METHODS.items():
            printed = published[
                (published["sentence"] == sentence)
                & (published["target"] == target)
                & (published["method"] == method.removesuffix("_literal"))
            ]
            rows.append(
                {
                    "sentence": sentence,
                    "token": f"[{target}]",
                    "occurrence": part["occurrence"].iloc[0],
                    "weights": title,
                    "picked": _picked(earlier, method),
                    PUBLISHED_COLUMN: _listed(printed["picks"]),
                }
            )
    table = pd.DataFrame(rows)
    needless = [PUBLISHED_COLUMN] if published.empty else []
    if table["sentence"].nunique() == 1:
        needless.append("sentence")
    return table.drop(columns=needless)


def _picked(earlier: pd.DataFrame, method: str) -> str:
    picks = earlier[earlier[PICKED[method]]].sort_values(method, ascending=False, kind="stable")
    named = _listed(picks["token"].iloc[:MOST_LISTED])
    if len(picks) <= MOST_LISTED:
        return named
    return f"{named} ... ({len(picks)} of {len(earlier)})"


def _listed(tokens: Iterable[str]) -> str:
    return " ".join(f"[{shown_token(token)}]" for token in tokens) or MISSING
