"""A LLaVA of 16 and 32 features with random weights, its tokenizer, and small pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tokenizers.processors import TemplateProcessing
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

import random_models
from matrix_entropy.models.stand_ins import END_OF_TEXT, train_tokenizer
from matrix_entropy.models.vision.llava import Llava

SIDE, PATCH = 28, 7
IMAGE_TOKENS = (SIDE // PATCH) ** 2
LAYERS, WIDTH, VISION_WIDTH = 2, 32, 16
CONTEXT = 48
WORDS = ["a red square", "and", "two green circles", "on", "a blue field", ".", "left of it"]


def tokenizer(bos: bool = True) -> PreTrainedTokenizerFast:
    """One that puts a token in front of every text, as Llama's, or not."""
    made = train_tokenizer(WORDS, 300)
    if bos:
        made.backend_tokenizer.post_processor = TemplateProcessing(
            single=f"{END_OF_TEXT} $A", special_tokens=[(END_OF_TEXT, made.bos_token_id)]
        )
    made.add_tokens(["<image>"], special_tokens=True)
    return made


def model(
    layer: int | list[int] = -2, strategy: str = "default", vocabulary: int = 320
) -> LlavaForConditionalGeneration:
    vision = CLIPVisionConfig(
        hidden_size=VISION_WIDTH,
        intermediate_size=2 * VISION_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=SIDE,
        patch_size=PATCH,
    )
    text = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer().convert_tokens_to_ids("<image>"),
        vision_feature_layer=layer,
        vision_feature_select_strategy=strategy,
    )
    return random_models.fill(LlavaForConditionalGeneration(config), seed=1)


def image_processor() -> CLIPImageProcessorPil:
    return CLIPImageProcessorPil(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
    )


def processor(text_tokenizer: Any, strategy: str = "default") -> LlavaProcessor:
    """That of transformers, which puts as many placeholders as there are image tokens."""
    return LlavaProcessor(
        image_processor(),
        text_tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy=strategy,
        num_additional_image_tokens=1,
    )


def llava(bos: bool = True, **options: Any) -> Llava:
    return Llava("small", model(**options), image_processor(), tokenizer(bos))


def pictures(count: int = 5) -> list[Image.Image]:
    """Coloured noise, upright and lying, large enough for the patches to differ."""
    random = np.random.default_rng(0)
    shapes = [(31 + 3 * number, 40, 3) for number in range(count)]
    return [Image.fromarray(random.integers(0, 256, shape, dtype=np.uint8)) for shape in shapes]


def records(folder: Path, count: int = 5) -> list[dict[str, str]]:
    """Pictures in files and texts of several lengths, two of them equal."""
    found = []
    for number, picture in enumerate(pictures(count)):
        picture.save(folder / f"{number}.png")
        text = " ".join(WORDS[: 1 + number % 4])
        image = str(folder / f"{number}.png")
        found.append({"id": f"r{number}", "group": "all", "text": text, "image": image})
    return found
