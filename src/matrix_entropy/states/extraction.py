"""Run a model over texts once, and pass every layer's hidden states on as they appear.

Texts are tokenised first, so what is kept of them has its final size before the model runs, and
each process sends its own rows to their place: any number of processes, and any batch size, gives
the same results.
"""

from __future__ import annotations

import logging
import os
import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size
from numpy.typing import NDArray

from matrix_entropy.base.errors import InputError
from matrix_entropy.models.anatomy import blocks_and_norm, context_window
from matrix_entropy.models.loading import Loaded, load_placed, load_tokenizer
from matrix_entropy.results.state_files import StateFiles
from matrix_entropy.running.console import progress
from matrix_entropy.states.model_measures import ModelMeasures, takes_head
from matrix_entropy.states.residual_stream import Layer, check_layers
from matrix_entropy.states.token_losses import Decoder
from matrix_entropy.texts.tokens import (
    Tokens,
    batches_by_length,
    check_vocabulary,
    corpus_windows,
    encode,
    token_arrays,
    token_left_out,
    tokenise,
)

log = logging.getLogger("matrix_entropy")

Take = Callable[[Layer, int, torch.Tensor], None]

# Budget of a batch without and with a GPU. A CPU gains nothing from larger batches, and loses once
# their activations no longer fit into memory that the allocator reuses.
BATCH_TOKENS = {False: 1024, True: 16384}

# One process may have more to do than the others, and the first writes what all have found.
LONGEST_WAIT = timedelta(days=2)

# Wei et al. 2024 cut texts here; their perplexities fit windows of this length as well.
WINDOW_TOKENS = 2048


class LossNotFinite(InputError):
    """A loss is an infinity or no number, perhaps because a state is."""


class Extraction:
    """One process's share of the work: run batches, send every text's rows to their place.

    ``take`` gets a layer, a text's number and its rows (tokens, width), on the host and known to be
    finite; with ``on_device`` they stay where the layer ran, and looking at them is left to it.
    ``most_texts`` is the most that a batch holds, without it as many as the budget allows. The
    measures ``beside`` see states as the layer passes them on, before anything is subtracted.
    """

    def __init__(
        self,
        decoder: Decoder,
        tokens: Tokens,
        layers: Sequence[Layer],
        center_features: bool,
        take: Take,
        model_name: str,
        text_ids: Sequence[str],
        on_device: bool = False,
        most_texts: int | None = None,
        beside: ModelMeasures | None = None,
    ) -> None:
        self.beside = beside
        self.decoder, self.tokens, self.layers = decoder, tokens, layers
        self.center_features, self.take, self.on_device = center_features, take, on_device
        self.model_name, self.text_ids, self.most_texts = model_name, text_ids, most_texts
        self.batch: list[int] = []
        self.waited_for: set[Layer] = set()
        self.first_rows = tokens.kept_offsets
        self.losses = np.full(self.first_rows[-1], np.nan, dtype=np.float32)

    def receive(self, layer: Layer, hidden: torch.Tensor) -> None:
        """Take a layer's states (batch, padded tokens, width) apart, text by text."""
        if layer not in self.waited_for:
            raise self._not_once(layer, "several times")
        self.waited_for.remove(layer)
        lengths = [int(self.tokens.lengths[text]) for text in self.batch]
        context = [int(self.tokens.context[text]) for text in self.batch]
        rows = torch.cat(
            [states[a:b] for states, a, b in zip(hidden, context, lengths, strict=True)]
        )
        lengths_here = [b - a for a, b in zip(context, lengths, strict=True)]
        as_passed_on = rows.split(lengths_here)
        if self.center_features and layer != "final":
            # Of the stream that the blocks add to; what follows the last norm is left as it is.
            rows = (rows.float() - rows.float().mean(dim=-1, keepdim=True)).to(rows.dtype)
        if rows.dtype == torch.bfloat16:
            rows = rows.float()
        if not self.on_device:
            rows = rows.cpu()
        parts = rows.split(lengths_here)
        for text, part in zip(self.batch, parts, strict=True):
            if not self.on_device and not np.isfinite(part.numpy()).all():
                raise not_finite(self.model_name, self.text_ids[text], layer)
            self.take(layer, text, part)
        if self.beside is not None:
            self.beside.take(layer, self.batch, as_passed_on, parts)

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
        self.waited_for = set(self.layers)
        with self.decoder.watched(ids, self.layers, self.receive):
            output = self.decoder.run(ids, mask.to(device).long() if padded else None)
        for layer in self.waited_for:
            raise self._not_once(layer, "not at all")
        if self.decoder.with_losses:
            found = self.decoder.losses(output, ids, lengths.tolist())
            for text, losses in zip(batch, found, strict=True):
                if not np.isfinite(losses[1:]).all():
                    raise self._loss_not_finite(text, losses)
                first, end = self.first_rows[text : text + 2]
                self.losses[first:end] = losses[self.tokens.context[text] :]

    def _not_once(self, layer: Layer, often: str) -> InputError:
        return InputError(
            f"architecture {type(self.decoder.model).__name__} of model '{self.model_name}' passes "
            f"layer {layer} {often} while it reads a text, so that there is no one state after it; "
            "leave it out of `extract:`, or choose another model."
        )

    def _loss_not_finite(self, text: int, losses: NDArray[np.float32]) -> LossNotFinite:
        token = 1 + int(np.isfinite(losses[1:]).argmin())
        return LossNotFinite(
            f"model '{self.model_name}': the loss of token {token + 1} of text "
            f"'{self.text_ids[text]}' is not finite; run the model in a wider type (`dtype: "
            "float32`), or set `token_losses: false` for the data set."
        )

    def run_alone(self, texts: Sequence[int], device: torch.device) -> None:
        """Run every text by itself, so that no other one of a batch moves its states."""
        lengths = self.tokens.lengths
        total = int(lengths[list(texts)].sum())
        with progress(total, "token", self.model_name, show=total > 0) as bar:
            for text in texts:
                self.run([text], device)
                bar.update(int(lengths[text]))

    def run_all(self, texts: Sequence[int], budget: int, device: torch.device, show: bool) -> None:
        """Run the texts in batches; when memory runs out, halve the budget and go on."""
        waiting = set(texts)
        longest = int(self.tokens.lengths[list(texts)].max()) if waiting else 0
        total = int(self.tokens.lengths[list(texts)].sum()) if waiting else 0
        bar = progress(total, "token", self.model_name, show)
        size = max(budget, longest)
        while waiting:
            try:
                for batch in batches_by_length(
                    sorted(waiting), self.tokens.lengths, size, self.most_texts, self.decoder.limits
                ):
                    self.run(batch, device)
                    waiting.difference_update(batch)
                    bar.update(int(self.tokens.lengths[batch].sum()))
                continue
            except Exception as error:
                if not should_reduce_batch_size(error):
                    raise
            # Behind the exception, whose frames hold what is to be freed.
            clear_device_cache(garbage_collection=True)
            if size <= longest:
                raise InputError(
                    f"model '{self.model_name}': memory runs out even for a single text of "
                    f"{longest} tokens; set `max_tokens:` for the data set, or `device_map: auto` "
                    "for the model."
                )
            size = max(size // 2, longest)
            log.warning("out of memory: continuing with %d tokens a batch", size)
        bar.close()


def not_finite(model_name: str, text_id: str, layer: Layer) -> InputError:
    """What to say of a text whose states hold an infinity or no number."""
    return InputError(
        f"model '{model_name}': the hidden states of text '{text_id}' at layer {layer} are not "
        "finite; run the model in a wider type (`dtype: float32`), or look at its weights."
    )


class Sink(Protocol):
    """Where the rows of a model's layers go."""

    def prepare(
        self, layers: Sequence[Layer], tokens: Tokens, texts: Sequence[dict[str, str]]
    ) -> None:
        """Once, by the first process, in an empty folder."""

    def open(
        self,
        layers: Sequence[Layer],
        tokens: Tokens,
        texts: Sequence[dict[str, str]],
        device: torch.device,
    ) -> bool:
        """By every process, before its first rows; whether rows are taken where layers run."""

    def take(self, layer: Layer, text: int, rows: torch.Tensor) -> None:
        """Rows of one text at one layer."""

    def close(self, complete: bool) -> None:
        """By every process, when it has sent all its rows, or when it has failed."""


def extract(
    record: dict[str, Any],
    model_options: dict[str, Any],
    dataset_options: dict[str, Any],
    texts: Sequence[dict[str, str]],
    layers: Sequence[Layer],
    part: Path,
    sink: Sink,
    finish: Callable[[dict[str, Any], dict[str, Any]], None],
    batch_tokens: int | None = None,
    shard: tuple[int, int] = (1, 1),
    loaded: Loaded | None = None,
    show: bool = True,
) -> None:
    """Run a model over texts and send the rows of every layer into ``sink``.

    Started in several processes, each takes its share of the texts.

    Parameters
    ----------
    record : dict
        A resolved model (`models.resolving`).
    model_options : dict
        The model's entry in the configuration.
    dataset_options : dict
        Of the data set's entry: ``max_tokens`` and ``min_tokens`` (texts are cut at the one and
        left out below the other), ``token_losses`` (also keep every token's negative
        log-likelihood; else they are NaN) and ``window_perplexity`` (also run over the texts of
        each group in windows, for their losses alone), and ``measures``, of which those are taken
        here that need the model (`maths.model_measures`).
    texts : sequence of dict
        ``id``, ``group``, ``text`` and perhaps ``prefix``; all of the data set.
    part : Path
        Folder for the work of all processes, emptied first.
    finish : callable
        Called by the first process when all have sent their rows: with what is known of the tokens
        (`texts.tokens.token_arrays`), with ``model_measures`` and ``model_measured`` (measures,
        layers, texts) if there are any, and with counts for the provenance.
    batch_tokens : int, optional
        Token budget of a padded batch; None takes `BATCH_TOKENS` for the device at hand.
    shard : tuple of int
        Number and count: work on this part of the texts that are long enough, and of the windows.
    loaded : Loaded, optional
        The model and its tokenizer, if they are there already; ``record`` is then read for
        messages alone.
    show : bool
        Whether there is a bar of progress.

    Raises
    ------
    InputError
        See `load_placed`, `Decoder`, `ModelMeasures`, `tokenise`, `check_vocabulary`; if a state or
        a loss is not finite, or if there are fewer texts than shards.
    """
    state = PartialState(cpu=not torch.cuda.is_available(), timeout=LONGEST_WAIT)
    started = time.perf_counter()
    with_losses = dataset_options.get("token_losses", True)
    measures = dataset_options.get("measures", [])
    with_head = with_losses or takes_head(measures)
    model, device = (
        load_placed(record, model_options, state.device, with_head=with_head)
        if loaded is None
        else loaded[:2]
    )
    layers = layers_to_take(model, layers, model_options)
    decoder = Decoder(model, with_losses, layers, model_options.get("streams"))
    tokenizer = load_tokenizer(record) if loaded is None else loaded.tokenizer
    front = token_left_out(tokenizer, model_options["bos"], record["model"])
    window = context_window(model)
    in_windows = dataset_options.get("window_perplexity", False)
    # Once for texts and windows; a shard needs the others' tokens to know its windows.
    encoded = encode(tokenizer, texts) if in_windows else None
    tokens, chosen = tokenise(
        tokenizer,
        texts,
        model_options["bos"],
        dataset_options.get("max_tokens"),
        window,
        dataset_options.get("min_tokens", 0),
        encoded,
    )
    check_vocabulary(tokens.ids, decoder.vocabulary, tokenizer, record["model"])
    left_out = len(texts) - len(chosen)
    if len(chosen) < shard[1]:
        raise InputError(
            f"{len(chosen)} texts cannot be spread over {shard[1]} shards; lower `shards:` of the "
            "data set."
        )
    mine = _share(len(chosen), shard)
    tokens, texts_here = tokens.some(mine), [texts[number] for number in chosen[mine]]
    windows: Tokens | None = None
    window_groups: list[str] = []
    if encoded is not None:
        windows, window_groups = corpus_windows(
            tokenizer,
            [texts[number] for number in chosen],
            min(WINDOW_TOKENS, window or WINDOW_TOKENS),
            [encoded[number] for number in chosen],
        )
        mine = _share(len(window_groups), shard)
        windows, window_groups = windows.some(mine), window_groups[mine]
    del encoded
    ids = [text["id"] for text in texts_here]
    beside = ModelMeasures(measures, decoder, layers, tokens, ids, record["model"])
    of_text = len(beside.names) * len(layers)
    begun = time.perf_counter()

    losses = StateFiles(part, ["losses"], 1, "float32")
    window_losses = StateFiles(part, ["window_losses"], 1, "float32")
    of_model = StateFiles(part, ["of_model"] if beside.names else [], of_text, "float64")
    if state.is_main_process:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        sink.prepare(layers, tokens, texts_here)
        losses.create(int(tokens.kept_offsets[-1]))
        window_losses.create(len(window_groups))
        of_model.create(len(texts_here))
    state.wait_for_everyone()
    budget = batch_tokens or BATCH_TOKENS[device.type == "cuda"]

    def run(extraction: Extraction) -> list[int]:
        """This process's share of the texts: every n-th, longest first."""
        by_length = np.argsort(-extraction.tokens.lengths, kind="stable")
        share = [int(text) for text in by_length[state.process_index :: state.num_processes]]
        with nullcontext() if extraction.beside is None or not share else beside.watching():
            extraction.run_all(share, budget, device, show and state.is_main_process)
        return share

    try:
        losses.open()
        window_losses.open()
        of_model.open()
        on_device = sink.open(layers, tokens, texts_here, device)
        extraction = Extraction(
            decoder,
            tokens,
            layers,
            model_options["center_features"],
            sink.take,
            record["model"],
            [text["id"] for text in texts_here],
            on_device,
            beside.most_texts or model_options.get("batch_texts"),
            beside if beside.names else None,
        )
        first_rows = tokens.kept_offsets
        for text in run(extraction):
            first, last = first_rows[text], first_rows[text + 1]
            losses.write("losses", int(first), extraction.losses[first:last, None])
            if beside.names:
                of_model.write("of_model", text, beside.of(text)[None])
        if windows is not None:
            reading = Extraction(
                decoder,
                windows,
                [],
                False,
                sink.take,
                record["model"],
                [f"window {number + 1} of {group}" for number, group in enumerate(window_groups)],
                most_texts=model_options.get("batch_texts"),
            )
            for number in run(reading):
                of_window = reading.losses[windows.offsets[number] : windows.offsets[number + 1]]
                mean = np.nanmean(of_window, dtype=np.float64)
                window_losses.write("window_losses", number, np.array([[mean]]))
        sink.close(complete=True)
    except LossNotFinite:
        # Of states that are not finite, and that the sink may not have looked at yet, it tells.
        sink.close(complete=True)
        raise
    except BaseException:
        sink.close(complete=False)
        raise
    finally:
        losses.close()
        window_losses.close()
        of_model.close()
    state.wait_for_everyone()

    if state.is_main_process:
        more = {
            "window_groups": np.array(window_groups, dtype=np.str_),
            "window_losses": _taken(window_losses.paths["window_losses"])[:, 0],
            "window_tokens": windows.lengths - 1 if windows else np.empty(0, dtype=np.int64),
        }
        if beside.names:
            shape = (len(texts_here), *beside.values.shape[:2])
            found = _taken(of_model.paths["of_model"]).reshape(shape)
            more["model_measures"] = np.array(beside.names)
            more["model_measured"] = np.moveaxis(found, 0, -1)
        counts = {
            "texts_left_out": left_out,
            "tokens": int(tokens.kept_offsets[-1]),
            "truncated_texts": int(tokens.truncated.sum()),
            "shard": list(shard),
            "layers": list(layers),
            "left_out_in_front": front,
            **beside.provenance,
        }
        of_tokens = _taken(losses.paths["losses"])[:, 0]
        finish(token_arrays(tokens, of_tokens, texts_here, more), counts)
        _report(tokens, left_out, time.perf_counter() - begun, begun - started, state.num_processes)
    state.wait_for_everyone()


@contextmanager
def cleared(part: Path) -> Iterator[None]:
    """Leave nothing at ``part`` when the block ends, however it ends.

    Where several processes write, the one that launched them clears away what they leave.
    """
    try:
        yield
    finally:
        if "LOCAL_RANK" not in os.environ:
            shutil.rmtree(part, ignore_errors=True)


def layers_to_take(
    model: Any, layers: Sequence[Layer], model_options: dict[str, Any]
) -> list[Layer]:
    """Of the layers asked for those that the model has.

    Raises
    ------
    InputError
        If it lacks one, unless that is `final` and all that there are were asked for.
    """
    if model_options.get("extract") == "all" and blocks_and_norm(model).norm is None:
        log.warning(
            "%s has no normalisation behind its blocks that is known here: `extract: all` leaves "
            "out `final`",
            type(model).__name__,
        )
        return [layer for layer in layers if layer != "final"]
    check_layers(model, layers)
    return list(layers)


def _share(count: int, shard: tuple[int, int]) -> slice:
    """The consecutive part of so many things that falls to a shard."""
    number, shards = shard
    return slice((number - 1) * count // shards, number * count // shards)


def _taken(path: Path) -> NDArray[Any]:
    """What is in a finished file of losses or measures, which is no part of the folder."""
    found: NDArray[Any] = np.load(path, allow_pickle=False)
    path.unlink()
    return found


def _report(tokens: Tokens, left_out: int, seconds: float, loading: float, processes: int) -> None:
    unit = 2**20 if sys.platform == "darwin" else 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    lengths = tokens.lengths
    kept = lengths - tokens.context
    log.info(
        "%d texts, %d tokens in %.1f s (%.0f tokens/s, %d process%s) after %.1f s of loading; "
        "peak memory %.0f MiB",
        len(lengths), len(tokens.ids), seconds, len(tokens.ids) / seconds,
        processes, "" if processes == 1 else "es", loading, peak,
    )  # fmt: skip
    if left_out:
        log.info("%d texts were left out as too short", left_out)
    if tokens.truncated.any():
        log.warning(
            "%d of %d texts were cut to %d tokens",
            int(tokens.truncated.sum()), len(lengths), int(lengths.max()),
        )  # fmt: skip
    if (kept < 2).any():
        log.warning(
            "%d of %d texts have a single token: their entropy is undefined (NaN) and left out of "
            "every mean",
            int((kept < 2).sum()), len(lengths),
        )  # fmt: skip
