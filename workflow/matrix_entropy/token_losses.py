"""Negative log-likelihood of every token, from the forward pass that gives the hidden states.

Logits are as wide as the vocabulary. Computed for a whole batch they would be the largest thing in
memory and most of them would belong to padding, so the decoder runs alone and the output matrix is
applied to a few hundred real rows at a time. Architectures that change their logits afterwards
(scaled, capped) are found by comparing once with the model's own; for them its own are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

# Logits computed at a time: large enough for an efficient product, small beside any model.
LOGITS_BYTES = 2**26


class Decoder:
    """A causal language model that is run for its hidden states, with or without token losses.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        A causal language model.
    with_losses : bool
        Whether `losses` will be asked for; without them the output matrix is never used.
    """

    def __init__(self, model: Any, with_losses: bool) -> None:
        self.model, self.with_losses = model, with_losses
        self.decoder = model.get_decoder()
        self.head = model.get_output_embeddings()
        self.separable = not with_losses or self._head_gives_logits()

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
        of real tokens of each text.
        """
        found = []
        step = max(16, LOGITS_BYTES // (4 * self.model.get_input_embeddings().weight.shape[0]))
        for row, length in enumerate(lengths):
            values = np.full(length, np.nan, dtype=np.float32)
            for start in range(0, length - 1, step):
                end = min(start + step, length - 1)
                part = output[row, start:end]
                logits = self.head(part) if self.separable else part
                target = ids[row, start + 1 : end + 1].to(logits.device)
                loss = nn.functional.cross_entropy(logits.float(), target, reduction="none")
                values[start + 1 : end + 1] = loss.cpu().numpy()
            found.append(values)
        return found

    @torch.inference_mode()
    def _head_gives_logits(self) -> bool:
        """Whether the output matrix on the final states is all there is between them and logits."""
        if self.head is None:
            return False
        vocabulary = self.model.get_input_embeddings().weight.shape[0]
        device = self.model.get_input_embeddings().weight.device
        ids = torch.arange(min(8, vocabulary), device=device)[None]
        logits = self.model(input_ids=ids, use_cache=False).logits.float()
        final = self.decoder(input_ids=ids, use_cache=False).last_hidden_state
        ours = self.head(final).float().to(logits.device)
        if ours.shape != logits.shape:
            return False
        precision = torch.finfo(final.dtype).eps
        return bool((ours - logits).abs().max() <= 64 * precision * logits.abs().max())
