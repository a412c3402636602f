"""Small models of the papers' architectures, trained in seconds, to run everything offline.

A stand-in is no reproduction of the model whose place it takes; its record says so
(``stand_in``), and so does every figure drawn from it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPTNeoConfig,
    GPTNeoXConfig,
    OPTConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.utils import logging as transformers_logging

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import writing_folder
from matrix_entropy.models.training import MOST_HELD_OUT, fit, split, write_curve
from matrix_entropy.sources.model_files import contents

log = logging.getLogger("matrix_entropy")

# Jobs have bars of their own.
transformers_logging.disable_progress_bar()

END_OF_TEXT = "<|endoftext|>"
# In a stand-in's folder, that of its checkpoints.
KEPT = "checkpoints"


def train_tokenizer(texts: Sequence[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE tokenizer, as GPT-2's, with one special token that begins and ends a text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=END_OF_TEXT, eos_token=END_OF_TEXT
    )


def new_model(
    train: dict[str, Any], layers: int, width: int, vocabulary: int, end: int
) -> PreTrainedModel:
    """An untrained model of the stated architecture and size; seed torch before."""
    config = CONFIGS[train["architecture"]](layers, width, train["heads"], train["context"])
    config.update({"vocab_size": vocabulary, "bos_token_id": end, "eos_token_id": end})
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config)
    return model


# The standard deviation of first weights. GPT-2's 0.02 is for 768 features: from there models as
# narrow as these need half as many steps again.
FIRST_WEIGHTS = 0.06
# GPT-2's own GELU, in one call in place of eight.
GELU = "gelu_pytorch_tanh"


def _gpt2(layers: int, width: int, heads: int, context: int) -> PretrainedConfig:
    return GPT2Config(
        n_layer=layers,
        n_embd=width,
        n_head=heads,
        n_positions=context,
        initializer_range=FIRST_WEIGHTS,
        activation_function=GELU,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    )


def _gpt_neo(layers: int, width: int, heads: int, context: int) -> PretrainedConfig:
    # Global and local attention take turns, as in TinyStories; an odd layer at the end is global.
    attention: list[Any] = [[["global", "local"], layers // 2]] if layers > 1 else []
    return GPTNeoConfig(
        num_layers=layers,
        hidden_size=width,
        num_heads=heads,
        max_position_embeddings=context,
        initializer_range=FIRST_WEIGHTS,
        activation_function=GELU,
        attention_types=attention + ([[["global"], 1]] if layers % 2 else []),
        resid_dropout=0.0,
        embed_dropout=0.0,
        attention_dropout=0.0,
    )


def _gpt_neox(layers: int, width: int, heads: int, context: int) -> PretrainedConfig:
    # As Pythia: attention and MLP side by side, a quarter of each head rotated, its own output
    # matrix.
    return GPTNeoXConfig(
        num_hidden_layers=layers,
        hidden_size=width,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        max_position_embeddings=context,
        initializer_range=FIRST_WEIGHTS,
        use_parallel_residual=True,
        rotary_pct=0.25,  # type: ignore[call-arg]
        tie_word_embeddings=False,
        attention_dropout=0.0,
        hidden_dropout=0.0,
    )


def _opt(layers: int, width: int, heads: int, context: int) -> PretrainedConfig:
    return OPTConfig(
        # By default token 1 pads and is never learned; here it is a token like any other.
        pad_token_id=None,
        num_hidden_layers=layers,
        hidden_size=width,
        num_attention_heads=heads,
        ffn_dim=4 * width,
        word_embed_proj_dim=width,
        max_position_embeddings=context,
        init_std=FIRST_WEIGHTS,
        do_layer_norm_before=True,
        dropout=0.0,
        attention_dropout=0.0,
    )


CONFIGS = {"gpt2": _gpt2, "gpt_neo": _gpt_neo, "gpt_neox": _gpt_neox, "opt": _opt}


def train_stand_in(
    name: str,
    model_options: dict[str, Any],
    texts: Sequence[str],
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
) -> dict[str, Any]:
    """Train a stand-in and save it in Hugging Face format, with ``loss.csv`` beside it.

    With ``checkpoints`` of ``train``, a copy after each of these steps is in ``checkpoints/STEP``.

    Parameters
    ----------
    model_options : dict
        The model's entry in the configuration, with ``train``.
    texts : sequence of str
        The corpus; one text in twenty is held out.
    folder : Path
        Where to save ``config.json``, ``model.safetensors``, the tokenizer and ``loss.csv``.

    Returns
    -------
    dict
        The model's record, as `models.resolving.resolve_path` gives it, and the held-out
        loss in nats per token.

    Raises
    ------
    InputError
        If the corpus is too small for one training sequence.
    """
    train = model_options["train"]
    torch.manual_seed(train["seed"])
    end = int(tokenizer.eos_token_id)
    learnt, held_out = split(texts)
    stream = _token_stream(learnt, tokenizer, end)
    length = train["block"] + 1
    held_out_blocks = _blocks(_token_stream(held_out, tokenizer, end), length)[:MOST_HELD_OUT]
    if len(stream) <= length or not len(held_out_blocks):
        raise InputError(
            f"the corpus of stand-in '{name}' has only {len(stream)} tokens, too few for sequences "
            f"of {train['block']}: raise `count:` of the data set '{train['corpus']}'."
        )
    model = new_model(train, model_options["layers"], model_options["width"], len(tokenizer), end)

    def random_sequences(random: np.random.Generator) -> torch.Tensor:
        starts = random.integers(0, len(stream) - length, size=train["batch"])
        batch = np.stack([stream[start : start + length] for start in starts])
        return _loss(model, torch.from_numpy(batch))

    curve: list[dict[str, float]] = []

    with writing_folder(folder) as part:

        def save(place: Path) -> None:
            model.save_pretrained(place)
            tokenizer.save_pretrained(place)

        kept = train.get("checkpoints", [])
        if 0 in kept:
            save(part / KEPT / "0")
        for step, train_loss in fit(name, model, train, random_sequences):
            held_out_loss = round(_held_out_loss(model, held_out_blocks), 6)
            tokens = step * train["batch"] * train["block"]
            curve.append(
                {
                    "step": step,
                    "tokens": tokens,
                    "train_loss": train_loss,
                    "held_out_loss": held_out_loss,
                }
            )
            if step in kept:
                save(part / KEPT / str(step))
        save(part)
        write_curve(part / "loss.csv", curve)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    final = curve[-1]["held_out_loss"]
    log.info("%s: %d parameters, held-out loss %.3f nats per token", name, parameters, final)
    return {
        "model": name,
        "source": "train",
        "id": f"{train['architecture']} stand-in, {parameters} parameters",
        "folder": str(folder),
        "stand_in": True,
        **contents(folder),
        "parameters": parameters,
        "held_out_loss": final,
        "training": train,
    }


def _token_stream(
    texts: Sequence[str], tokenizer: PreTrainedTokenizerFast, end: int
) -> NDArray[np.int64]:
    encoded = tokenizer(list(texts), add_special_tokens=False)["input_ids"] if texts else []
    return np.array([token for ids in encoded for token in (end, *ids)], dtype=np.int64)


def _blocks(stream: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    whole = len(stream) // length
    return stream[: whole * length].reshape(whole, length)


def _loss(model: PreTrainedModel, batch: torch.Tensor) -> torch.Tensor:
    logits = model(input_ids=batch[:, :-1], use_cache=False).logits
    return nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())


@torch.no_grad()
def _held_out_loss(model: PreTrainedModel, blocks: NDArray[np.int64]) -> float:
    model.eval()
    loss = _loss(model, torch.from_numpy(blocks)).item()
    model.train()
    return loss
