"""Forward passes of small language models by hand, in NumPy and float64.

Nothing of torch or transformers computes here: the parameters are read out of the model, the sizes
and variants from its configuration, and the rest follows the architectures' definitions. What a
hook takes out of the running model can so be compared with what should be there.

Left out, as no model in the tests has it: scaled rotary frequencies, and OPT with its norms after
the sums or with embeddings narrower than its blocks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf
from transformers import PreTrainedModel

Array = NDArray[np.float64]


class Parameters:
    """A model's parameters as float64 arrays, by their names after a common beginning."""

    def __init__(self, model: PreTrainedModel, beginning: str = "") -> None:
        self.arrays = {
            name.removeprefix(beginning): parameter.detach().double().numpy()
            for name, parameter in model.named_parameters()
            if name.startswith(beginning)
        }

    def __getitem__(self, name: str) -> Array:
        return self.arrays[name]

    def linear(self, name: str, x: Array) -> Array:
        """Apply a linear map stored as (out, in), with its bias if it has one."""
        return x @ self[f"{name}.weight"].T + self.arrays.get(f"{name}.bias", 0.0)

    def conv1d(self, name: str, x: Array) -> Array:
        """Apply a linear map stored as (in, out), which is GPT-2's way."""
        return x @ self[f"{name}.weight"] + self[f"{name}.bias"]

    def layer_norm(self, name: str, x: Array, eps: float) -> Array:
        centred = x - x.mean(axis=-1, keepdims=True)
        normed = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + eps)
        return normed * self[f"{name}.weight"] + self[f"{name}.bias"]

    def rms_norm(self, name: str, x: Array, eps: float) -> Array:
        return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + eps) * self[f"{name}.weight"]


def gelu_new(x: Array) -> Array:
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu": lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2))),
    "gelu_new": gelu_new,
    "gelu_pytorch_tanh": gelu_new,
    "relu": lambda x: np.maximum(x, 0),
    "silu": lambda x: x / (1 + np.exp(-x)),
}


def log_softmax(x: Array) -> Array:
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def split(x: Array, heads: int) -> Array:
    """(tokens, heads × features) to (tokens, heads, features)."""
    return x.reshape(len(x), heads, -1)


def rotate(x: Array, theta: float, features: int) -> Array:
    """Turn the first ``features`` of each head by angles that grow with the position.

    Feature ``i`` and feature ``i + features / 2`` are a complex number's two parts.
    """
    half = features // 2
    frequencies = theta ** (-np.arange(half) / half)
    turns = np.exp(1j * np.arange(len(x))[:, None, None] * frequencies)
    turned = (x[..., :half] + 1j * x[..., half:features]) * turns
    return np.concatenate([turned.real, turned.imag, x[..., features:]], axis=-1)


def attention(q: Array, k: Array, v: Array, scale: float, window: int | None = None) -> Array:
    """Causal attention of (tokens, heads, features), over the last ``window`` tokens if given.

    Fewer heads of keys and values than of queries each serve a group of neighbouring queries.
    """
    k, v = (np.repeat(x, q.shape[1] // x.shape[1], axis=1) for x in (k, v))
    back = np.arange(len(q))[:, None] - np.arange(len(q))
    seen = (back >= 0) & (back < (window or len(q)))
    scores = np.where(seen, np.einsum("ihf,jhf->hij", q, k) * scale, -np.inf)
    return np.einsum("hij,jhf->ihf", np.exp(log_softmax(scores)), v).reshape(len(q), -1)


# One generator per architecture: the embedding output, the raw residual stream after every block,
# and last the output of the final norm.


def gpt2(model: PreTrainedModel, ids: Array) -> Iterator[Array]:
    p, config = Parameters(model, "transformer."), model.config
    act, eps = ACTIVATIONS[config.activation_function], config.layer_norm_epsilon
    heads = config.n_head
    x = p["wte.weight"][ids] + p["wpe.weight"][: len(ids)]
    yield x
    for block in range(config.n_layer):
        scale = (config.n_embd // heads) ** -0.5 if config.scale_attn_weights else 1.0
        if config.scale_attn_by_inverse_layer_idx:
            scale /= block + 1
        h = f"h.{block}"
        normed = p.layer_norm(f"{h}.ln_1", x, eps)
        qkv = np.split(p.conv1d(f"{h}.attn.c_attn", normed), 3, axis=-1)
        q, k, v = (split(part, heads) for part in qkv)
        x = x + p.conv1d(f"{h}.attn.c_proj", attention(q, k, v, scale))
        inner = act(p.conv1d(f"{h}.mlp.c_fc", p.layer_norm(f"{h}.ln_2", x, eps)))
        x = x + p.conv1d(f"{h}.mlp.c_proj", inner)
        yield x
    yield p.layer_norm("ln_f", x, eps)


def gpt_neo(model: PreTrainedModel, ids: Array) -> Iterator[Array]:
    p, config = Parameters(model, "transformer."), model.config
    act, eps = ACTIVATIONS[config.activation_function], config.layer_norm_epsilon
    x = p["wte.weight"][ids] + p["wpe.weight"][: len(ids)]
    yield x
    for block, reach in enumerate(config.attention_layers):
        h = f"h.{block}"
        normed = p.layer_norm(f"{h}.ln_1", x, eps)
        q, k, v = (
            split(p.linear(f"{h}.attn.attention.{part}_proj", normed), config.num_heads)
            for part in "qkv"
        )
        mixed = attention(q, k, v, 1.0, config.window_size if reach == "local" else None)
        x = x + p.linear(f"{h}.attn.attention.out_proj", mixed)
        inner = act(p.linear(f"{h}.mlp.c_fc", p.layer_norm(f"{h}.ln_2", x, eps)))
        x = x + p.linear(f"{h}.mlp.c_proj", inner)
        yield x
    yield p.layer_norm("ln_f", x, eps)


def gpt_neox(model: PreTrainedModel, ids: Array) -> Iterator[Array]:
    p, config = Parameters(model, "gpt_neox."), model.config
    act, eps = ACTIVATIONS[config.hidden_act], config.layer_norm_eps
    rope, heads = config.rope_parameters, config.num_attention_heads
    size = config.hidden_size // heads
    rotated = int(size * rope["partial_rotary_factor"])
    x = p["embed_in.weight"][ids]
    yield x
    for block in range(config.num_hidden_layers):
        h = f"layers.{block}"
        normed = p.layer_norm(f"{h}.input_layernorm", x, eps)
        # One head's query, key and value lie next to each other
        qkv = split(p.linear(f"{h}.attention.query_key_value", normed), heads)
        q, k, v = np.split(qkv, 3, axis=-1)
        q, k = (rotate(part, rope["rope_theta"], rotated) for part in (q, k))
        attended = p.linear(f"{h}.attention.dense", attention(q, k, v, size**-0.5))
        # The MLP reads what the attention read, or what it left
        read = x if config.use_parallel_residual else x + attended
        normed = p.layer_norm(f"{h}.post_attention_layernorm", read, eps)
        inner = act(p.linear(f"{h}.mlp.dense_h_to_4h", normed))
        x = x + attended + p.linear(f"{h}.mlp.dense_4h_to_h", inner)
        yield x
    yield p.layer_norm("final_layer_norm", x, eps)


def llama(model: PreTrainedModel, ids: Array) -> Iterator[Array]:
    p, config = Parameters(model, "model."), model.config
    act, eps = ACTIVATIONS[config.hidden_act], config.rms_norm_eps
    heads = {"q": config.num_attention_heads} | dict.fromkeys("kv", config.num_key_value_heads)
    size, theta = config.head_dim, config.rope_parameters["rope_theta"]
    x = p["embed_tokens.weight"][ids]
    yield x
    for block in range(config.num_hidden_layers):
        h = f"layers.{block}"
        normed = p.rms_norm(f"{h}.input_layernorm", x, eps)
        q, k, v = (
            split(p.linear(f"{h}.self_attn.{part}_proj", normed), heads[part]) for part in "qkv"
        )
        q, k = rotate(q, theta, size), rotate(k, theta, size)
        x = x + p.linear(f"{h}.self_attn.o_proj", attention(q, k, v, size**-0.5))
        normed = p.rms_norm(f"{h}.post_attention_layernorm", x, eps)
        gate = act(p.linear(f"{h}.mlp.gate_proj", normed))
        x = x + p.linear(f"{h}.mlp.down_proj", gate * p.linear(f"{h}.mlp.up_proj", normed))
        yield x
    yield p.rms_norm("norm", x, eps)


def opt(model: PreTrainedModel, ids: Array) -> Iterator[Array]:
    p, config = Parameters(model, "model.decoder."), model.config
    assert config.do_layer_norm_before
    assert config.word_embed_proj_dim == config.hidden_size
    act, eps = ACTIVATIONS[config.activation_function], 1e-5  # torch's own; OPT states none
    heads = config.num_attention_heads
    # The first two rows of the positions stand for no position
    x = p["embed_tokens.weight"][ids] + p["embed_positions.weight"][2 : len(ids) + 2]
    yield x
    for block in range(config.num_hidden_layers):
        h = f"layers.{block}"
        normed = p.layer_norm(f"{h}.self_attn_layer_norm", x, eps)
        q, k, v = (split(p.linear(f"{h}.self_attn.{part}_proj", normed), heads) for part in "qkv")
        mixed = attention(q, k, v, (config.hidden_size // heads) ** -0.5)
        x = x + p.linear(f"{h}.self_attn.out_proj", mixed)
        inner = act(p.linear(f"{h}.fc1", p.layer_norm(f"{h}.final_layer_norm", x, eps)))
        x = x + p.linear(f"{h}.fc2", inner)
        yield x
    yield p.layer_norm("final_layer_norm", x, eps)


ARCHITECTURES = {
    "gpt2": gpt2,
    "gpt_neo": gpt_neo,
    "gpt_neox": gpt_neox,
    "llama": llama,
    "opt": opt,
}


def forward(model: PreTrainedModel, ids: Sequence[int]) -> dict[Any, Array]:
    """States of one text, by hand.

    Returns
    -------
    dict
        ``0`` the embedding output, ``l`` the raw residual stream after block ``l``, ``"final"`` the
        output of the final norm, each (tokens, width), and ``"logits"`` (tokens, vocabulary).
    """
    *stream, final = ARCHITECTURES[model.config.model_type](model, np.asarray(ids))
    unembedding = model.get_output_embeddings().weight.detach().double().numpy()
    return {**dict(enumerate(stream)), "final": final, "logits": final @ unembedding.T}
