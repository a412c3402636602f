"""Sentences as points of a map: Tan et al. 2024, section 4.3, Figures 4 to 6.

Every sentence is a context and a word. Whether contexts or words lie together is measured on the
distances themselves, since a map in two dimensions may show groups that they do not have, and
beside those of random states that depend on the sentences' prefixes alone (`prefix_null`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from matrix_entropy.base.errors import InputError
from matrix_entropy.figures.kinds.prefix_null import prefix_null
from matrix_entropy.maths.distances import (
    DISTANCES,
    euclidean_distances,
    pairwise_distances,
    prepared,
)
from matrix_entropy.maths.embeddings import principal_coordinates, umap_coordinates
from matrix_entropy.results.model_words import weights_of
from matrix_entropy.results.sentences_file import Sentences

Float64 = NDArray[np.float64]

LAST_TOKEN, TOKEN_MEAN = "last_token", "token_mean"
EUCLIDEAN = (LAST_TOKEN, TOKEN_MEAN)
UMAP, PRINCIPAL_COORDINATES = "umap", "principal_coordinates"


def sentence_distances(
    sentences: Sentences,
    layer: int | str,
    measure: str,
    gamma: float = 100,
    ridge: float = 1e-3,
    unit_rows: bool = True,
) -> Float64:
    """Distances (n, n) between all sentences.

    ``last_token`` and ``token_mean`` are Euclidean distances between the states of the last tokens
    and between the means over all tokens, of states as they are. Every other measure compares the
    covariances ``ZᵀZ / N`` of all tokens (`maths.distances`).

    Parameters
    ----------
    measure : str
        One of these two, or a name that `maths.distances` knows.
    gamma, ridge : float
        Of the measures that have them.
    unit_rows : bool
        Scale every state to unit norm before its covariance.

    Raises
    ------
    InputError
        If the layer was not kept; see `maths.distances`.
    """
    rows = [sentences.rows(number, layer) for number in range(len(sentences.ids))]
    if measure == LAST_TOKEN:
        return euclidean_distances(np.array([states[-1] for states in rows]))
    if measure == TOKEN_MEAN:
        return euclidean_distances(np.array([states.mean(axis=0, dtype=float) for states in rows]))
    names = [f"sentence '{text}'" for text in sentences.texts]
    return pairwise_distances(
        [
            prepared(states, unit_rows=unit_rows, name=name)
            for states, name in zip(rows, names, strict=True)
        ],
        measure,
        gamma,
        ridge,
        names,
    )


def map_distances(sentences: Sentences, entry: dict[str, Any]) -> dict[str, Float64]:
    """Distances (n, n) by every measure that a figure's entry of the configuration names.

    Raises
    ------
    InputError
        If there are fewer than three sentences, or a measure finds no difference between any.
    """
    if len(sentences.ids) < 3:
        raise InputError(
            f"data set '{entry['dataset']}' has {len(sentences.ids)} sentences, but a map needs at "
            "least 3; add `words:` or `contexts:`."
        )
    distances = {}
    for measure in entry["measures"]:
        distances[measure] = _distances(sentences, measure, entry)
        if not distances[measure].any():
            raise InputError(
                f"measure '{measure}' finds no difference between any sentences of data set "
                f"'{entry['dataset']}' at layer {entry['layer']}; choose another `layer:`, or "
                "leave it out of `measures:`."
            )
    return distances


def _distances(sentences: Sentences, measure: str, entry: dict[str, Any]) -> Float64:
    settings = (entry[key] for key in ("gamma", "ridge", "unit_rows"))
    return sentence_distances(sentences, entry["layer"], measure, *settings)


def map_numbers(
    sentences: Sentences, distances: dict[str, Float64], entry: dict[str, Any]
) -> pd.DataFrame:
    """The numbers that the figure draws: one row per measure, method and sentence.

    ``x`` and ``y`` are coordinates by the ``method``. ``share_x``, ``share_y`` and
    ``share_negative`` are those of `PrincipalCoordinates`, NaN for UMAP. ``silhouette``,
    ``same_context`` and ``same_label`` belong to the sentence and the measure, whatever the method
    (`silhouettes`, `agreements`); their means say how well the contexts separate. With ``null_`` in
    front they are means over the draws of `prefix_null`. Then follow the model, the data set and
    the settings, NaN where the measure or the method has none of that name.

    Raises
    ------
    InputError
        See `umap_coordinates`.
    """
    described = pd.DataFrame(
        {
            "id": sentences.ids,
            "context": sentences.groups,
            "label": sentences.labels,
            "text": sentences.texts,
            "tokens": np.diff(sentences.offsets),
        }
    )
    nulls = prefix_null(sentences, entry["layer"])
    parts = []
    for measure, between in distances.items():
        principal = principal_coordinates(between)
        measured = described.assign(**_separation(between, sentences))
        draws = [_separation(_distances(null, measure, entry), sentences) for null in nulls]
        for name in draws[0]:
            measured[f"null_{name}"] = np.mean([draw[name] for draw in draws], axis=0)
        shares = dict(zip(("share_x", "share_y"), principal.shares, strict=True))
        shares["share_negative"] = principal.negative
        umap = entry["umap"]
        for method, places, known, settings in (
            (UMAP, umap_coordinates(between, **umap), dict.fromkeys(shares, np.nan), umap),
            (PRINCIPAL_COORDINATES, principal.coordinates, shares, dict.fromkeys(umap, np.nan)),
        ):
            part = measured.assign(x=places[:, 0], y=places[:, 1], **known)
            part = part.assign(**_origin(sentences, measure, entry), **settings)
            parts.append(part.assign(measure=measure, method=method))
    numbers = pd.concat(parts, ignore_index=True)
    return numbers[["measure", "method", *numbers.columns.drop(["measure", "method"])]]


def pair_table(
    sentences: Sentences, distances: dict[str, Float64], entry: dict[str, Any]
) -> pd.DataFrame:
    """Every distance once: one row per measure and pair of sentences, which their texts name."""
    first, second = np.triu_indices(len(sentences.ids), k=1)
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "measure": measure,
                    "first": sentences.texts[first],
                    "second": sentences.texts[second],
                    "distance": between[first, second],
                    **_origin(sentences, measure, entry),
                }
            )
            for measure, between in distances.items()
        ],
        ignore_index=True,
    )


def _origin(sentences: Sentences, measure: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Where distances come from; settings that the measure does not have are NaN."""
    record = sentences.provenance["model"]
    needs = "" if measure in EUCLIDEAN else DISTANCES[measure].needs
    return {
        "model": record["model"],
        "stand_in": record["stand_in"],
        "weights": weights_of(record),
        "dataset": entry["dataset"],
        "layer": entry["layer"],
        "gamma": entry["gamma"] if needs == "gamma" else np.nan,
        "ridge": entry["ridge"] if needs == "ridge" else np.nan,
        "unit_rows": np.nan if measure in EUCLIDEAN else entry["unit_rows"],
    }


def _separation(between: Float64, sentences: Sentences) -> dict[str, Float64]:
    return {
        "silhouette": silhouettes(between, sentences.groups),
        "same_context": agreements(between, sentences.groups),
        "same_label": agreements(between, sentences.labels),
    }


def silhouettes(distances: Float64, groups: Sequence[str] | NDArray[np.str_]) -> Float64:
    """Silhouette of every sentence, ``(b − a) / max(a, b)`` (Rousseeuw 1987), from −1 to 1.

    ``a`` is its mean distance from the others of its group, ``b`` that from the nearest other
    group. The mean over all is 1 for groups of one place each and about 0 for mixed ones. A
    sentence alone in its group has 0; all are NaN if there is only one group, or one for each.
    """
    from sklearn.metrics import silhouette_samples

    if not 1 < len(np.unique(groups)) < len(groups):
        return np.full(len(groups), np.nan)
    return np.asarray(silhouette_samples(distances, groups, metric="precomputed"))


def agreements(distances: Float64, names: Sequence[str] | NDArray[np.str_]) -> Float64:
    """For every sentence, whether the nearest other one has the same name: 1 or 0.

    If several are equally near, it is the share of them that have.
    """
    others = np.where(np.eye(len(distances), dtype=bool), np.inf, distances)
    nearest = others == others.min(axis=1, keepdims=True)
    return (nearest & _same(names)).sum(axis=1) / nearest.sum(axis=1)


def agreement_by_chance(names: Sequence[str] | NDArray[np.str_]) -> float:
    """Mean of `agreements` to expect if every other sentence is equally likely the nearest.

    Examples
    --------
    >>> agreement_by_chance(["king", "king", "queen", "queen"])
    0.3333333333333333
    """
    same = _same(names)
    return float((same.sum(axis=1) - 1).mean() / (len(same) - 1))


def _same(names: Sequence[str] | NDArray[np.str_]) -> NDArray[np.bool_]:
    listed = np.asarray(names)
    return np.equal.outer(listed, listed)
