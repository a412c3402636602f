"""LLaVA-1.5: CLIP's vision transformer, a connector of two layers, and a Llama (Vicuna).

Images are preprocessed by Pillow, never by torchvision, whether that is installed or not: the two
do not give the same numbers. What is done to them is the model folder's own; for the models on the
hub that is CLIP's way: the shorter side is scaled to 336 pixels and the middle cut out.
"""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image
from transformers import AutoConfig, AutoImageProcessor, LlavaForConditionalGeneration

from matrix_entropy.base.errors import InputError
from matrix_entropy.models.anatomy import context_window
from matrix_entropy.models.loaded_weights import REPORTING, check_weights
from matrix_entropy.models.loading import check_sizes, from_folder, load_tokenizer
from matrix_entropy.models.vision.interface import brought_to

# What transformers' vision encoders call theirs; SigLIP has none.
CLASS_TOKENS = ("embeddings.class_embedding", "embeddings.cls_token")


class Llava:
    """A `models.vision.interface.VisionLanguage` of transformers' LLaVA.

    The rows of H1 are the patches at the layer of the vision tower that the connector reads
    (``vision_feature_layer``; -2, the last block's input, for LLaVA-1.5: 576 × 1024), without the
    first row, the class token, where the model leaves it out (``vision_feature_select_strategy:
    default``); where the connector reads several layers they stand side by side. The rows of H2 are
    its output (576 × 4096 for the model with 7 billion parameters).
    """

    def __init__(
        self,
        name: str,
        model: LlavaForConditionalGeneration,
        image_processor: Any,
        tokenizer: Any,
    ) -> None:
        self.name, self.tokenizer, self.image_processor = name, tokenizer, image_processor
        self.context = context_window(model)
        self.config = model.config
        self.vision_tower = model.model.vision_tower
        # transformers leaves the first row out even where the tower has no class token.
        self.left_out = int(model.config.vision_feature_select_strategy == "default")
        self.connector: torch.nn.Module = model.model.multi_modal_projector
        self.language_model = model.model.language_model
        self.vision_parts: list[torch.nn.Module] = [self.vision_tower, self.connector]
        # Not the output matrix: no logits are asked for.
        self.language_parts: list[torch.nn.Module] = [self.language_model]

    def sizes(self) -> dict[str, int]:
        """Of the vision encoder, and the number of image tokens: one for each row of H1."""
        vision: Any = self.config.vision_config
        names = [name for name, _ in self.vision_tower.named_parameters()]
        class_tokens = sum(name.endswith(CLASS_TOKENS) for name in names)
        patches = (vision.image_size // vision.patch_size) ** 2
        return {
            "layers": vision.num_hidden_layers,
            "width": vision.hidden_size,
            "image_size": vision.image_size,
            "patch": vision.patch_size,
            "image_tokens": class_tokens + patches - self.left_out,
        }

    def patches(self, images: list[Image.Image]) -> torch.Tensor:
        """(batch, patches, vision width): what the connector reads."""
        pixels = self.image_processor(images=images, return_tensors="pt")["pixel_values"]
        pixels = brought_to(pixels, next(self.vision_tower.parameters()))
        states = self.vision_tower(pixels, output_hidden_states=True).hidden_states
        chosen = self.config.vision_feature_layer
        layers = [chosen] if isinstance(chosen, int) else chosen
        return torch.cat([states[layer][:, self.left_out :] for layer in layers], dim=-1)

    def connector_input(self, patches: torch.Tensor) -> torch.Tensor:
        """The patches themselves."""
        return patches

    def connect(self, patches: torch.Tensor) -> torch.Tensor:
        """(batch, image tokens, width): as many tokens as patches."""
        tokens: torch.Tensor = self.connector(patches)
        return tokens

    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        """(batch, tokens, width): embeddings of token ids."""
        table = self.language_model.get_input_embeddings()
        embeddings: torch.Tensor = table(brought_to(ids, table.weight))
        return embeddings

    def read(self, embeddings: torch.Tensor) -> torch.Tensor:
        """(batch, tokens, width): states after the last norm."""
        states: torch.Tensor = self.language_model(
            inputs_embeds=embeddings, use_cache=False
        ).last_hidden_state
        return states


def load_llava(
    record: dict[str, Any], layers: int, width: int, dtype: str, device_map: str | None = None
) -> Llava:
    """The LLaVA model in a resolved model's folder, in evaluation mode, of the stated dtype.

    Parameters
    ----------
    record : dict
        From `models.resolving.resolve_hub`, `resolve_path` or a training.
    layers, width : int
        What the configuration states of the language model.
    dtype : str
        ``float32``, ``float16`` or ``bfloat16``.
    device_map : str, optional
        ``auto`` spreads the model over the devices, where its parts then stay; None leaves it on
        the CPU, for its parts to be moved in turn.

    Raises
    ------
    InputError
        If the folder is gone, holds another kind of model, no image processor, no tokenizer or not
        all weights as safetensors, needs remote code, or layers or width differ.
    """
    name, folder = record["model"], record["folder"]
    config = from_folder(AutoConfig, record)
    if config.model_type != "llava":
        raise InputError(
            f"model '{name}' in {folder} is of the kind '{config.model_type}', not 'llava'; give a "
            "model that `LlavaForConditionalGeneration` can load, such as llava-hf/llava-1.5-7b-hf."
        )
    check_sizes(f"the language model of model '{name}'", config, layers, width)
    image_processor = from_folder(AutoImageProcessor, record, backend="pil")
    tokenizer = load_tokenizer(record)
    model, report = from_folder(
        LlavaForConditionalGeneration,
        record,
        dtype=getattr(torch, dtype),
        use_safetensors=True,
        **REPORTING,
        **({} if device_map is None else {"device_map": device_map}),
    )
    # Not the output matrix: no logits are asked for.
    check_weights(f"model '{name}'", model, report, model.model)
    return Llava(name, model.eval(), image_processor, tokenizer)
