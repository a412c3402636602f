"""The states taken out of a running model are those that the architecture's definition gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn
from transformers import GPTNeoXConfig, LlamaConfig, OPTConfig, PreTrainedModel

import by_hand
import random_models
from matrix_entropy.base.errors import InputError
from matrix_entropy.states.residual_stream import Layer, residual_stream

# Relative to the largest entry of a layer. The model computes in float32 (unit roundoff 6e-8) and
# by hand is float64: the raw states of these models differ by up to 8e-7 and, since a norm takes
# off their common mean, those after the last norm by up to 3e-6. Exact against approximate GELU is
# 2e-4; a missing bias, gain, scale, rotation or window 1e-2 or more (but for a key's bias, which
# the softmax cancels).
TOLERANCE = 3e-5

TOKENS = 41  # more than the local attention's window, so that the window matters
LAYERS: list[Layer] = [*range(random_models.BLOCKS + 1), "final"]


def grouped_llama() -> PreTrainedModel:
    """A Llama with two heads of keys and values for four of queries."""
    config = LlamaConfig(
        vocab_size=random_models.VOCABULARY,
        max_position_embeddings=random_models.CONTEXT,
        hidden_size=random_models.WIDTH,
        num_hidden_layers=random_models.BLOCKS,
        num_attention_heads=random_models.HEADS,
        num_key_value_heads=random_models.HEADS // 2,
        intermediate_size=2 * random_models.WIDTH,
        bos_token_id=random_models.VOCABULARY - 1,
        eos_token_id=random_models.VOCABULARY - 1,
    )
    return random_models.build(config, seed=0)


def sequential_gpt_neox() -> PreTrainedModel:
    """A GPT-NeoX whose MLP follows the attention, and that rotates a quarter of each head."""
    config = GPTNeoXConfig(
        vocab_size=random_models.VOCABULARY,
        max_position_embeddings=random_models.CONTEXT,
        hidden_size=random_models.WIDTH,
        num_hidden_layers=random_models.BLOCKS,
        num_attention_heads=2,
        intermediate_size=4 * random_models.WIDTH,
        rotary_pct=0.25,  # type: ignore[call-arg]
        use_parallel_residual=False,
        bos_token_id=random_models.VOCABULARY - 1,
        eos_token_id=random_models.VOCABULARY - 1,
    )
    return random_models.build(config, seed=0)


MODELS = {
    "gpt2": random_models.gpt2,
    "gpt_neo": random_models.gpt_neo,
    "gpt_neox": random_models.gpt_neox,
    "gpt_neox_sequential": sequential_gpt_neox,
    "llama": random_models.llama,
    "llama_grouped": grouped_llama,
    "opt": random_models.opt,
}


@dataclass
class Case:
    """A model, a text of tokens, and what the model makes of it, computed by hand."""

    model: PreTrainedModel
    ids: torch.Tensor
    expected: dict


@pytest.fixture(scope="module", params=MODELS)
def case(request: pytest.FixtureRequest) -> Case:
    model = MODELS[request.param]()
    ids = np.random.default_rng(7).integers(0, random_models.VOCABULARY, TOKENS)
    return Case(model, torch.from_numpy(ids)[None], by_hand.forward(model, ids.tolist()))


def run(
    model: PreTrainedModel, ids: torch.Tensor, layers: Sequence[Layer]
) -> list[tuple[Layer, torch.Tensor]]:
    """All that is delivered during one forward pass, in its order."""
    received: list[tuple[Layer, torch.Tensor]] = []
    shape = (*ids.shape, random_models.WIDTH)
    with (
        torch.inference_mode(),
        residual_stream(model, layers, shape, lambda *states: received.append(states)),
    ):
        model(ids, use_cache=False)
    return received


def hooks(model: nn.Module) -> list[tuple[str, list[int], list[int]]]:
    """Every module's forward hooks, by their handles' numbers."""
    return [
        (name, list(module._forward_hooks), list(module._forward_pre_hooks))
        for name, module in model.named_modules()
    ]


def close(states: torch.Tensor, expected: by_hand.Array) -> bool:
    difference = np.abs(states.double().numpy() - expected).max()
    return bool(difference <= TOLERANCE * np.abs(expected).max())


@pytest.mark.parametrize("layer", LAYERS)
def test_states_are_those_computed_by_hand(case: Case, layer: Layer) -> None:
    [(received, states)] = run(case.model, case.ids, [layer])
    assert received == layer
    assert states.shape == (1, TOKENS, random_models.WIDTH)
    assert close(states[0], case.expected[layer])
    # The tolerance tells a layer from every other one.
    assert not any(close(states[0], case.expected[other]) for other in LAYERS if other != layer)


def test_a_batch_of_texts_gives_each_text_its_own_states(case: Case) -> None:
    batch = torch.cat([case.ids, case.ids.flip(1)])
    backwards = by_hand.forward(case.model, batch[1].tolist())
    for layer, states in run(case.model, batch, LAYERS):
        assert close(states[0], case.expected[layer])
        assert close(states[1], backwards[layer])


def test_middle_layers_are_those_of_transformers_and_the_last_one_is_raw(case: Case) -> None:
    states = dict(run(case.model, case.ids, LAYERS))
    with torch.inference_mode():
        theirs = case.model(case.ids, use_cache=False, output_hidden_states=True).hidden_states
    last = random_models.BLOCKS
    assert len(theirs) == last + 1
    for layer in range(last):
        assert torch.equal(states[layer], theirs[layer])
    # What transformers has in the last block's place is the final norm's output
    assert torch.equal(states["final"], theirs[last])
    scale = states[last].abs().max()
    assert (states[last] - theirs[last]).abs().max() > 0.1 * scale


@pytest.mark.parametrize("layers", [[], [0], [2], ["final"], [1, 3], ["final", 3, 0], LAYERS])
def test_only_the_layers_asked_for_are_delivered_in_the_order_of_depth(
    case: Case, layers: list[Layer]
) -> None:
    received = [layer for layer, _ in run(case.model, case.ids, layers)]
    assert received == sorted(layers, key=LAYERS.index)


def test_each_pass_within_one_opening_delivers_again() -> None:
    model = random_models.gpt2()
    received: list[Layer] = []
    with (
        torch.inference_mode(),
        residual_stream(model, [0, 3], (1, 2, 48), lambda layer, _: received.append(layer)),
    ):
        model(torch.tensor([[1, 2]]))
        model(torch.tensor([[4, 5]]))
    assert received == [0, 3, 0, 3]


def test_hooks_are_removed_and_others_are_left(case: Case) -> None:
    model = case.model
    others = model.get_decoder().register_forward_hook(lambda *_: None)
    try:
        before = hooks(model)
        received: list[Layer] = []
        shape = (1, TOKENS, random_models.WIDTH)
        with residual_stream(model, LAYERS, shape, lambda layer, _: received.append(layer)):
            assert hooks(model) != before
        assert hooks(model) == before
        with torch.inference_mode():
            model(case.ids)
        assert received == []
    finally:
        others.remove()


@pytest.mark.parametrize("layer", LAYERS)
def test_hooks_are_removed_after_an_exception_in_the_receiver(case: Case, layer: Layer) -> None:
    def refuse(_: Layer, __: torch.Tensor) -> None:
        raise OSError("the disk is full")

    # A first pass, as transformers may set hooks of its own in it
    with torch.inference_mode():
        case.model(case.ids, output_hidden_states=True)
    before = hooks(case.model)
    with (
        pytest.raises(OSError, match="the disk is full"),
        torch.inference_mode(),
        residual_stream(case.model, [layer], (1, TOKENS, random_models.WIDTH), refuse),
    ):
        case.model(case.ids)
    assert hooks(case.model) == before


class Fake(nn.Module):
    """A model whose decoder has the children that it is told to have."""

    def __init__(self, **children: nn.Module) -> None:
        super().__init__()
        for name, child in children.items():
            self.add_module(name, child)

    def get_decoder(self) -> nn.Module:
        return self


def ignore(_: Layer, __: torch.Tensor) -> None:
    """Receive nothing."""


def test_final_of_an_architecture_without_a_known_norm_is_refused() -> None:
    block = nn.Identity()
    model = Fake(h=nn.ModuleList([block]), another_norm=nn.Identity())
    with (
        pytest.raises(InputError, match=r"architecture Fake has no final normalisation .*\.$"),
        residual_stream(model, [0, "final"], (1, 2, 3), ignore),
    ):
        pass
    assert all(not after and not before for _, after, before in hooks(model))
    # Its other layers can be had
    received: list[Layer] = []
    with residual_stream(model, [0, 1], (1, 2, 3), lambda layer, _: received.append(layer)):
        block(torch.zeros(1, 2, 3))
    assert received == [0, 1]


def test_final_of_a_model_that_ends_without_a_norm_is_refused() -> None:
    config = OPTConfig(
        vocab_size=random_models.VOCABULARY,
        max_position_embeddings=random_models.CONTEXT,
        hidden_size=random_models.WIDTH,
        num_hidden_layers=random_models.BLOCKS,
        num_attention_heads=random_models.HEADS,
        ffn_dim=random_models.WIDTH,
        word_embed_proj_dim=random_models.WIDTH,
        do_layer_norm_before=False,  # each block norms its own sum, as in OPT-350m
    )
    model = random_models.build(config, seed=0)
    with (
        pytest.raises(InputError, match="OPTForCausalLM has no final normalisation"),
        residual_stream(model, ["final"], (1, 2, 3), ignore),
    ):
        pass


@pytest.mark.parametrize(
    "model",
    [
        Fake(stages=nn.ModuleList([nn.Identity()]), norm=nn.Identity()),
        Fake(h=nn.Identity(), norm=nn.Identity()),  # the name, but no list of blocks
    ],
    ids=["name", "kind"],
)
def test_an_unknown_architecture_is_refused(model: Fake) -> None:
    with (
        pytest.raises(InputError, match=r"architecture Fake keeps its blocks under none .*\.$"),
        residual_stream(model, [0], (1, 2, 3), ignore),
    ):
        pass
