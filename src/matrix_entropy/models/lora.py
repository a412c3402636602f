"""Fine-tune a model on texts with LoRA: small matrices beside the weights, the weights untouched.

The papers state neither rank nor learning rate, nor any other value of their fine-tuning: all of
them are options here, and the record of the adapter keeps what was chosen.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader
from transformers.pytorch_utils import Conv1D

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import sha256, writing_folder
from matrix_entropy.models.anatomy import (
    blocks_and_norm,
    context_window,
    embeddings_of,
    length_limits,
)
from matrix_entropy.models.loading import load_model, load_tokenizer
from matrix_entropy.models.training import write_curve
from matrix_entropy.running.console import progress
from matrix_entropy.sources.model_files import HASHES
from matrix_entropy.texts.tokens import check_vocabulary

log = logging.getLogger("matrix_entropy")

WARM_UP = 0.03
LARGEST_GRADIENT = 1.0
# What a record keeps of the options; layers and width are the base's.
CHOICES = (
    "dataset", "rank", "alpha", "dropout", "targets", "epochs", "learning_rate", "batch",
    "max_tokens", "seed",
)  # fmt: skip
ELSEWHERE = "on a larger GPU, or on the CPU (`CUDA_VISIBLE_DEVICES=` before the command)"
NOT_PREDICTED = -100  # the label that transformers leaves out of the loss


def train_lora(
    name: str,
    base: dict[str, Any],
    options: dict[str, Any],
    texts: Sequence[dict[str, str]],
    folder: Path,
) -> dict[str, Any]:
    """Train a LoRA adapter for a model on texts and save it in peft's format.

    Every adapted weight ``W`` becomes ``W + (alpha / rank) B A``, with ``A`` drawn at random and
    ``B`` zero at the start. What is minimised is the mean negative log-likelihood of the tokens of
    a batch of texts, each text on its own, without special tokens, cut to ``max_tokens`` or the
    model's context. Base and adapter are float32; the base's own dropout is active, as in any
    fine-tuning. AdamW without weight decay; the gradient's norm is held to at most 1; the learning
    rate rises linearly over the first 3 % of the steps and falls to zero along a cosine. On the
    CPU the same seed gives the same adapter, byte for byte.

    Where memory runs out, a step takes half as many of its texts at a time, down to one, and adds
    up their gradients: the same step, but for what dropout draws.

    Parameters
    ----------
    base : dict
        The record of the model to fine-tune (`models.resolving`).
    options : dict
        ``dataset`` (the name of ``texts``), ``rank``, ``alpha``, ``dropout``, ``targets`` (names of
        linear modules), ``epochs``, ``learning_rate``, ``batch`` (texts a step), ``max_tokens``,
        ``seed``; ``layers`` and ``width`` of the base.
    texts : sequence of dict
        ``text`` of each; the order is drawn anew, from the seed, for every epoch.
    folder : Path
        Gets ``adapter_model.safetensors``, ``adapter_config.json`` and ``loss.csv``; it appears
        only when they are complete.

    Returns
    -------
    dict
        A record for `load_model`, with the mean loss of the last epoch in nats per token.

    Raises
    ------
    InputError
        See `load_model`; or if a target is no linear module of the model, if no text has a token
        to predict, or if memory runs out even for a single text.
    """
    accelerator = Accelerator(cpu=not torch.cuda.is_available(), mixed_precision="no")
    model = load_model(base, options["layers"], options["width"], "float32")
    tokenizer = load_tokenizer(base)
    ids = _token_ids(name, tokenizer, options, texts, context_window(model))
    vocabulary = embeddings_of(model)
    check_vocabulary(torch.cat(ids).numpy(), vocabulary, tokenizer, name)
    adapter = _adapter(name, base, model, options)
    # The caller's generators are left as they were.
    devices = [accelerator.device.index or 0] if accelerator.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(options["seed"])
        tuned = get_peft_model(model, adapter)
        curve = _train(name, tuned, ids, options, accelerator)

    with writing_folder(folder) as part:
        _save(tuned, base["id"], curve, part)

    last = [row for row in curve if row["epoch"] == options["epochs"]]
    final = sum(row["loss"] * row["tokens"] for row in last) / sum(row["tokens"] for row in last)
    trained = sum(each.numel() for each in tuned.parameters() if each.requires_grad)
    log.info(
        "%s: %d parameters trained in %d steps, loss %.3f nats per token in the last epoch",
        name, trained, len(curve), final,
    )  # fmt: skip
    kept = (
        *("revision", "commit", "package", "gguf", "folder"),
        *("stand_in", *HASHES, "parameters"),
    )
    return {
        "model": name,
        "source": "lora",
        "id": f"{base['id']} + LoRA on {options['dataset']}",
        **{key: base[key] for key in kept if key in base},
        "adapter": str(folder),
        "adapter_sha256": sha256(folder / "adapter_model.safetensors"),
        "adapter_config_sha256": sha256(folder / "adapter_config.json"),
        "training_loss": final,
        "training": {key: options[key] for key in CHOICES},
    }


def _token_ids(
    name: str,
    tokenizer: Any,
    options: dict[str, Any],
    texts: Sequence[dict[str, str]],
    window: int | None,
) -> list[torch.Tensor]:
    """Ids of every text of two tokens or more; a single token predicts nothing."""
    limit = min(options["max_tokens"], window or options["max_tokens"])
    encoded = tokenizer([text["text"] for text in texts], add_special_tokens=False, verbose=False)[
        "input_ids"
    ]
    ids = [torch.tensor(each[:limit]) for each in encoded if len(each) > 1]
    if not ids:
        raise InputError(
            f"model '{name}': none of the {len(texts)} texts of '{options['dataset']}' has two "
            "tokens, so there is nothing to learn; name another data set."
        )
    if len(ids) < len(texts):
        log.warning("%d of %d texts have a single token", len(texts) - len(ids), len(texts))
    return ids


def _adapter(
    name: str, base: dict[str, Any], model: nn.Module, options: dict[str, Any]
) -> LoraConfig:
    blocks, _ = blocks_and_norm(model)
    linear = {
        path: module
        for path, module in blocks.named_modules()
        if isinstance(module, (nn.Linear, Conv1D))
    }
    chosen: list[nn.Module] = []
    for target in options["targets"]:
        found = [module for path, module in linear.items() if path.endswith(f".{target}")]
        if not found:
            leaves = dict.fromkeys(path.rpartition(".")[2] for path in linear)
            raise InputError(
                f"model '{name}': {base['id']} has no linear module '{target}' to adapt; its "
                f"blocks have {', '.join(leaves)}: correct `targets:`."
            )
        chosen += found
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=options["rank"],
        lora_alpha=options["alpha"],
        lora_dropout=options["dropout"],
        target_modules=options["targets"],
        # GPT-2 keeps its weights transposed.
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in chosen),
    )


def _train(
    name: str,
    model: PeftModel,
    ids: list[torch.Tensor],
    options: dict[str, Any],
    accelerator: Accelerator,
) -> list[dict[str, float]]:
    """Fit the adapter; epoch, predicted tokens and loss of every step."""
    batches: DataLoader[Any] = DataLoader(
        ids,  # type: ignore[arg-type]
        options["batch"],
        shuffle=True,
        generator=torch.Generator().manual_seed(options["seed"]),
        collate_fn=_padded,
    )
    steps = options["epochs"] * len(batches)
    warm_up = max(1, round(WARM_UP * steps))
    trained = [each for each in model.parameters() if each.requires_grad]
    optimiser = torch.optim.AdamW(trained, options["learning_rate"], weight_decay=0.0)
    with _out_of_memory() as ran_out:
        model, optimiser, batches = accelerator.prepare(model, optimiser, batches)
    if ran_out:
        raise InputError(
            f"model '{name}': its weights, in float32, do not fit into the GPU's memory; train "
            f"{ELSEWHERE}."
        )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser,
        lambda step: (
            (step + 1) / warm_up
            if step < warm_up
            else 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))
        ),
    )
    model.train()
    curve: list[dict[str, float]] = []
    bar = progress(steps, "step", name)
    size = options["batch"]
    for epoch in range(1, options["epochs"] + 1):
        for batch in batches:
            while True:
                optimiser.zero_grad()
                with _out_of_memory() as ran_out:
                    loss, tokens = _gradients(model, batch, size, accelerator)
                if not ran_out:
                    break
                size = _halved(name, size, batch)
            accelerator.clip_grad_norm_(trained, LARGEST_GRADIENT)
            optimiser.step()
            schedule.step()
            bar.update()
            curve.append({"epoch": epoch, "tokens": tokens, "loss": loss})
    bar.close()
    model.eval()
    return curve


def _gradients(
    model: nn.Module, batch: dict[str, torch.Tensor], size: int, accelerator: Accelerator
) -> tuple[float, int]:
    """Loss of a batch and its predicted tokens; the gradients come from so many texts at a time."""
    tokens = _predicted(batch)
    total = 0.0
    for some in _parts(batch, size, length_limits(model.config)):
        loss = model(**some, use_cache=False).loss * (_predicted(some) / tokens)
        accelerator.backward(loss)
        total += loss.item()
    return total, tokens


def _parts(
    batch: dict[str, torch.Tensor], size: int, limits: list[int]
) -> Iterator[dict[str, torch.Tensor]]:
    """At most so many texts of a batch at a time, each part with texts between the same limits.

    Beyond a limit a model computes otherwise, by the longest text; so each part has the length of
    the longest of its kind, however many parts there are.
    """
    lengths = batch["attention_mask"].sum(1)
    kinds = torch.bucketize(lengths, torch.tensor(limits, device=lengths.device))
    for kind in kinds.unique():
        of_kind = (kinds == kind).nonzero().flatten()
        longest = int(lengths[of_kind].max())
        for some in of_kind.split(size):
            yield {key: value[some, :longest] for key, value in batch.items()}


def _predicted(batch: dict[str, torch.Tensor]) -> int:
    return int((batch["labels"][:, 1:] != NOT_PREDICTED).sum())


@contextmanager
def _out_of_memory() -> Iterator[list[str]]:
    """Go on behind the block where memory ran out in it, and say so; what it held is freed."""
    ran_out: list[str] = []
    try:
        yield ran_out
    except RuntimeError as error:
        if not should_reduce_batch_size(error):
            raise
        ran_out.append(str(error))
    if ran_out:
        clear_device_cache(garbage_collection=True)


def _halved(name: str, size: int, batch: dict[str, torch.Tensor]) -> int:
    """Texts at a time for which memory may be enough."""
    if size == 1:
        raise InputError(
            f"model '{name}': memory runs out even for a single text of "
            f"{batch['input_ids'].shape[1]} tokens; lower `max_tokens:` of the table's `lora:`, or "
            f"train {ELSEWHERE}."
        )
    log.warning(
        "out of memory: continuing with %d texts at a time, whose gradients are added up", size // 2
    )
    return size // 2


def _padded(texts: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    """A batch, padded on the right with tokens that are neither attended to nor predicted."""
    return {
        "input_ids": pad_sequence(texts, batch_first=True),
        "attention_mask": pad_sequence([torch.ones_like(text) for text in texts], True),
        "labels": pad_sequence(texts, True, NOT_PREDICTED),
    }


def _save(model: PeftModel, base_id: str, curve: list[dict[str, float]], folder: Path) -> None:
    # Not with peft's own `save_pretrained`: it asks the hub for the base's configuration and
    # writes this machine's paths into the folder.
    weights = get_peft_model_state_dict(model, save_embedding_layers=False)
    save_file(
        {key: value.cpu().contiguous() for key, value in weights.items()},
        folder / "adapter_model.safetensors",
        {"format": "pt"},
    )
    config: Any = model.peft_config["default"]
    config.base_model_name_or_path = base_id
    config.inference_mode = True
    config.target_modules = sorted(config.target_modules)  # a set has no order to rely on
    config.save_pretrained(str(folder))
    rows = [
        {"step": step, **row, "loss": round(row["loss"], 6)}
        for step, row in enumerate(curve, start=1)
    ]
    write_curve(folder / "loss.csv", rows)
