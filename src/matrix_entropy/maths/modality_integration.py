"""Modality Integration Rate: how far image tokens are from text tokens in a language model.

Huang et al. 2024 (ICCV 2025): at every layer, the Fréchet distance between the states of image
tokens and those of text tokens, both divided by the mean norm of the text's and with outliers
replaced; then the decimal logarithm of the sum over layers. Lower is closer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from matrix_entropy.maths.frechet import BLOCK, Blocks, blocks_of, distance, moments

Float64 = NDArray[np.float64]
# A norm further than so many standard deviations from the median is an outlier's.
DEVIATIONS = 3.0
COLUMNS = 256  # whose medians are found at a time


class Apart(NamedTuple):
    """How far the rows of images are from those of texts at a layer.

    Attributes
    ----------
    frechet : float
        Fréchet distance of the rows as below, which the sum over layers is of.
    without_root : float
        With ``tr Σ_A Σ_B`` in the place of ``tr (Σ_A Σ_B)^{1/2}``, which the released code computes
        by default; may be negative.
    norm_ratio : float
        Mean norm of image rows over that of text rows.
    image_outliers, text_outliers : int
        Rows that were replaced.
    """

    frechet: float
    without_root: float
    norm_ratio: float
    image_outliers: int
    text_outliers: int


def modality_distance(images: NDArray[np.floating], texts: NDArray[np.floating]) -> Apart:
    """Fréchet distance between rows of images and of texts, normalised as the paper does.

    Both are divided by the mean norm of the text rows. A row whose norm is more than three standard
    deviations (ddof 1) from the median of its kind is replaced by the median of every feature; of
    an even number of rows the median is the lower one of two, as in torch. All in float64, where
    the released code has float32.

    Parameters
    ----------
    images, texts : ndarray of shape (rows, width)
        At least two rows each, in any floating type; they may be memory maps, of which some rows or
        columns are read at a time.

    Raises
    ------
    ValueError
        If there are fewer than two rows of a kind, or all text rows are zero.
    """
    if min(len(images), len(texts)) < 2:
        raise ValueError(
            f"{len(images)} image rows and {len(texts)} text rows; two each are needed"
        )
    of_images, of_texts = _norms(images), _norms(texts)
    scale = float(of_texts.mean())
    if scale == 0:
        raise ValueError("all text rows are zero")
    image_outliers, text_outliers = outliers(of_images), outliers(of_texts)
    found = distance(
        moments(_replaced(images, image_outliers, scale)),
        moments(_replaced(texts, text_outliers, scale)),
    )
    return Apart(
        found.frechet,
        found.without_root,
        float(of_images.mean()) / scale,
        int(image_outliers.sum()),
        int(text_outliers.sum()),
    )


def outliers(norms: Float64) -> NDArray[np.bool_]:
    """Which norms are further from their lower median than `DEVIATIONS` standard deviations.

    Examples
    --------
    >>> outliers(np.array([*[1.0] * 12, 9.0])).nonzero()[0].tolist()
    [12]
    """
    far: NDArray[np.bool_] = np.abs(norms - _lower_median(norms)) > DEVIATIONS * norms.std(ddof=1)
    return far


def integration_rate(distances: Float64) -> float:
    """``log10`` of the sum of the distances of all layers; NaN if that is not positive."""
    total = float(np.sum(distances))
    return float(np.log10(total)) if total > 0 else float("nan")


def _norms(rows: NDArray[np.floating]) -> Float64:
    return np.concatenate([np.linalg.norm(block, axis=1) for block in blocks_of(rows, BLOCK)()])


def _lower_median(values: NDArray[np.floating]) -> NDArray[np.floating]:
    middle = (len(values) - 1) // 2
    found: NDArray[np.floating] = np.partition(values, middle, axis=0)[middle]
    return found


def _replaced(rows: NDArray[np.floating], far: NDArray[np.bool_], scale: float) -> Blocks:
    """Blocks of rows over the scale, with the median of every feature for those that are far."""
    medians = np.zeros(rows.shape[1])
    if far.any():
        for start in range(0, rows.shape[1], COLUMNS):
            some = slice(start, start + COLUMNS)
            medians[some] = _lower_median(np.asarray(rows[:, some]))

    def blocks() -> Iterator[Float64]:
        for start, block in zip(range(0, len(rows), BLOCK), blocks_of(rows, BLOCK)(), strict=True):
            block[far[start : start + BLOCK]] = medians
            yield block / scale

    return blocks
