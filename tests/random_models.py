"""Small causal language models with weights that any machine can make again.

Nothing is downloaded and nothing is stored: the configurations are written out here and the
weights come from numpy's legacy generator, whose stream of numbers is frozen. The same code under
transformers 4.57 and under transformers 5 gives the same model, so that results which another
library got from one of these models (see ``fixtures/make_transformer_lens_fixture.py``) can be
compared with results computed here.

Every model has 48 features, 3 blocks, 4 heads, 97 tokens and room for 64 positions unless told
otherwise. The last token is the one that begins and ends a text, as in GPT-2.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPTNeoConfig,
    GPTNeoXConfig,
    LlamaConfig,
    OPTConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

WIDTH = 48
BLOCKS = 3
HEADS = 4
VOCABULARY = 97
CONTEXT = 64
WINDOW = 16

# (mean, standard deviation) of the values of a parameter, by kind
NORM_GAIN = (1.5, 0.5)
BIAS = (0.25, 0.25)
EMBEDDING = (0.0, 0.5)
MATRIX = (0.0, 0.1)
WRITING_MATRIX = (0.1, 0.1)

EMBEDDINGS = ("wte", "wpe", "embed_tokens", "embed_positions", "embed_in")
# the matrices whose product is added to the residual stream, in the five architectures below
WRITING = ("c_proj", "out_proj", "attention.dense", "dense_4h_to_h", "o_proj", "down_proj", "fc2")


def order(name: str) -> str:
    """Return the name that decides when a parameter's turn comes.

    It is the parameter's own name, except that GPT-NeoX's output matrix, ``embed_out`` in
    transformers 4 and ``lm_head`` since transformers 5, goes by its newer name under both.
    """
    return name.replace("embed_out.", "lm_head.")


def kind(name: str, parameter: torch.Tensor) -> tuple[float, float]:
    """Return the mean and the standard deviation for the values of a parameter.

    The gains of the norms lie around 1.5 and all biases around 0.25, so that forgetting either is
    noticed. The matrices that write to the residual stream have a mean other than zero: what they
    write then has, at each position, a mean over the features that is far from zero and differs
    from position to position, so that taking it off or leaving it changes the matrix entropy
    visibly (by 0.05 to 0.2 of log d for 41 tokens).

    Args:
        name: the parameter's name, as ``named_parameters()`` gives it.
        parameter: the parameter; only its number of dimensions is looked at.

    Returns:
        One of the pairs written out above.
    """
    if name.endswith(".bias"):
        return BIAS
    if parameter.ndim == 1:
        return NORM_GAIN
    if any(part in name for part in EMBEDDINGS):
        return EMBEDDING
    if any(part in name for part in WRITING):
        return WRITING_MATRIX
    return MATRIX


def fill(model: PreTrainedModel, seed: int) -> PreTrainedModel:
    """Fill a model with weights that depend on its parameters' names and shapes and on a seed.

    One ``numpy.random.RandomState(seed)`` serves the whole model. The parameters are taken in the
    order of their names (plain string order of ``order(name)`` over ``named_parameters()``, in
    which tied weights occur once); each gets ``mean + deviation * standard_normal(shape)``,
    computed in float64 and rounded to float32, with the mean and the deviation that ``kind`` gives.

    Args:
        model: the model, changed in place.
        seed: seed of the generator.

    Returns:
        The same model, in float32 and in evaluation mode.
    """
    model = model.float().eval()
    generator = np.random.RandomState(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters(), key=lambda item: order(item[0])):
            mean, deviation = kind(name, parameter)
            values = mean + deviation * generator.standard_normal(tuple(parameter.shape))
            parameter.copy_(torch.from_numpy(values.astype(np.float32)))
    return model


def build(config: PretrainedConfig, seed: int) -> PreTrainedModel:
    """Return the causal language model of a configuration, filled from a seed."""
    return fill(AutoModelForCausalLM.from_config(config), seed)


def gpt2(
    seed: int = 0,
    *,
    width: int = WIDTH,
    blocks: int = BLOCKS,
    heads: int = HEADS,
    vocabulary: int = VOCABULARY,
    context: int = CONTEXT,
) -> PreTrainedModel:
    """Return a random GPT-2 (learned positions, tied embeddings)."""
    config = GPT2Config(
        vocab_size=vocabulary,
        n_positions=context,
        n_embd=width,
        n_layer=blocks,
        n_head=heads,
        bos_token_id=vocabulary - 1,
        eos_token_id=vocabulary - 1,
    )
    return build(config, seed)


def gpt_neo(
    seed: int = 0,
    *,
    width: int = WIDTH,
    blocks: int = BLOCKS,
    heads: int = HEADS,
    vocabulary: int = VOCABULARY,
    context: int = CONTEXT,
    window: int = WINDOW,
) -> PreTrainedModel:
    """Return a random GPT-Neo (the TinyStories models' kind).

    Its blocks attend to everything before and to a window in turn, beginning with everything, and
    do not scale the attention scores.
    """
    config = GPTNeoConfig(
        vocab_size=vocabulary,
        max_position_embeddings=context,
        hidden_size=width,
        num_layers=blocks,
        num_heads=heads,
        attention_types=[[["local" if block % 2 else "global"], 1] for block in range(blocks)],
        window_size=window,
        bos_token_id=vocabulary - 1,
        eos_token_id=vocabulary - 1,
    )
    return build(config, seed)


def gpt_neox(
    seed: int = 0,
    *,
    width: int = WIDTH,
    blocks: int = BLOCKS,
    heads: int = HEADS,
    vocabulary: int = VOCABULARY,
    context: int = CONTEXT,
) -> PreTrainedModel:
    """Return a random GPT-NeoX (the Pythia models' kind).

    Attention and MLP run in parallel, half of each head is rotated (``width / heads / 2`` has to be
    even) and the output matrix is its own.
    """
    config = GPTNeoXConfig(
        vocab_size=vocabulary,
        max_position_embeddings=context,
        hidden_size=width,
        num_hidden_layers=blocks,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        rotary_pct=0.5,  # type: ignore[call-arg]
        bos_token_id=vocabulary - 1,
        eos_token_id=vocabulary - 1,
    )
    return build(config, seed)


def llama(
    seed: int = 0,
    *,
    width: int = WIDTH,
    blocks: int = BLOCKS,
    heads: int = HEADS,
    vocabulary: int = VOCABULARY,
    context: int = CONTEXT,
) -> PreTrainedModel:
    """Return a random Llama (root mean square norms, no biases, rotated heads)."""
    config = LlamaConfig(
        vocab_size=vocabulary,
        max_position_embeddings=context,
        hidden_size=width,
        num_hidden_layers=blocks,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        intermediate_size=2 * width,
        bos_token_id=vocabulary - 1,
        eos_token_id=vocabulary - 1,
    )
    return build(config, seed)


def opt(
    seed: int = 0,
    *,
    width: int = WIDTH,
    blocks: int = BLOCKS,
    heads: int = HEADS,
    vocabulary: int = VOCABULARY,
    context: int = CONTEXT,
) -> PreTrainedModel:
    """Return a random OPT (ReLU, positions counted from two, tied embeddings)."""
    config = OPTConfig(
        vocab_size=vocabulary,
        max_position_embeddings=context,
        hidden_size=width,
        num_hidden_layers=blocks,
        num_attention_heads=heads,
        ffn_dim=4 * width,
        word_embed_proj_dim=width,
        bos_token_id=vocabulary - 1,
        eos_token_id=vocabulary - 1,
    )
    return build(config, seed)


def save(
    name: str,
    folder: Path,
    tokenizer: PreTrainedTokenizerFast,
    context: int = CONTEXT,
    front: float = 1.0,
) -> dict[str, Any]:
    """A model of one of the functions above in a folder, with a tokenizer, as its record.

    ``front`` makes the embedding of the token that begins texts so many times as long.
    """
    model = globals()[name](vocabulary=len(tokenizer), context=context)
    with torch.no_grad():
        model.get_input_embeddings().weight[tokenizer.bos_token_id] *= front
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return {"model": name, "source": "path", "folder": str(folder), "stand_in": False}
