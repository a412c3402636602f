"""Measures of the hidden states of one text that take the model itself, named.

What they are of is not in the states alone: the model's last normalisation and its output matrix,
or the attention of the next block. So a job takes them while the model runs
(`states.model_measures`), also where hidden states are written to disk, and keeps them beside
those. What the states alone give is in `maths.measures`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from matrix_entropy.maths.units import OF_TOKENS, SHARE, Unit

LENS = "lens_entropy"
TO_LONG, TO_LONG_UNIFORM = "attention_to_long_rows", "attention_to_long_rows_uniform"

HEAD, ATTENTION = "head", "attention"


class ModelMeasure(NamedTuple):
    """A number of every text at every layer, which a model gives while it reads the text.

    Attributes
    ----------
    name : str
        As `measures:` of a data set asks for it, and its column.
    unit : Unit
        With limits that a value is never outside of.
    says, source : str
        What it is, and where it is defined.
    looks_at : str
        What of the model it takes: `HEAD`, the last normalisation and the output matrix, or
        `ATTENTION`, the attention weights of the block that comes next.
    called : str
        At an axis; by default what its name says.
    """

    name: str
    unit: Unit
    says: str
    source: str
    looks_at: str
    called: str = ""


OF_MODEL = [
    ModelMeasure(
        LENS, OF_TOKENS,
        "mean entropy of the next token as the output matrix reads it off every row",
        "nostalgebraist 2020; Ali et al. 2025 (arXiv 2502.16570)", HEAD, "Logit-lens entropy",
    ),
    ModelMeasure(
        TO_LONG, SHARE, "share of the next block's attention that goes to long rows",
        "this project (`states/attention.py`)", ATTENTION, "Attention to long rows",
    ),
    ModelMeasure(
        TO_LONG_UNIFORM, SHARE,
        "the same share if each row looked at all in its sight alike",
        "this project (`states/attention.py`)", ATTENTION, "Uniform attention to long rows",
    ),
]  # fmt: skip


def of_model(names: Iterable[str]) -> list[str]:
    """Of the names of measures those that take the model, in their order.

    Examples
    --------
    >>> of_model(["lens_entropy", "curvature"])
    ['lens_entropy']
    """
    known = {each.name for each in OF_MODEL}
    return [name for name in names if name in known]


def taking(looks_at: str, names: Iterable[str]) -> list[str]:
    """Of the names of measures those that take this of the model.

    Examples
    --------
    >>> taking(HEAD, ["attention_to_long_rows", "curvature", "lens_entropy"])
    ['lens_entropy']
    """
    known = {each.name for each in OF_MODEL if each.looks_at == looks_at}
    return [name for name in names if name in known]
