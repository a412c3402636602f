"""Every causal language model of the installed transformers, small enough to be built in no time.

A configuration is made of the class's own defaults, with the usual sizes (under the names that the
class has for them, its sub-configurations' too) set to small ones. `EXCEPTIONS` holds what some
need beyond that, and nothing else is known about any of them.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import fields
from typing import Any

import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

ARCHITECTURES = sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)

WIDTH, BLOCKS, HEADS, VOCABULARY, CONTEXT = 32, 3, 4, 128, 64

SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "vocab_size_per_layer_input": VOCABULARY,
    "hidden_size": WIDTH,
    "hidden_size_per_layer_input": 8,
    "num_hidden_layers": BLOCKS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": 2,
    "head_dim": WIDTH // HEADS,
    **dict.fromkeys(("max_position_embeddings", "max_seq_len", "max_target_positions"), CONTEXT),
    "sliding_window": 16,
    # What is done to logits, so that leaving it out shows
    "final_logit_softcapping": 5.0,
    "logits_scaling": 4.0,
    "logit_scale": 0.5,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    # Inside a block
    **dict.fromkeys(("intermediate_size", "ffn_dim", "encoder_ffn_dim", "decoder_ffn_dim"), 64),
    **dict.fromkeys(("moe_intermediate_size", "moe_shared_expert_intermediate_size"), 16),
    **dict.fromkeys(("shared_expert_intermediate_size", "shared_intermediate_size"), 16),
    **dict.fromkeys(("kv_lora_rank", "q_lora_rank"), 16),
    **dict.fromkeys(("d_inner", "d_ff", "dff"), 64),
    **dict.fromkeys(("qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim", "index_head_dim"), 8),
    **dict.fromkeys(("linear_head_dim", "linear_key_head_dim", "linear_value_head_dim"), 8),
    **dict.fromkeys(("linear_num_heads", "linear_num_key_heads", "linear_num_value_heads"), 2),
    "index_n_heads": 2,
    **dict.fromkeys(("num_local_experts", "num_experts", "n_routed_experts"), 4),
    **dict.fromkeys(("num_experts_per_tok", "top_k_experts"), 2),
    **dict.fromkeys(("n_group", "topk_group"), 1),
    # Architectures with an encoder count both sides apart
    **dict.fromkeys(("encoder_layers", "decoder_layers", "num_decoder_layers"), BLOCKS),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), HEADS),
    "num_decoder_attention_heads": HEADS,
    "is_decoder": True,
}  # fmt: skip

MAMBA = {"mamba_n_heads": 4, "mamba_d_state": 8, "mamba_chunk_size": 16}
LINEAR, FULL, HYBRID = "linear_attention", "full_attention", "hybrid"
ROTARY = {"rope_type": "default", "rope_theta": 1e4}
EXCEPTIONS: dict[str, dict[str, Any]] = {
    "bamba": {**MAMBA, "attn_layer_indices": [1]},
    "codegen": {"rotary_dim": 4},
    "cohere_compass_text": {"rope_parameters": {FULL: ROTARY}},
    "dbrx": {
        "attn_config": {"kv_n_heads": 2, "clip_qkv": 8.0, "rope_theta": 1e4},
        "ffn_config": {"ffn_hidden_size": 64, "moe_num_experts": 4, "moe_top_k": 2},
    },
    "dots1": {"n_shared_experts": 1},
    "blt": {"encoder_hash_byte_group_vocab": 50},
    "dots3_note": {
        "text_config": {"layer_types": [FULL] * BLOCKS},
        "vision_config": {
            "mlp_layer_types": ["dense"] * BLOCKS,
            "adapter_in_dim": WIDTH,
            "adapter_out_dim": WIDTH,
        },
        "audio_config": {"adapter_input_size": WIDTH, "adapter_out_dim": WIDTH},
    },
    "dots3_note_text": {"layer_types": [FULL] * BLOCKS},
    "falcon_h1": MAMBA,
    "gptj": {"rotary_dim": 4},
    "gemma3n_text": {"num_kv_shared_layers": 0, "layer_types": [FULL, "sliding_attention", FULL]},
    "gemma4_assistant": {
        "text_config": {"hidden_size_per_layer_input": 0, "vocab_size_per_layer_input": 0}
    },
    "gemma4_unified": {"vision_config": {"mm_embed_dim": WIDTH, "output_proj_dims": WIDTH}},
    "gpt_neo": {"attention_types": [[["global", "local", "global"], 1]], "window_size": 16},
    "granitemoehybrid": {**MAMBA, "layer_types": [LINEAR, FULL, LINEAR]},
    "lfm2_moe": {"layer_types": ["conv", FULL, "conv"]},
    "longcat_flash": {"num_layers": BLOCKS, "zero_expert_num": 2},
    "mamba2": {"num_heads": 8, "head_dim": 8, "n_groups": 2, "state_size": 8, "chunk_size": 16},
    "reformer": {
        "axial_pos_shape": (8, 8),
        "axial_pos_embds_dim": (8, 24),
        "attn_layers": ["local", "lsh", "local"],
    },
    "roc_bert": {"pronunciation_vocab_size": 50, "shape_vocab_size": 50},
    "xmod": {"default_language": "en_XX"},
    "zamba": {
        "layers_block_type": [LINEAR, LINEAR, HYBRID, LINEAR, HYBRID],
        "num_hidden_layers": 5,
        "attn_layer_period": 2,
    },
    "zamba2": {
        "layers_block_type": [LINEAR, HYBRID, LINEAR],
        "mamba_d_state": 8,
        "chunk_size": 16,
    },
    "zaya": {"num_experts_per_tok": 1},
}


def small_config(model_type: str, **options: Any) -> PretrainedConfig:
    """The configuration of a small model of an architecture, with some options set."""
    sizes = _sizes(CONFIG_MAPPING[model_type])
    own = {CONFIG_MAPPING[model_type].attribute_map.get(key, key): options[key] for key in options}
    for key, value in (EXCEPTIONS.get(model_type, {}) | own).items():
        inner = isinstance(value, dict) and isinstance(sizes.get(key), dict)
        sizes[key] = sizes[key] | value if inner else value
    return CONFIG_MAPPING[model_type](**deepcopy(sizes))  # some change what they are given


def build(model_type: str, seed: int = 0, **options: Any) -> PreTrainedModel:
    """A small model of an architecture with random weights, in evaluation mode."""
    torch.manual_seed(seed)
    config = small_config(model_type, **options)
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        # Gains that are not one and biases that are not zero, so that leaving one out shows.
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


def _sizes(kind: type[PretrainedConfig]) -> dict[str, Any]:
    """The sizes that a class of configurations knows, by its own names for them."""
    common = {own: name for name, own in kind.attribute_map.items()}
    own = [field.name for field in fields(kind)]
    named = {name: name if name in SIZES else common.get(name) for name in own}
    sizes = {own: SIZES[name] for own, name in named.items() if name in SIZES}
    if "kv_lora_rank" in sizes:  # latent attention, whose heads all have keys of their own
        sizes |= {"num_key_value_heads": HEADS} if "num_key_value_heads" in sizes else {}
    for key, part in kind.sub_configs_defaults.items():
        known = issubclass(part.config_class, PretrainedConfig)
        inner = part.config_class if known else CONFIG_MAPPING[part.model_type]
        sizes[key] = _sizes(inner) | {"model_type": inner.model_type}
    return sizes
