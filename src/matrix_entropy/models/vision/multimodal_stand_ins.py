"""A small LLaVA and a small MiniGPT-v2, trained in seconds on pictures and what is said of them.

They are to vision-language models what those of `models.stand_ins` are to language models:
no reproduction of what they stand for, and marked so. Vision encoder, connector and language model
learn together and from nothing; the real ones' first and last had learned on their own before.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tokenizers.processors import TemplateProcessing
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import (
    Blip2VisionConfig,
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import writing_folder
from matrix_entropy.models.training import HELD_OUT_EVERY, MOST_HELD_OUT, fit, split, write_curve
from matrix_entropy.models.vision.interface import VisionLanguage, beginning
from matrix_entropy.models.vision.llava import Llava
from matrix_entropy.models.vision.minigpt_v2 import MiniGPTv2, MiniGPTv2Config, save_minigpt_v2
from matrix_entropy.sources.model_files import contents
from matrix_entropy.texts.image_records import open_image
from matrix_entropy.texts.tokens import encode

log = logging.getLogger("matrix_entropy")

SEPARATOR = "\n"  # ends the instruction, as data sets are read unless they say otherwise
PLACEHOLDER = "<image>"  # transformers' processor of LLaVA needs a token for it
NOT_PREDICTED = -100  # the label that torch leaves out of the loss
# Their standard deviation, in both transformers. From the usual 0.02 models as narrow as these take
# far longer to look at the picture; BLIP-2's own 1e-10 is for weights that are read from a file.
FIRST_WEIGHTS = 0.1

Picture = str | Path | Image.Image


@dataclass(frozen=True)
class Pupil:
    """A model that learns: its parts, all of its weights, its output matrix, how it is saved."""

    parts: VisionLanguage
    weights: nn.Module
    output: nn.Module
    save: Callable[[Path], None]


@dataclass(frozen=True)
class Example:
    """A picture and the ids of a text, of which the first ``before`` are given, not predicted."""

    picture: Image.Image
    ids: Tensor
    before: int


def train_multimodal_stand_in(
    name: str,
    model_options: dict[str, Any],
    pictures: Sequence[tuple[Picture, str]],
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
) -> dict[str, Any]:
    """Train a small vision-language model and save it, with ``loss.csv`` beside it.

    What is minimised is the mean negative log-likelihood of the responses' tokens, given the token
    that begins a text, the picture and the instruction, in this order. What the connector does not
    read, LLaVA's last block of the vision encoder, keeps its first weights. On the CPU the same
    seed gives the same weights, byte for byte.

    Parameters
    ----------
    model_options : dict
        The model's entry in the configuration:

        - ``train``: ``architecture`` (``llava`` or ``minigpt_v2``), ``heads`` (of both
          transformers), ``context``, ``batch``, ``steps``, ``learning_rate``, ``seed``;
        - ``vision``: ``layers`` and ``width`` of the vision encoder, ``image_size`` and ``patch``
          (pixels along a side), ``image_tokens`` (what the connector makes of an image);
        - ``layers`` and ``width`` of the language model.
    pictures : sequence of (picture, str)
        A picture or its file, and its text: instruction, line break, response. One in twenty is
        held out.
    tokenizer : PreTrainedTokenizerFast
        From `models.stand_ins.train_tokenizer`; the model's own puts a token in front of
        every text, as Llama's does.
    folder : Path
        Where to save what `load_llava` or `load_minigpt_v2` opens, and ``loss.csv``.

    Returns
    -------
    dict
        The model's record, as `models.resolving.resolve_path` gives it, and held-out losses in
        nats per token of the responses: ``held_out_loss``, ``held_out_loss_shuffled`` where every
        text is read behind another one's picture, and ``untrained_loss`` before the first step.

    Raises
    ------
    InputError
        If there are too few pictures to hold some out, one cannot be read, a text has no response
        or does not fit into the context behind its picture, or ``image_tokens`` is not the number
        that the model makes.
    """
    train = model_options["train"]
    if len(pictures) <= HELD_OUT_EVERY:  # then one is held out, and none can stand in for its own
        raise InputError(
            f"stand-in '{name}' has only {len(pictures)} pictures to learn from; raise `count:` of "
            f"their data set to {HELD_OUT_EVERY + 1} or, better, a thousand."
        )
    torch.manual_seed(train["seed"])
    pupil = ARCHITECTURES[train["architecture"]](name, model_options, _with_beginning(tokenizer))
    examples = _examples(pupil.parts, pictures)
    _check_lengths(pupil.parts, examples, model_options["vision"]["image_tokens"])
    learnt, held_out = split(examples)
    held_out = held_out[:MOST_HELD_OUT]

    def random_examples(random: np.random.Generator) -> Tensor:
        batch = [learnt[i] for i in random.integers(0, len(learnt), size=train["batch"])]
        return _loss(pupil, [example.picture for example in batch], batch)

    curve: list[dict[str, float]] = [{"step": 0, **_held_out_losses(pupil, held_out)}]
    for step, train_loss in fit(name, pupil.weights, train, random_examples):
        found = _held_out_losses(pupil, held_out)
        curve.append({"step": step, "train_loss": train_loss, **found})

    with writing_folder(folder) as part:
        pupil.save(part)
        write_curve(part / "loss.csv", curve)
    parameters = sum(parameter.numel() for parameter in pupil.weights.parameters())
    losses = {key: curve[-1][key] for key in ("held_out_loss", "held_out_loss_shuffled")}
    log.info(
        "%s: %d parameters, held-out loss %.3f nats per token, %.3f with other texts' pictures",
        name, parameters, *losses.values(),
    )  # fmt: skip
    return {
        "model": name,
        "source": "train",
        "id": f"{train['architecture']} stand-in, {parameters} parameters",
        "architecture": train["architecture"],
        "folder": str(folder),
        "stand_in": True,
        **contents(folder),
        "parameters": parameters,
        **losses,
        "untrained_loss": curve[0]["held_out_loss"],
        "training": train,
    }


def _with_beginning(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """A copy that puts its token for the beginning in front of every text."""
    made = copy.deepcopy(tokenizer)
    made.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{made.bos_token} $A", special_tokens=[(made.bos_token, made.bos_token_id)]
    )
    return made


def _llava(name: str, options: dict[str, Any], tokenizer: PreTrainedTokenizerFast) -> Pupil:
    size, patch = options["vision"]["image_size"], options["vision"]["patch"]
    tokenizer.add_tokens([PLACEHOLDER], special_tokens=True)
    placeholder: Any = tokenizer.convert_tokens_to_ids(PLACEHOLDER)  # one of one token
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**_vision_sizes(options)),
        text_config=_language_config(options, tokenizer),
        image_token_index=placeholder,
    )
    model = LlavaForConditionalGeneration(config)
    processor = LlavaProcessor(
        CLIPImageProcessorPil(
            size={"shortest_edge": size}, crop_size={"height": size, "width": size}
        ),
        tokenizer,
        patch_size=patch,
        vision_feature_select_strategy=config.vision_feature_select_strategy,
        num_additional_image_tokens=1,  # the class token
    )

    def save(folder: Path) -> None:
        model.save_pretrained(folder)
        processor.save_pretrained(folder)

    parts = Llava(name, model, processor.image_processor, tokenizer)
    return Pupil(parts, model, model.lm_head, save)


def _minigpt_v2(name: str, options: dict[str, Any], tokenizer: PreTrainedTokenizerFast) -> Pupil:
    vision = Blip2VisionConfig(**_vision_sizes(options))
    config = MiniGPTv2Config(vision, _language_config(options, tokenizer))
    model = MiniGPTv2(config, tokenizer, name)

    def save(folder: Path) -> None:
        save_minigpt_v2(model, folder)

    return Pupil(model, model, model.language_model.lm_head, save)


ARCHITECTURES = {"llava": _llava, "minigpt_v2": _minigpt_v2}


def _vision_sizes(options: dict[str, Any]) -> dict[str, Any]:
    vision = options["vision"]
    return {
        "hidden_size": vision["width"],
        "intermediate_size": 4 * vision["width"],
        "num_hidden_layers": vision["layers"],
        "num_attention_heads": options["train"]["heads"],
        "image_size": vision["image_size"],
        "patch_size": vision["patch"],
        "initializer_range": FIRST_WEIGHTS,
    }


def _language_config(options: dict[str, Any], tokenizer: PreTrainedTokenizerFast) -> LlamaConfig:
    train = options["train"]
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=options["width"],
        intermediate_size=3 * options["width"],  # Llama's MLP has three matrices; its ratio is 2.7
        num_hidden_layers=options["layers"],
        num_attention_heads=train["heads"],
        num_key_value_heads=train["heads"],
        max_position_embeddings=train["context"],
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        initializer_range=FIRST_WEIGHTS,
    )


def _examples(model: VisionLanguage, pictures: Sequence[tuple[Picture, str]]) -> list[Example]:
    """Pictures, read, and their texts as tokens."""
    texts = []
    for _, text in pictures:
        instruction, separator, response = text.partition(SEPARATOR)
        texts.append({"prefix": instruction + separator, "text": response})
    front = beginning(model.tokenizer)
    examples: list[Example] = []
    for (picture, _), (ids, before) in zip(pictures, encode(model.tokenizer, texts), strict=True):
        if len(ids) == before:
            raise InputError(
                f"text {len(examples)} of stand-in '{model.name}' has no response: instruction, "
                "line break and response are expected; correct or remove it."
            )
        image = picture if isinstance(picture, Image.Image) else open_image(picture)
        examples.append(Example(image, torch.tensor([*front, *ids]), before + len(front)))
    return examples


@torch.no_grad()
def _check_lengths(model: VisionLanguage, examples: Sequence[Example], stated: int) -> None:
    image_tokens = model.connect(model.patches([examples[0].picture])).shape[1]
    if image_tokens != stated:
        raise InputError(
            f"stand-in '{model.name}' makes {image_tokens} tokens of an image, not {stated}; write "
            f"`image_tokens: {image_tokens}` under `vision:`."
        )
    longest = image_tokens + max(len(example.ids) for example in examples)
    if model.context is not None and longest > model.context:
        raise InputError(
            f"stand-in '{model.name}' would read {longest} tokens, {image_tokens} of them a "
            f"picture's, but its context is {model.context}; write `context: {longest}` or more."
        )


@torch.no_grad()
def _held_out_losses(pupil: Pupil, held_out: Sequence[Example]) -> dict[str, float]:
    """The loss with the texts' own pictures, and with each text behind the next one's."""
    pictures = [example.picture for example in held_out]
    pupil.weights.eval()
    losses = {
        "held_out_loss": _loss(pupil, pictures, held_out),
        "held_out_loss_shuffled": _loss(pupil, pictures[1:] + pictures[:1], held_out),
    }
    pupil.weights.train()
    return {key: round(loss.item(), 6) for key, loss in losses.items()}


def _loss(pupil: Pupil, pictures: list[Image.Image], examples: Sequence[Example]) -> Tensor:
    """Mean negative log-likelihood of the responses' tokens behind pictures and instructions."""
    model, front = pupil.parts, len(beginning(pupil.parts.tokenizer))
    text = model.embed(pad_sequence([example.ids for example in examples], batch_first=True))
    image = model.connect(model.patches(pictures))
    # The model is causal: what fills shorter texts up on the right changes nothing before it.
    states = model.read(torch.cat([text[:, :front], image, text[:, front:]], dim=1))
    labels = pad_sequence(
        [
            torch.where(torch.arange(len(example.ids)) < example.before, NOT_PREDICTED, example.ids)
            for example in examples
        ],
        batch_first=True,
        padding_value=NOT_PREDICTED,
    )[:, front:]
    # The state before each token of the text behind the picture.
    logits = pupil.output(states[:, front + image.shape[1] - 1 : -1])
    return nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
