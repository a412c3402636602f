"""Settings of a GGUF file against those of the model that transformers made of it.

transformers reads the settings that it has a place for and leaves the others out without a word, so
that a model may run with another window, another frequency or another scale than it was trained
with. Here every setting of the file is looked for in the model's configuration.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from transformers.integrations.ggml import GGUF_CONFIG_MAPPING

# Where configurations of transformers hold a setting, by its name in the file.
FIELDS: dict[str, tuple[str, ...]] = {
    "block_count": ("num_hidden_layers",),
    "embedding_length": ("hidden_size",),
    "feed_forward_length": ("intermediate_size", "ffn_hidden_size", "n_inner"),
    "attention.head_count": ("num_attention_heads",),
    "attention.head_count_kv": ("num_key_value_heads", "num_kv_heads"),
    "attention.key_length": ("head_dim",),
    "attention.value_length": ("v_head_dim", "head_dim"),
    "attention.sliding_window": ("sliding_window",),
    "attention.clamp_kqv": ("clip_qkv",),
    "attention.scale": ("attention_multiplier", "scaling"),
    "attn_logit_softcapping": ("attn_logit_softcapping",),
    "final_logit_softcapping": ("final_logit_softcapping",),
    "logit_scale": ("logit_scale", "logits_scaling"),
    "residual_scale": ("residual_multiplier",),
    "embedding_scale": ("embedding_multiplier",),
    "rope.freq_base": ("rope_theta",),
    "rope.freq_base_swa": ("rope_local_base_freq",),
    "expert_count": ("num_local_experts", "num_experts", "n_routed_experts"),
    "expert_used_count": ("num_experts_per_tok",),
    "expert_feed_forward_length": ("moe_intermediate_size",),
    "expert_shared_feed_forward_length": ("shared_expert_intermediate_size",),
    "expert_weights_scale": ("routed_scaling_factor",),
    "expert_weights_norm": ("norm_topk_prob",),
    "embedding_length_per_layer_input": ("hidden_size_per_layer_input",),
}
EPSILONS = ("rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "norm_epsilon", "norm_eps")
# What changes nothing in a model that does not have the setting at all.
NEUTRAL: dict[str, Any] = {
    "attention.causal": True,
    "ssm.dt_b_c_rms": False,
    "rope.scaling.type": "none",
    "rope.scaling.factor": 1.0,
    "logit_scale": 1.0,
    "residual_scale": 1.0,
    "embedding_scale": 1.0,
    "expert_weights_scale": 1.0,
    "expert_count": 0,
    "expert_used_count": 0,
    "attention.sliding_window": 0,
    # Of models without attention.
    "feed_forward_length": 0,
    "attention.head_count": 0,
    "attention.head_count_kv": 0,
}
# Sizes by which these scale attention otherwise than the model that is made of their file, which
# does not state the scale: 1 / √(width / heads) and not 1 / √256.
SCALED_BY_SIZE = {"gemma2": 46, "gemma3": 62}
# These say how the file was made or what else it is for, what its settings mean for longer texts,
# or what its tensors say as well, all of which have to fit. Any other may change the numbers.
HARMLESS = (
    *("rope.scaling.finetuned", "rope.scaling.original_context_length", "context_length"),
    *("vocab_size", "tensor_data_layout", "leading_dense_block_count", "nextn_predict_layers"),
    *("pooling_type", "mm.tokens_per_image"),
)
# Settings without the architecture in front. Programs write others of their own, for nobody else.
WITHOUT_ARCHITECTURE = ("xielu.", "diffusion.", "adapter.", "clip.")


def lost_settings(values: dict[str, Any], config: Any) -> list[str]:
    """Settings of a file that its model would run without, each with what the model has instead.

    Parameters
    ----------
    values : dict
        Of the file's header.
    config : PretrainedConfig
        What transformers made of them.
    """
    kind = values["general.architecture"]
    settings = {
        key.removeprefix(f"{kind}."): value
        for key, value in values.items()
        if key.startswith(f"{kind}.")
    }
    lost = [
        f"{key} is {value}, the model has no such setting"
        for key, value in values.items()
        if key.startswith(WITHOUT_ARCHITECTURE)
    ]
    for name, value in settings.items():
        if name in HARMLESS or (name in NEUTRAL and _equal(NEUTRAL[name], value)):
            continue
        held = list(_held(name, kind, config))
        if any(_equal(one, value) for one in held):
            continue
        instead = f"the model has {held[0]}" if held else "the model has no such setting"
        lost.append(f"{kind}.{name} is {value}, {instead}")
    if settings.get("block_count") == SCALED_BY_SIZE.get(kind, -1):
        lost.append(f"{kind} of this size scales attention by a number that is not in the file")
    return lost


def _held(name: str, kind: str, config: Any) -> Iterator[Any]:
    """What a configuration holds of a setting of the file, under any of the names it may have."""
    places: dict[str, Any] = dict(GGUF_CONFIG_MAPPING).get(kind, {})  # type: ignore[assignment]
    stated = places.get(name)
    fields = (name, *FIELDS.get(name, ()), *((stated,) if stated else ()))
    if name.endswith("epsilon"):
        fields = (*fields, *EPSILONS)
    yield from (value for field in fields if (value := _value(config, field)) is not None)
    rotary = _rotary(config, "sliding_attention" if name.endswith("_swa") else "full_attention")
    if name.startswith("rope.freq_base") and "rope_theta" in rotary:
        yield rotary["rope_theta"]
    heads = _value(config, "num_attention_heads")
    if not heads:
        return
    width = _value(config, "head_dim") or config.hidden_size // heads
    if name in ("attention.key_length", "attention.value_length"):
        yield width
    elif name == "attention.scale":
        yield 1 / math.sqrt(width)
    elif name.startswith("rope.dimension_count"):
        share = rotary.get("partial_rotary_factor") or _value(config, "partial_rotary_factor")
        yield int(width * (share or 1.0))
        yield from filter(None, [_value(config, "rotary_dim")])
    elif name == "attention.head_count_kv":
        yield 1 if _value(config, "multi_query") else heads
    elif name == "feed_forward_length":
        yield 4 * config.hidden_size


def _value(config: Any, field: str) -> Any:
    """What a configuration holds; nothing also where it differs by layer."""
    try:
        return getattr(config, field, None)
    except Exception:  # of a kind that each version of transformers has its own of
        return None


def _rotary(config: Any, kind: str) -> dict[str, Any]:
    """The rotary settings, which some models have for every kind of layer."""
    found: dict[str, Any] = _value(config, "rope_parameters") or {}
    of_kind = found.get(kind)
    return of_kind if isinstance(of_kind, dict) else found


def _equal(ours: Any, theirs: Any) -> bool:
    """Equal but for float32, in which the file has it.

    A list has a value for every block, and zeros for blocks that have nothing of the kind.
    """
    if isinstance(theirs, list | tuple):
        if isinstance(ours, list | tuple):
            return len(ours) == len(theirs) and all(map(_equal, ours, theirs))
        return all(_equal(ours, one) for one in theirs if one)
    if isinstance(ours, bool | str) or isinstance(theirs, bool | str):
        return bool(ours == theirs)
    if isinstance(ours, int | float) and isinstance(theirs, int | float):
        return math.isclose(ours, theirs, rel_tol=1e-6)
    return False
