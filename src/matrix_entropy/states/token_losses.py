"""Negative log-likelihood of every token, from the forward pass that gives the hidden states.

Logits are as wide as the vocabulary. Computed for a whole batch they would be the largest thing in
memory and most of them would belong to padding, so the decoder runs alone and the output matrix is
applied to a few hundred real rows at a time. Architectures that change what goes into this matrix,
or what comes out of it (scaled, capped), are found by looking at one small text; for them their own
logits are used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from matrix_entropy.base.errors import InputError, first_line
from matrix_entropy.models.anatomy import decoder_of, embeddings_of, length_limits
from matrix_entropy.states.residual_stream import (
    Layer,
    check_layers,
    find_stream_axis,
    residual_stream,
)

# Logits computed at a time: large enough for an efficient product, small beside any model.
LOGITS_BYTES = 2**26

# Tokens of the text that is looked at first: more than any model carries streams per token, and a
# number that is none of their counts.
LOOKED_AT = 11

# Share of the largest logit by which those of earlier tokens may move when the last token changes:
# far above rounding in half precision, far below what a model that looks ahead makes of it.
LOOKS_AHEAD = 0.05


class Decoder:
    """A causal language model that is run for its hidden states, with or without token losses.

    Before any text, it reads one of a few tokens, from which all is learnt that depends on its
    architecture.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        A causal language model.
    with_losses : bool
        Whether `losses` will be asked for; without them the output matrix is never used.
    layers : sequence
        Those whose states will be taken.
    streams : str, optional
        ``mean``: of a model that carries several streams per token their mean is taken.

    Raises
    ------
    InputError
        If the model cannot read a text alone, does not pass on states that can be taken (see
        `residual_stream`), or looks at the tokens whose losses are asked for.
    """

    def __init__(
        self,
        model: Any,
        with_losses: bool,
        layers: Sequence[Layer] = (),
        streams: str | None = None,
    ) -> None:
        check_layers(model, layers)
        self.model, self.with_losses = model, with_losses
        self.decoder: Any = decoder_of(model)
        self.head = model.get_output_embeddings()
        self.limits = length_limits(model.config)
        self.width = int(model.config.get_text_config().hidden_size)
        self.vocabulary = embeddings_of(model)
        device = model.get_input_embeddings().weight.device
        if device.type == "meta":  # of a model that is spread, while nobody uses it
            device = torch.device("cpu")
        ids = torch.arange(LOOKED_AT, device=device)[None] % self.vocabulary
        self.stream_axis: int | None = None
        try:
            with torch.inference_mode():
                self._look_at_states(ids, layers, streams)
                self.separable = not with_losses or self._head_gives_logits(ids)
                if with_losses:
                    self._check_looks_back(ids)
        except (InputError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # whatever an architecture raises that needs more than a text
            raise InputError(
                f"architecture {type(model).__name__} cannot read a text of {LOOKED_AT} tokens "
                f"({type(error).__name__}: {first_line(error)}); choose another model."
            ) from error

    def run(self, ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Forward pass over padded ids (batch, tokens); final states, or logits if inseparable."""
        inputs = {"input_ids": ids, "attention_mask": mask, "use_cache": False}
        if self.separable:
            final: torch.Tensor = self.decoder(**inputs).last_hidden_state
            return final
        logits: torch.Tensor = self.model(**inputs).logits
        return logits

    def losses(
        self, output: torch.Tensor, ids: torch.Tensor, lengths: Sequence[int]
    ) -> list[NDArray[np.float32]]:
        """Losses in nats of every text of a batch; that of a text's first token is NaN.

        ``output`` is what `run` gave, ``ids`` the padded ids on any device, ``lengths`` the number
        of real tokens of each text. A loss is ``log sum exp`` of the logits, in float32, minus the
        token's own: more exact than torch's cross entropy, which is low by up to 4e-5 nats.
        """
        found = []
        step = max(16, LOGITS_BYTES // (4 * self.vocabulary))
        for row, length in enumerate(lengths):
            values = np.full(length, np.nan, dtype=np.float32)
            for start in range(0, length - 1, step):
                end = min(start + step, length - 1)
                part = output[row, start:end]
                logits = (self.head(part) if self.separable else part).float()
                target = ids[row, start + 1 : end + 1, None].to(logits.device)
                loss = logits.logsumexp(dim=-1) - logits.gather(-1, target)[:, 0]
                values[start + 1 : end + 1] = loss.cpu().numpy()
            found.append(values)
        return found

    def _head_gives_logits(self, ids: torch.Tensor) -> bool:
        """Whether the output matrix on the final states is all there is between them and logits.

        Known values are put in the place of what the matrix gives, of all sizes that logits have:
        they have to come out as they are, and the final states have to go in as they are. No
        number that the model computes is compared, so no tolerance decides.
        """
        if self.head is None:
            return False
        states: list[torch.Tensor | None] = []
        placed: list[torch.Tensor] = []

        def finished(_: Any, __: Any, output: Any) -> None:
            states.append(getattr(output, "last_hidden_state", None))

        def replace(_: Any, args: tuple, output: torch.Tensor) -> torch.Tensor:
            states.append(args[0])
            sizes = torch.logspace(-3, 4, output.numel(), device=output.device)
            signs = 1 - 2 * (torch.arange(output.numel(), device=output.device) % 2)
            placed.append((sizes * signs).to(output.dtype).reshape(output.shape))
            return placed[-1]

        handles = [
            self.decoder.register_forward_hook(finished),
            self.head.register_forward_hook(replace),
        ]
        try:
            logits = self.model(input_ids=ids, use_cache=False).logits
        finally:
            for handle in handles:
                handle.remove()
        if len(placed) != 1 or len(states) != 2:
            return False
        pairs = ((states[0], states[1]), (placed[0], logits))
        return all(
            ours is not None
            and theirs is not None
            and ours.shape == theirs.shape
            and torch.equal(ours.to(theirs), theirs)
            for ours, theirs in pairs
        )

    def _check_looks_back(self, ids: torch.Tensor) -> None:
        """See that another last token changes no logit of an earlier one."""
        other = ids.clone()
        other[0, -1] = (other[0, -1] + 1) % self.vocabulary
        ours, theirs = (
            self.model(input_ids=each, use_cache=False).logits[0, :-1].float()
            for each in (ids, other)
        )
        if (ours - theirs).abs().max() > LOOKS_AHEAD * ours.abs().max():
            raise InputError(
                f"architecture {type(self.model).__name__} looks at the tokens that follow, as its "
                "config.json sets it up, so it has no loss of the next token; set `token_losses: "
                "false` for the data set, or choose a model that was trained to predict."
            )

    def _look_at_states(
        self, ids: torch.Tensor, layers: Sequence[Layer], streams: str | None
    ) -> None:
        """See that the layers have states of the right shape, and find the axis of streams."""
        shape = (ids.shape[0], ids.shape[1], self.width)

        def run() -> None:
            self.decoder(input_ids=ids, use_cache=False)

        if streams == "mean":
            self.stream_axis = find_stream_axis(self.model, shape, run)
        with self.watched(ids, layers, lambda _, __: None):
            run()

    def watched(
        self,
        ids: torch.Tensor,
        layers: Sequence[Layer],
        receive: Callable[[Layer, torch.Tensor], None],
    ) -> AbstractContextManager[None]:
        """While open, ``receive`` gets the states of the layers from a run over ``ids``."""
        shape = (ids.shape[0], ids.shape[1], self.width)
        return residual_stream(self.model, layers, shape, receive, self.stream_axis)
