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

from matrix_entropy.base.errors import InputError
from matrix_entropy.models.anatomy import blocks_and_norm

Layer = int | str
Shape = tuple[int, int, int]


@contextmanager
def residual_stream(
    model: nn.Module,
    layers: Sequence[Layer],
    shape: Shape,
    receive: Callable[[Layer, torch.Tensor], None],
    stream_axis: int | None = None,
) -> Iterator[None]:
    """While open, ``receive`` gets each layer's states (batch, tokens, width) as they appear.

    Hooks see the stream block by block and on the block's own device, so memory does not grow with
    depth and a model spread over devices works unchanged.

    Parameters
    ----------
    layers : sequence
        The layers to take.
    shape : tuple of int
        (batch, tokens, width) that every layer's states have to have.
    stream_axis : int, optional
        Of a model that carries several streams per token, the axis over which they lie: what is
        received is their mean. See `find_stream_axis`.

    Raises
    ------
    InputError
        If a layer is asked for that the model does not have, or has states of another shape.
    """
    blocks, norm = blocks_and_norm(model)
    check_layers(model, layers)

    def take(layer: Layer, states: Any) -> None:
        if isinstance(states, (tuple, list)):
            states = states[0]
        receive(layer, _one_stream(model, layer, states, shape, stream_axis))

    def before(_: nn.Module, args: tuple, kwargs: dict) -> None:
        take(0, args[0] if args else kwargs.get("hidden_states"))

    def after(layer: Layer) -> Callable:
        return lambda _, __, output: take(layer, output)

    # Some architectures use one norm before the blocks and behind them.
    behind = False

    def leave(*_: Any) -> None:
        nonlocal behind
        behind = True

    def last(_: nn.Module, __: tuple, output: Any) -> None:
        nonlocal behind
        if behind:
            behind = False
            take("final", output)

    handles = []
    try:
        for layer in layers:
            if layer == 0:
                handles.append(blocks[0].register_forward_pre_hook(before, with_kwargs=True))
            elif layer == "final":
                assert norm is not None
                handles.append(blocks[-1].register_forward_hook(leave))
                handles.append(norm.register_forward_hook(last))
            else:
                handles.append(blocks[int(layer) - 1].register_forward_hook(after(layer)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def check_layers(model: nn.Module, layers: Sequence[Layer]) -> None:
    """See that a model has some layers.

    Raises
    ------
    InputError
        If it does not.
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
            "leave `final` out of `extract:`, and the model out of figures and tables that show it."
        )


def find_stream_axis(model: nn.Module, shape: Shape, run: Callable[[], Any]) -> int | None:
    """Over which axis a model's blocks carry several streams per token; None if they carry one.

    Parameters
    ----------
    shape : tuple of int
        (1, tokens, width) of what ``run`` lets the model read. The number of tokens has to differ
        from that of the streams, or the one would be taken for the other.

    Raises
    ------
    InputError
        If the states have a shape that is neither.
    """
    found: list[int] = []

    def look(_: nn.Module, __: Any, output: Any) -> None:
        states = output[0] if isinstance(output, (tuple, list)) else output
        if getattr(states, "ndim", 0) == 4:
            found.extend(axis for axis in range(3) if _without(tuple(states.shape), axis) == shape)

    handle = blocks_and_norm(model).blocks[0].register_forward_hook(look)
    try:
        run()
    finally:
        handle.remove()
    return found[0] if found else None


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]


def _one_stream(
    model: nn.Module, layer: Layer, states: Any, shape: Shape, stream_axis: int | None
) -> torch.Tensor:
    """The states of a layer as (batch, tokens, width), or an error that says what they are."""
    found = tuple(getattr(states, "shape", ()))
    if found == shape:
        whole: torch.Tensor = states
        return whole
    several = len(found) == 4 and any(_without(found, axis) == shape for axis in range(3))
    if several and stream_axis is not None and _without(found, stream_axis) == shape:
        mean: torch.Tensor = states.float().mean(dim=stream_axis)
        return mean.to(states.dtype)
    passes_on = f"architecture {type(model).__name__} passes on states of shape {found} at layer"
    if several:
        raise InputError(
            f"{passes_on} {layer}, several streams of width {shape[2]} per token; set `streams: "
            "mean` for the model to measure their mean, or choose another model."
        )
    raise InputError(
        f"{passes_on} {layer} where texts, tokens and width make {shape}, so that its rows are not "
        "tokens; leave this layer out of `extract:`, or choose another model."
    )
