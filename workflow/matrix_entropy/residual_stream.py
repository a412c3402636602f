"""Take the residual stream out of a model while it runs.

Layer numbers: 0 is the input of the first block (the embedding output), ``l`` the residual stream
after block ``l``, taken raw by a hook on the block, and ``final`` the output of the model's last
normalisation. (The last entry of a transformers ``hidden_states`` tuple is ``final``; the raw
output of the last block is not in it.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from matrix_entropy.errors import InputError
from matrix_entropy.models import blocks_and_norm

Layer = int | str


@contextmanager
def residual_stream(
    model: nn.Module, layers: Sequence[Layer], receive: Callable[[Layer, torch.Tensor], None]
) -> Iterator[None]:
    """While open, ``receive`` gets each layer's states (batch, tokens, width) as they appear.

    Hooks see the stream block by block and on the block's own device, so memory does not grow with
    depth and a model spread over devices works unchanged.

    Raises
    ------
    InputError
        If a layer is asked for that the model does not have.
    """
    blocks, norm = blocks_and_norm(model)
    unknown = [layer for layer in layers if layer != "final" and not 0 <= int(layer) <= len(blocks)]
    if unknown:
        raise InputError(
            f"layer {unknown[0]} was asked for, but {type(model).__name__} has layers 0 to "
            f"{len(blocks)} and `final`; correct `extract:`."
        )
    if "final" in layers and norm is None:
        raise InputError(
            f"architecture {type(model).__name__} has no final normalisation that is known here; "
            "leave `final` out of `extract:`."
        )

    def before(_: nn.Module, args: tuple, kwargs: dict) -> None:
        receive(0, args[0] if args else kwargs["hidden_states"])

    def after(layer: Layer) -> Callable:
        def hook(_: nn.Module, __: tuple, output: Any) -> None:
            receive(layer, output[0] if isinstance(output, tuple) else output)

        return hook

    handles = []
    try:
        for layer in layers:
            if layer == 0:
                handles.append(blocks[0].register_forward_pre_hook(before, with_kwargs=True))
            elif layer == "final":
                assert norm is not None
                handles.append(norm.register_forward_hook(after(layer)))
            else:
                handles.append(blocks[int(layer) - 1].register_forward_hook(after(layer)))
        yield
    finally:
        for handle in handles:
            handle.remove()
