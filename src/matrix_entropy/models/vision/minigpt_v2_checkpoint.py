"""Convert the authors' MiniGPT-v2, once: files from three places become safetensors in one.

What was trained, and only that, is in the authors' checkpoint; everything else is where they took
it from.

======================  ==================================  ====================================
file                    key there                           key here
======================  ==================================  ====================================
``eva_vit_g.pth``       see `models.vision.eva_vit`        vision_model.*
the checkpoint, under   llama_proj.*                        connector.*
``"model"`` (float32)   P.L.{q,v}_proj.lora_{A,B}.weight    merged (a) into
                        or ....lora_{A,B}.default.weight    language_model.L.{q,v}_proj.weight
..                      P.L.rotary_emb.inv_freq             not read: follows from the sizes
..                      ln_vision.* (b)                     ln_vision.*
Llama-2-7b-chat,        all                                 language_model.*
a Hugging Face folder
======================  ==================================  ====================================

``P`` is ``llama_model.base_model.model``, ``L`` ``model.layers.N.self_attn``; ``{q,v}`` means
either.

(a) ``W + (16 / rank) B A``, computed and kept in float32: the small product is not rounded to the
    half precision of ``W`` before the model is loaded in the precision of a run.
(b) Made fresh (weight 1, bias 0), unless the checkpoint has it. So do the authors: they make this
    norm, freeze it, and store nothing frozen.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoConfig, Blip2VisionConfig, LlamaConfig, LlamaForCausalLM

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import sha256, weights_sha256
from matrix_entropy.models.loaded_weights import REPORTING, check_weights
from matrix_entropy.models.loading import from_folder, load_tokenizer
from matrix_entropy.models.vision.eva_vit import vision_weights
from matrix_entropy.models.vision.minigpt_v2 import (
    ARCHITECTURE,
    MiniGPTv2Config,
    empty_minigpt_v2,
    write_minigpt_v2,
)
from matrix_entropy.models.vision.pickles import compare_keys, read_pickle

log = logging.getLogger("matrix_entropy")

ALPHA = 16  # LoRA's factor, which no weight tells; the rank is that of the matrices
ADAPTED = ("q_proj", "v_proj")

NORM = ("ln_vision.weight", "ln_vision.bias")
CONNECTOR = {"llama_proj.weight": "connector.weight", "llama_proj.bias": "connector.bias"}
LANGUAGE = "llama_model.base_model.model."


def convert_minigpt_v2(
    checkpoint: Path, eva: Path, language: Path, folder: Path, vision: Blip2VisionConfig
) -> None:
    """Write the authors' model as a folder for `models.vision.minigpt_v2.load_minigpt_v2`.

    The two pickles are read with torch's reader that runs no code. At full size about 20 GB of
    memory are needed, and 16 GB of disk.

    Parameters
    ----------
    checkpoint : Path
        The authors' ``.pth`` after stage 2, stage 3 or of their demonstration.
    eva : Path
        ``eva_vit_g.pth``.
    language : Path
        Folder of Llama-2-7b-chat with safetensors weights and tokenizer.
    folder : Path
        Where to write; ``config.json`` keeps the sources' hashes under ``sources``.
    vision : Blip2VisionConfig
        From `models.vision.eva_vit.eva_vit`: the sizes of the ViT, with the image size that
        MiniGPT-v2 works at.

    Raises
    ------
    InputError
        If a file is missing, cannot be read without running code, lacks a weight, has one that is
        not in the tables, or one of another shape.
    """
    config = MiniGPTv2Config(vision, _language_config(language))
    trained = read_pickle(checkpoint, "model")
    weights = vision_weights(eva, read_pickle(eva), vision)
    norm, origin = _norm(checkpoint, trained, vision.hidden_size)
    adapters = _adapters(checkpoint, trained, config.language.num_hidden_layers)
    weights |= norm | {name: trained[theirs] for theirs, name in CONNECTOR.items()}
    weights |= _language_weights(language)
    rank = _merge(checkpoint, weights, adapters)

    tokenizer = load_tokenizer({"model": ARCHITECTURE, "folder": str(language)})
    _compare_shapes(weights, empty_minigpt_v2(config, tokenizer, ARCHITECTURE))
    sources = {
        **{path.name: sha256(path) for path in (checkpoint, eva)},
        "language_model": weights_sha256(language),
        "lora": {"rank": rank, "alpha": ALPHA, "targets": list(ADAPTED)},
        "ln_vision": origin,
    }
    write_minigpt_v2(folder, config.to_dict() | {"sources": sources}, weights, tokenizer)
    log.info("%s: LoRA of rank %d merged, ln_vision %s", folder, rank, origin)


def _norm(
    checkpoint: Path, trained: dict[str, Tensor], width: int
) -> tuple[dict[str, Tensor], str]:
    """The weights of the norm after the ViT, and where they come from."""
    found = [key for key in NORM if key in trained]
    if not found:
        return {NORM[0]: torch.ones(width), NORM[1]: torch.zeros(width)}, "made fresh"
    compare_keys(checkpoint, found, NORM)
    return {key: trained[key] for key in NORM}, f"from {checkpoint.name}"


def _adapters(
    checkpoint: Path, trained: dict[str, Tensor], layers: int
) -> dict[str, tuple[Tensor, Tensor]]:
    """LoRA's ``A`` and ``B`` by the name of the language model's weight that they change."""
    # peft names the adapter in its keys since version 0.3.
    plain = {re.sub(r"\.default\.weight$", ".weight", key): key for key in trained}
    wanted = [
        f"model.layers.{layer}.self_attn.{target}" for layer in range(layers) for target in ADAPTED
    ]
    pairs = {name: [f"{LANGUAGE}{name}.lora_{matrix}.weight" for matrix in "AB"] for name in wanted}
    # The rotary frequencies are no parameters, so the authors' code stores them though frozen.
    found = [key for key in plain if key not in NORM and not key.endswith("rotary_emb.inv_freq")]
    compare_keys(checkpoint, found, [*CONNECTOR, *(key for pair in pairs.values() for key in pair)])
    return {
        f"language_model.{name}.weight": (trained[plain[a]], trained[plain[b]])
        for name, (a, b) in pairs.items()
    }


def _merge(
    checkpoint: Path, weights: dict[str, Tensor], adapters: dict[str, tuple[Tensor, Tensor]]
) -> int:
    """Put ``W + (ALPHA / rank) B A`` in the place of every adapted weight; the rank."""
    rank = len(next(iter(adapters.values()))[0])
    for key, (a, b) in adapters.items():
        weight = weights[key]
        if a.shape != (rank, weight.shape[1]) or b.shape != (weight.shape[0], rank):
            raise InputError(
                f"{checkpoint}: LoRA's matrices for {key} have the shapes {tuple(a.shape)} and "
                f"{tuple(b.shape)}, which do not fit rank {rank} and a weight of the shape "
                f"{tuple(weight.shape)}; is the language model the one that they were trained for?"
            )
        weights[key] = weight.float() + ALPHA / rank * (b.float() @ a.float())
    return rank


def _language_config(folder: Path) -> LlamaConfig:
    if not (folder / "config.json").is_file():
        raise InputError(f"{folder} is not a folder of Llama-2-7b-chat, it has no config.json.")
    config = from_folder(AutoConfig, {"model": "Llama-2-7b-chat", "folder": str(folder)})
    if not isinstance(config, LlamaConfig):
        raise InputError(
            f"{folder} holds a model of type '{config.model_type}', but MiniGPT-v2 speaks through "
            "a Llama; name the folder of Llama-2-7b-chat."
        )
    return config


def _language_weights(folder: Path) -> dict[str, Tensor]:
    model, report = from_folder(
        LlamaForCausalLM,
        {"model": "Llama-2-7b-chat", "folder": str(folder)},
        dtype="auto",
        use_safetensors=True,
        **REPORTING,
    )
    check_weights(f"the language model in {folder}", model, report)
    return {f"language_model.{key}": value for key, value in model.state_dict().items()}


def _compare_shapes(weights: dict[str, Tensor], model: nn.Module) -> None:
    for key, expected in model.state_dict().items():
        if weights[key].shape != expected.shape:
            raise InputError(
                f"the weight {key} has the shape {tuple(weights[key].shape)}, but the model needs "
                f"{tuple(expected.shape)}; do checkpoint, ViT and language model belong together?"
            )
