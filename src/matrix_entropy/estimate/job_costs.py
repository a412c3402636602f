"""What the jobs behind a figure or table cost: each job of the workflow once, by name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matrix_entropy.configuration.targets import needed_datasets, needed_models
from matrix_entropy.estimate.cost import TRAINING, Transformer, Work
from matrix_entropy.estimate.devices import Device
from matrix_entropy.estimate.text_sizes import image_bytes, uncut
from matrix_entropy.models.placement import BYTES
from matrix_entropy.sources.gguf_files import is_gguf, local_gguf

Entry = dict[str, Any]

# Seconds from a job's start to its first useful line, on the machine of `cpu_core`: Python with
# torch and transformers, with lm-evaluation-harness, with pandas or matplotlib (by its imports; the
# others are measured), with NumPy. Most jobs of one machine without a GPU need less: they are
# copies of a process that has imported these (`running.workers`).
WITH_TORCH, WITH_HARNESS, WITH_PANDAS, PLAIN = 3.2, 4.8, 1.2, 0.3
# Of a step of training, or of a token that is written, what does not grow with its size, per block.
STEP_SECONDS = 3e-3
# Held-out sequences and evaluations of `models.training`.
HELD_OUT, EVALUATIONS = 64, 2

# Where the configuration does not say it: GPT-2's vocabulary (those of Cerebras-GPT, Pythia and OPT
# are about as large), and Llama's for vision-language models.
VOCABULARY, LLAMA_VOCABULARY = 50_257, 32_000
VISION_ENCODER_BYTES = 2e9  # eva_vit_g.pth
# Families whose weights are published in 16 bits; the others' are in 32.
IN_16_BITS = (
    *("Pythia", "OPT", "LLaVA-1.5", "MiniGPT-v2"),
    *("SmolLM2", "Qwen2.5", "Gemma 3"),
)


@dataclass(frozen=True)
class Cost:
    """What a job takes; of one that is cut into shards, all of them together."""

    rule: str
    texts: float = 0.0
    tokens: float = 0.0
    flops: float = 0.0  # of models
    spectra_flops: float = 0.0
    weights: float = 0.0  # bytes to fetch, and to keep as safetensors where they are converted
    kept: float = 0.0  # bytes that stay on disk
    temporary: float = 0.0  # bytes on disk while it runs and until they have been read
    start_up: float = 0.0  # seconds
    work: float = 0.0  # seconds


def transformer_of(model: Entry) -> Transformer:
    """The language model of an entry, as far as its cost depends on it."""
    assumed = LLAMA_VOCABULARY if "vision" in model else VOCABULARY
    vocabulary = model["train"]["vocabulary"] if "train" in model else assumed
    return Transformer(model["layers"], model["width"], vocabulary)


def parameters_of(model: Entry) -> float:
    """Parameters as stated, else those of the blocks and of one embedding."""
    transformer = transformer_of(model)
    embedding = transformer.vocabulary * transformer.width
    return float(model.get("parameters", transformer.block_parameters + embedding))


def stored_bytes(model: Entry) -> float:
    """Bytes of the weights as they are published; out of a GGUF file, as they are kept here."""
    in_16_bits = model.get("family") in IN_16_BITS and not is_gguf(model)
    return parameters_of(model) * (2 if in_16_bits else 4)


def gguf_bytes(name: str, model: Entry) -> float:
    """Bytes of a model's GGUF file: its own where it lies here, else by the type in its name.

    A type of n bits has scales besides, so that it takes about n + 1 bits a weight.
    """
    fetched = Path("results/downloads", f"{name}.gguf")
    path = local_gguf(model) if "path" in model else fetched if "package" in model else None
    if path is not None and path.is_file():
        return path.stat().st_size
    bits = re.search(
        r"(BF|F|Q)(\d+)", model.get("gguf") or model.get("package", {}).get("file", "")
    )
    each = 8.0 if bits is None else float(bits[2]) + (bits[1] == "Q")
    return parameters_of(model) * each / 8


def memory_of(model: Entry) -> float:
    """Bytes of a model's weights in the type in which it runs."""
    return parameters_of(model) * BYTES[model["dtype"]]


def seen(model: Entry, images: float) -> Work:
    """Work of the vision encoder, which reads a token for every patch and one of its own."""
    vision = model["vision"]
    patches = (vision["image_size"] // vision["patch"]) ** 2 + 1
    encoder = Transformer(vision["layers"], vision["width"])
    return encoder.forward(images * patches, images * patches**2, with_logits=False)


def preparation(entry: Entry, config: Entry, device: Device) -> dict[str, Cost]:
    """Jobs that models, texts and the drawing of a figure or table need, by name.

    A model is fetched (how long depends on the network and is not counted) and perhaps converted,
    which reads and writes it once; or trained. Texts written by a model cost that model's tokens.
    """
    found = {}
    for name in needed_models(entry, config):
        found[f"model {name}"] = _model(name, config, device)
    for name in needed_datasets(entry, config):
        generate = config["datasets"][name].get("generate", {})
        writer = config["models"].get(generate.get("model"))
        found[f"texts {name}"] = (
            _written(generate, writer, device)
            if writer
            else Cost("texts", start_up=WITH_PANDAS, kept=image_bytes(name, config))
        )
    return found


def _model(name: str, config: Entry, device: Device) -> Cost:
    model = config["models"][name]
    if is_gguf(model):
        file, kept = gguf_bytes(name, model), stored_bytes(model)
        seconds = (file + kept) / device.disk
        # A package stays in pip's cache as well.
        fetched = 2 * file if "package" in model else file
        return Cost("convert_gguf", weights=fetched + kept, start_up=WITH_TORCH, work=seconds)
    if "train" not in model:
        stored = stored_bytes(model)
        if not (model.get("convert_weights", False) or "minigpt_v2" in model):
            return Cost("resolve_model", weights=stored, start_up=WITH_TORCH)
        # A MiniGPT-v2 is put together from another model of the configuration and this file.
        fetched = VISION_ENCODER_BYTES if "minigpt_v2" in model else stored
        seconds = 2 * stored / device.disk
        return Cost("convert_model", weights=fetched + stored, start_up=WITH_TORCH, work=seconds)
    rule, lessons = (
        ("train_multimodal_stand_in", _picture_lessons)
        if "vision" in model
        else ("train_stand_in", _lessons)
    )
    work = lessons(model, config)
    fixed = model["train"]["steps"] * model["layers"] * STEP_SECONDS
    return Cost(
        rule,
        flops=work.flops,
        kept=4 * parameters_of(model),
        start_up=WITH_TORCH,
        work=device.seconds(work, "float32") + fixed,
    )


def _lessons(model: Entry, config: Entry) -> Work:
    """Steps of training, and the held-out loss halfway and at their end."""
    train, transformer = model["train"], transformer_of(model)

    def sequences(count: float) -> Work:
        block = train["block"]
        return transformer.forward(count * block, count * block**2, with_logits=True)

    learnt = sequences(train["batch"] * train["steps"]).times(TRAINING)
    return learnt.plus(sequences(HELD_OUT * EVALUATIONS))


def _picture_lessons(model: Entry, config: Entry) -> Work:
    """The same of texts behind pictures; held-out ones are also read behind another's picture."""
    train, vision = model["train"], model["vision"]
    texts = uncut(train["corpus"], config, model)
    length = vision["image_tokens"] + texts.kept / texts.texts
    each = transformer_of(model).forward(length, length**2, with_logits=True)
    passes = TRAINING * train["batch"] * train["steps"] + 2 * HELD_OUT * EVALUATIONS
    return each.plus(seen(model, 1)).times(passes)


def _written(generate: Entry, writer: Entry, device: Device) -> Cost:
    texts = generate["count"] * len(generate.get("groups", [None]))
    tokens = texts * generate["max_new_tokens"]
    work = transformer_of(writer).written(tokens)
    seconds = device.seconds(work, writer["dtype"]) + tokens * writer["layers"] * STEP_SECONDS / 3
    return Cost("texts", texts, tokens, work.flops, start_up=WITH_TORCH, work=seconds)
