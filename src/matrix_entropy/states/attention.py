"""Take attention weights out of a model while it runs, block by block.

Only the implementation of attention called ``eager`` computes them as a matrix. transformers can
return those of all blocks at once, whose size goes with depth; here each is passed on as it
appears, and may be gone before the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from matrix_entropy.base.errors import InputError
from matrix_entropy.models.anatomy import blocks_and_norm

# A block's attention weights between so many tokens take 4 MiB a head.
MOST_TOKENS = 1024


@contextmanager
def attention_weights(
    model: nn.Module,
    model_name: str,
    receive: Callable[[int, torch.Tensor, torch.Tensor], None],
) -> Iterator[None]:
    """While open, ``receive`` gets every block (from 0), its weights, and what may be looked at.

    The weights have the shape (batch, heads, queries, keys), and the model computes them if
    ``model.set_attn_implementation("eager")`` was called before. What may be looked at is boolean,
    (queries, keys), of the first text of the batch.

    Raises
    ------
    InputError
        At the end, if some block gave none.
    """
    blocks, _ = blocks_and_norm(model)
    seen: set[int] = set()

    def after(block: int) -> Callable:
        def hook(part: nn.Module, args: tuple, named: dict[str, Any], output: Any) -> None:
            weights = output[1] if isinstance(output, tuple) and len(output) > 1 else None
            if isinstance(weights, torch.Tensor) and weights.ndim == 4:
                seen.add(block)
                receive(block, weights, in_sight(part, (*args, *named.values()), weights[0]))

        return hook

    handles = [
        part.register_forward_hook(after(number), with_kwargs=True)
        for number, block in enumerate(blocks)
        for part in block.children()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
    if len(seen) < len(blocks):
        raise InputError(
            f"architecture {type(model).__name__} of model '{model_name}' does not give the "
            "attention weights of every block; choose another model."
        )


def in_sight(part: nn.Module, inputs: Iterable[Any], weights: torch.Tensor) -> torch.Tensor:
    """Which keys each query may look at: what the masks leave that go into a block or stand in it.

    Without any, all that are not later. A weight says nothing of this: a small one is rounded to
    zero, in float16 one below 3e-8. What has a weight is seen, whatever a mask says.
    """
    queries, keys = weights.shape[-2:]
    given = (each[0] for each in inputs if _is_square(each) and each.shape[-2:] == (queries, keys))
    # GPT-Neo keeps its windows for itself.
    kept = (each[0, :, :queries, :keys] for each in part.buffers() if _is_square(each))
    masks = [open_to for mask in (*given, *kept) if not (open_to := _open(mask)).all()]
    if not masks:
        masks = [torch.ones((queries, keys), dtype=torch.bool, device=weights.device).tril()]
    return torch.stack(masks).all(dim=0) | (weights > 0).any(dim=0)


def _is_square(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.ndim == 4


def _open(mask: torch.Tensor) -> torch.Tensor:
    """What a mask (heads, queries, keys) leaves to some head, where it is added or says yes or no.

    Some architectures say what is hidden instead; nobody hides a token from itself.
    """
    if mask.dtype != torch.bool:
        mask = mask > torch.finfo(mask.dtype).min / 2
    elif not mask.diagonal(dim1=-2, dim2=-1).any(dim=0).all():
        mask = ~mask
    return mask.any(dim=0)


@contextmanager
def eagerly(model: Any) -> Iterator[None]:
    """While open, the model computes its attention weights as a matrix.

    The last digits of all that it computes may then be others.
    """
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def paid_to(
    some: NDArray[np.integer], weights: NDArray[np.floating], sight: NDArray[np.bool_]
) -> tuple[float, float]:
    """Share of their attention that tokens pay to some earlier ones, and what it would be if alike.

    Parameters
    ----------
    some : ndarray of int
        Which tokens are looked at.
    weights : ndarray of shape (tokens, tokens)
        How much each (row) looks at each (column), a mean over heads.
    sight : ndarray of shape (tokens, tokens)
        Whether it can: no later one, none outside its window. A weight may be rounded to zero.

    Returns
    -------
    attention, uniform : float
        Means over the tokens that can look at one of these before them. What a token pays to itself
        is left out: the first pays all. NaN if there are none.

    Examples
    --------
    >>> weights = np.array([[1.0, 0.0, 0.0], [0.75, 0.25, 0.0], [0.5, 0.1, 0.4]])
    >>> paid_to(np.array([0]), weights, np.tri(3, dtype=bool))
    (0.625, 0.41666666666666663)
    """
    alike = sight / np.maximum(sight.sum(axis=1, keepdims=True), 1)
    earlier = np.tril(sight, -1)[:, some]
    looking = earlier.any(axis=1)
    if not looking.any():
        return float("nan"), float("nan")
    attention, uniform = (
        float(np.where(earlier, of[:, some], 0.0).sum(axis=1, dtype=np.float64)[looking].mean())
        for of in (weights, alike)
    )
    return attention, uniform
