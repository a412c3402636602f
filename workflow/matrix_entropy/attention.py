"""Take attention weights out of a model while it runs, block by block.

Only the implementation of attention called ``eager`` computes them as a matrix. transformers can
return those of all blocks at once, whose size goes with depth; here each is passed on as it
appears, and may be gone before the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from matrix_entropy.anatomy import blocks_and_norm
from matrix_entropy.errors import InputError


@contextmanager
def attention_weights(
    model: nn.Module, model_name: str, receive: Callable[[int, torch.Tensor], None]
) -> Iterator[None]:
    """While open, ``receive`` gets every block (from 0) and its weights as they appear.

    The weights have the shape (batch, heads, queries, keys), and the model computes them if
    ``model.set_attn_implementation("eager")`` was called before.

    Raises
    ------
    InputError
        At the end, if some block gave none.
    """
    blocks, _ = blocks_and_norm(model)
    seen: set[int] = set()

    def after(block: int) -> Callable:
        def hook(_: nn.Module, __: tuple, output: Any) -> None:
            weights = output[1] if isinstance(output, tuple) and len(output) > 1 else None
            if isinstance(weights, torch.Tensor) and weights.ndim == 4:
                seen.add(block)
                receive(block, weights)

        return hook

    handles = [
        part.register_forward_hook(after(number))
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
