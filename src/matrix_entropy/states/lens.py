"""What a model would say next if its blocks ended early: its output matrix on the states between.

The logit lens (nostalgebraist 2020) puts the model's last normalisation and output matrix behind
any layer. A model may do more there, such as scale or cap the logits, so that its own forward pass
makes them, with the states in the place of what its blocks gave.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from matrix_entropy.base.errors import InputError
from matrix_entropy.models.anatomy import blocks_and_norm
from matrix_entropy.states.residual_stream import Layer, residual_stream
from matrix_entropy.states.token_losses import LOGITS_BYTES, LOOKED_AT, Decoder

# Times the rounding of one number, how far logits that are made here may be from the model's own,
# of the largest of these. They are the same products, so that most are equal to the last bit.
ROUNDING = 10


class Lens:
    """A model's last normalisation and all that follows it, for states of any layer.

    Parameters
    ----------
    decoder : Decoder
        The model, with its output matrix.
    model_name : str
        For messages.

    Raises
    ------
    InputError
        If the model has no last normalisation that is known here or no output matrix, or if these,
        behind its last block, do not make its own logits of a small text.
    """

    def __init__(self, decoder: Decoder, model_name: str) -> None:
        self.decoder, self.model_name = decoder, model_name
        self.norm: Any = blocks_and_norm(decoder.model).norm
        if self.norm is None or decoder.head is None or decoder.decoder is decoder.model:
            raise self._none("has no last normalisation and output matrix that are known here")
        self._look()

    @torch.inference_mode()
    def entropies(self, states: torch.Tensor, layer: Layer) -> NDArray[np.float64]:
        """Entropy in nats of the next token, read off every row.

        With logits z of a row, ``−Σ p log p`` of ``p = softmax(z)``, over the whole vocabulary, in
        float32. What is behind the last normalisation (``final``) is not normalised again: it gives
        the entropy of the model's own prediction.

        Parameters
        ----------
        states : tensor of shape (tokens, width)
            As the layer passes them on, on any device.

        Returns
        -------
        ndarray of shape (tokens,)
        """
        step = max(16, LOGITS_BYTES // (4 * self.decoder.vocabulary))
        found = [np.empty(0)]
        for part in states.split(step):
            shares = self.logits(part, layer).float().softmax(dim=-1)
            found.append(torch.special.entr(shares).sum(dim=-1).double().cpu().numpy())
        return np.concatenate(found)

    def logits(self, states: torch.Tensor, layer: Layer) -> torch.Tensor:
        """The model's logits (tokens, vocabulary) if these were the states of its last block."""
        # Not by a call: hooks that wait for the model's own last states have no part in this.
        normed = states if layer == "final" else self.norm.forward(states[None])[0]
        device = self.decoder.model.get_input_embeddings().weight.device
        ids = torch.zeros((1, len(states)), dtype=torch.long, device=device)
        with self._in_place(normed[None]):
            logits: torch.Tensor = self.decoder.model(input_ids=ids, use_cache=False).logits
        return logits[0]

    @contextmanager
    def _in_place(self, states: torch.Tensor) -> Iterator[None]:
        """While open, the decoder gives these final states, whatever it is to read."""
        decoder, output = self.decoder.decoder, copy.copy(self.output)
        output.last_hidden_state = states
        own = decoder.__dict__.get("forward")
        decoder.forward = lambda *_, **__: output
        try:
            yield
        finally:
            if own is None:
                del decoder.forward
            else:
                decoder.forward = own

    @torch.inference_mode()
    def _look(self) -> None:
        """See that the states behind the last block and behind the norm make the model's logits."""
        model, outputs = self.decoder.model, []
        ids = torch.arange(LOOKED_AT, device=model.get_input_embeddings().weight.device)[None]
        ids = ids % self.decoder.vocabulary
        last = len(blocks_and_norm(model).blocks)
        states: dict[Layer, torch.Tensor] = {}
        handle = self.decoder.decoder.register_forward_hook(
            lambda _, __, output: outputs.append(output)
        )
        shape = (1, LOOKED_AT, self.decoder.width)
        taken = residual_stream(
            model, [last, "final"], shape, states.__setitem__, self.decoder.stream_axis
        )
        try:
            with taken:
                own = model(input_ids=ids, use_cache=False).logits[0]
        finally:
            handle.remove()
        (self.output,) = outputs
        if not isinstance(getattr(self.output, "last_hidden_state", None), torch.Tensor):
            raise self._none("does not say which of its states are the last")
        for layer, of_layer in states.items():
            found = self.logits(of_layer[0], layer).to(own)
            allowed = ROUNDING * torch.finfo(own.dtype).eps * own.abs().max()
            # Of what is not finite is told where it appears.
            if found.shape != own.shape or (found - own).abs().max() > allowed:
                raise self._none(
                    "makes its logits of something else than the states behind its last block"
                )

    def _none(self, why: str) -> InputError:
        return InputError(
            f"architecture {type(self.decoder.model).__name__} of model '{self.model_name}' {why}, "
            "so that there is no logit lens; leave `lens_entropy` out of `measures:`, or choose "
            "another model."
        )
