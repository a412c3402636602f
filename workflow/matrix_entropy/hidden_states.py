"""Run a model over texts once and keep every layer's hidden states, row by row, on disk.

Texts are tokenised first, so every file has its final size before the model runs and each process
writes its own rows: any number of processes, and any batch size, gives the same files.
"""

from __future__ import annotations

import logging
import resource
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import find_executable_batch_size
from numpy.typing import NDArray

from matrix_entropy.console import progress
from matrix_entropy.errors import InputError
from matrix_entropy.files import write_json
from matrix_entropy.models import context_window, load_model, load_tokenizer
from matrix_entropy.residual_stream import Layer, residual_stream
from matrix_entropy.state_files import StateFiles
from matrix_entropy.token_losses import Decoder
from matrix_entropy.tokens import Tokens, batches_by_length, save_tokens, tokenise

log = logging.getLogger("matrix_entropy")

# Budget of a batch without and with a GPU. A CPU gains nothing from larger batches, and loses once
# their activations no longer fit into memory that the allocator reuses.
BATCH_TOKENS = {False: 1024, True: 16384}


class Extraction:
    """One process's share of the work: run batches, send every row to its place."""

    def __init__(
        self,
        decoder: Decoder,
        tokens: Tokens,
        layers: Sequence[Layer],
        center_features: bool,
        write: Callable[[Layer, int, NDArray[np.floating]], None],
        model_name: str,
        text_ids: Sequence[str],
    ) -> None:
        self.decoder, self.tokens, self.layers = decoder, tokens, layers
        self.center_features, self.write = center_features, write
        self.model_name, self.text_ids = model_name, text_ids
        self.batch: list[int] = []
        self.losses = np.full(len(tokens.ids), np.nan, dtype=np.float32)

    def receive(self, layer: Layer, hidden: torch.Tensor) -> None:
        """Take a layer's states (batch, padded tokens, width) off the device, text by text."""
        lengths = [int(self.tokens.lengths[text]) for text in self.batch]
        rows = torch.cat([states[:length] for states, length in zip(hidden, lengths, strict=True)])
        if self.center_features and layer != "final":
            # Of the stream that the blocks add to; what follows the last norm is left as it is.
            rows = (rows.float() - rows.float().mean(dim=-1, keepdim=True)).to(rows.dtype)
        if rows.dtype == torch.bfloat16:
            rows = rows.float()
        array = rows.cpu().numpy()
        for text, part in zip(self.batch, np.split(array, np.cumsum(lengths)[:-1]), strict=True):
            if not np.isfinite(part).all():
                raise InputError(
                    f"model '{self.model_name}': the hidden states of text '{self.text_ids[text]}' "
                    f"at layer {layer} are not finite; run the model in a wider type "
                    "(`dtype: float32`), or look at its weights."
                )
            self.write(layer, int(self.tokens.offsets[text]), part)

    @torch.inference_mode()
    def run(self, batch: list[int], device: torch.device) -> None:
        """Forward pass over one batch, padded on the right and masked."""
        self.batch = batch
        lengths = self.tokens.lengths[batch]
        ids = torch.zeros((len(batch), int(lengths.max())), dtype=torch.long)
        for row, text in enumerate(batch):
            ids[row, : lengths[row]] = torch.from_numpy(self.tokens.of(text))
        mask = torch.arange(ids.shape[1]) < torch.from_numpy(lengths)[:, None]
        padded = not bool(mask.all())
        ids = ids.to(device)
        with residual_stream(self.decoder.model, self.layers, self.receive):
            output = self.decoder.run(ids, mask.to(device) if padded else None)
        if self.decoder.with_losses:
            found = self.decoder.losses(output, ids, lengths.tolist())
            for text, losses in zip(batch, found, strict=True):
                first = self.tokens.offsets[text]
                self.losses[first : first + len(losses)] = losses

    def run_all(self, texts: Sequence[int], budget: int, device: torch.device, show: bool) -> None:
        """Run the texts in batches; when memory runs out, halve the budget and go on."""
        waiting = set(texts)
        longest = int(self.tokens.lengths[list(texts)].max()) if waiting else 0
        total = int(self.tokens.lengths[list(texts)].sum()) if waiting else 0
        bar = progress(total, "token", self.model_name, show)
        size = max(budget, longest)

        def halve() -> int:
            nonlocal size
            if size <= longest:
                raise InputError(
                    f"model '{self.model_name}': memory runs out even for a single text of "
                    f"{longest} tokens; set `max_tokens:` for the data set, or `device_map: auto` "
                    "for the model."
                )
            size = max(size // 2, longest)
            log.warning("out of memory: continuing with %d tokens a batch", size)
            return size

        @find_executable_batch_size(starting_batch_size=size, reduce_batch_size_fn=halve)
        def attempt(budget: int) -> None:
            for batch in batches_by_length(sorted(waiting), self.tokens.lengths, budget):
                self.run(batch, device)
                waiting.difference_update(batch)
                bar.update(int(self.tokens.lengths[batch].sum()))

        if waiting:
            attempt()
        bar.close()


def dump_hidden_states(
    record: dict[str, Any],
    model_options: dict[str, Any],
    texts: Sequence[dict[str, str]],
    max_tokens: int | None,
    layers: Sequence[Layer],
    batch_tokens: int | None,
    folder: Path,
    provenance: dict[str, Any],
    token_losses: bool = True,
) -> None:
    """Write ``layer_{layer}.npy``, ``tokens.npz`` and ``provenance.json`` into ``folder``.

    Started in several processes, each takes its share of the texts and writes its own rows.

    Parameters
    ----------
    record : dict
        A resolved model (`matrix_entropy.models`).
    model_options : dict
        The model's entry in the configuration.
    texts : sequence of dict
        ``id``, ``group``, ``text``.
    max_tokens : int, optional
        The data set's own limit.
    batch_tokens : int, optional
        Token budget of a padded batch; None takes `BATCH_TOKENS` for the device at hand.
    folder : Path
        Appears only when everything in it is complete.
    token_losses : bool
        Also keep every token's negative log-likelihood; else they are NaN in ``tokens.npz``.

    Raises
    ------
    InputError
        See `load_model`, `tokenise`, `residual_stream`; or if a state is not finite.
    """
    state = PartialState(cpu=not torch.cuda.is_available())
    spread = model_options["device_map"] == "auto"
    if spread and state.num_processes > 1:
        raise InputError(
            f"model '{record['model']}' is spread over the devices (`device_map: auto`), so it "
            "runs as one process: set `processes: 1`."
        )
    started = time.perf_counter()
    model = load_model(
        record,
        model_options["layers"],
        model_options["width"],
        model_options["dtype"],
        "auto" if spread else None,
    )
    device = next(model.parameters()).device if spread else state.device
    if not spread:
        model.to(device)
    limits = [limit for limit in (context_window(model.config), max_tokens) if limit is not None]
    tokenizer = load_tokenizer(record)
    tokens = tokenise(tokenizer, texts, model_options["bos"], min(limits, default=None))
    loaded = time.perf_counter()

    part = folder.with_name(f".{folder.name}.part")
    files = StateFiles(part, layers, model_options["width"], model_options["dtype"])
    losses = StateFiles(part, ["losses"], 1, "float32")
    if state.is_main_process:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        files.create(len(tokens.ids))
        losses.create(len(tokens.ids))
    state.wait_for_everyone()
    files.open()
    losses.open()
    try:
        extraction = Extraction(
            Decoder(model, token_losses),
            tokens,
            layers,
            model_options["center_features"],
            files.write,
            record["model"],
            [text["id"] for text in texts],
        )
        by_length = np.argsort(-tokens.lengths, kind="stable")
        share = [int(text) for text in by_length[state.process_index :: state.num_processes]]
        budget = batch_tokens or BATCH_TOKENS[device.type == "cuda"]
        extraction.run_all(share, budget, device, state.is_main_process)
        for text in share:
            first, last = tokens.offsets[text], tokens.offsets[text + 1]
            losses.write("losses", int(first), extraction.losses[first:last, None])
    except BaseException:
        if state.num_processes == 1:
            shutil.rmtree(part, ignore_errors=True)
        raise
    finally:
        files.close()
        losses.close()
    state.wait_for_everyone()

    if state.is_main_process:
        path = losses.paths["losses"]
        save_tokens(part / "tokens.npz", tokens, np.load(path)[:, 0], texts)
        path.unlink()
        provenance["tokens"] = len(tokens.ids)
        provenance["truncated_texts"] = int(tokens.truncated.sum())
        write_json(part / "provenance.json", provenance)
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
        _report(tokens, time.perf_counter() - loaded, loaded - started, state.num_processes)
    state.wait_for_everyone()


def _report(tokens: Tokens, seconds: float, loading: float, processes: int) -> None:
    unit = 2**20 if sys.platform == "darwin" else 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    lengths = tokens.lengths
    log.info(
        "%d texts, %d tokens in %.1f s (%.0f tokens/s, %d process%s) after %.1f s of loading; "
        "peak memory %.0f MiB",
        len(lengths), len(tokens.ids), seconds, len(tokens.ids) / seconds,
        processes, "" if processes == 1 else "es", loading, peak,
    )  # fmt: skip
    if tokens.truncated.any():
        log.warning(
            "%d of %d texts were cut to %d tokens",
            int(tokens.truncated.sum()), len(lengths), int(lengths.max()),
        )  # fmt: skip
    if (lengths < 2).any():
        log.warning(
            "%d of %d texts have a single token: their entropy is undefined (NaN) and left out of "
            "every mean",
            int((lengths < 2).sum()), len(lengths),
        )  # fmt: skip
