"""Take attention weights out of a model while it runs, block by block.

Only the implementation of attention called ``eager`` computes them as a matrix. transformers can
return those of all blocks at once, whose size goes with depth; here each is passed on as it
appears, and may be gone before the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from matrix_entropy.base.errors import InputError
from matrix_entropy.models.anatomy import blocks_and_norm


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
