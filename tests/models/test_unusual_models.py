"""Models that are not as most are: each gives the right numbers, or a sentence that says why not.

From the configuration's options to the spectra, on disk and streamed; what every architecture does
is in ``test_architectures.py``.
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers.processors import TemplateProcessing
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

import small_architectures
from matrix_entropy.base.errors import InputError
from matrix_entropy.figures.text import left_out_in_front
from matrix_entropy.maths.entropy import matrix_entropy
from matrix_entropy.models.anatomy import context_window, length_limits
from matrix_entropy.models.loading import check_sizes
from matrix_entropy.models.stand_ins import train_tokenizer
from matrix_entropy.results.spectra_file import Spectra, compute_spectra
from matrix_entropy.states.hidden_states import dump_hidden_states
from matrix_entropy.states.streamed_spectra import stream_spectra
from short_texts import OPTIONS, short_texts

TEXTS = short_texts(9, 1)
WIDTH = small_architectures.WIDTH
ROUTES = ["disk", "stream", "device"]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer([text["text"] for text in TEXTS], 300)


def saved(
    model_type: str,
    folder: Path,
    tokenizer: PreTrainedTokenizerFast,
    change: Callable[[PreTrainedModel], None] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """A small model of an architecture in a folder, as its record."""
    model = small_architectures.build(model_type, vocab_size=len(tokenizer), **options)
    if change:
        change(model)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return {"model": "small", "source": "path", "folder": str(folder), "stand_in": False}


def spectra(
    record: dict[str, Any],
    folder: Path,
    route: str = "disk",
    layers: list[int | str] | None = None,
    texts: list[dict[str, str]] = TEXTS,
    dataset: dict[str, Any] | None = None,
    batch_tokens: int = 4096,
    **changes: Any,
) -> Spectra:
    """The spectra of some texts, by way of states on disk or as they appear."""
    options = OPTIONS | {"width": WIDTH, "bos": False} | changes
    layers = layers or [0, 1, 2, 3, "final"]
    found = {"options": options}
    if route == "disk":
        states = folder / "states"
        dump_hidden_states(
            record, options, dataset or {}, texts, layers, states, found, batch_tokens
        )
        return compute_spectra(states, layers, [], None)
    path = folder / "spectra.npz"
    device = route == "device"
    stream_spectra(
        record,
        options,
        dataset or {},
        texts,
        layers,
        path,
        found,
        batch_tokens,
        on_device=device,
    )
    return Spectra.load(path)


def entropies(found: Spectra) -> np.ndarray:
    """H of all rows, shape (layers, texts)."""
    ends = np.cumsum(found.counts[0].ravel())
    values = [matrix_entropy(each) for each in np.split(found.eigenvalues[: ends[-1]], ends[:-1])]
    return np.array(values).reshape(found.counts[0].shape)


def by_singular_values(rows: torch.Tensor) -> float:
    """H of some rows by another route: singular values of the centred unit rows, in float64."""
    centred = rows.double() - rows.double().mean(dim=0)
    unit = centred / centred.norm(dim=1, keepdim=True)
    shares = torch.linalg.svdvals(unit).square() / len(unit)
    shares = shares[shares > 1e-14]
    return float(-(shares * shares.log()).sum())


@functools.lru_cache(maxsize=1)  # for all texts of a test
def loaded(folder: str, **options: Any) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(folder, **options).eval()


def plain(
    record: dict[str, Any], tokenizer: PreTrainedTokenizerFast, text: str, **options: Any
) -> Any:
    """What transformers makes of one text alone, with all its hidden states."""
    model = loaded(record["folder"], **options)
    ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        return ids, model(input_ids=ids, output_hidden_states=True, use_cache=False)


def losses_of(logits: torch.Tensor, ids: torch.Tensor) -> np.ndarray:
    """−log p of the second token and those after it, in float64."""
    values = torch.log_softmax(logits[0, :-1].double(), dim=-1).gather(-1, ids[0, 1:, None])
    return -values[:, 0].numpy()


# Several streams per token


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("model_type", ["hy_v4", "gemma3n_text"])
def test_several_streams_are_refused_in_a_sentence(
    model_type: str, route: str, tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    record = saved(model_type, tmp_path / "model", tokenizer)
    with pytest.raises(InputError, match=r"several streams of width 32 .*`streams: mean`"):
        spectra(record, tmp_path, route)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(("model_type", "axis"), [("hy_v4", 2), ("gemma3n_text", 0)])
def test_the_mean_of_several_streams(
    model_type: str, axis: int, route: str, tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    """Four texts of four tokens among them: there the axes cannot be told by their lengths."""
    record = saved(model_type, tmp_path / "model", tokenizer)
    square = [{**TEXTS[2], "id": f"square {number}"} for number in range(4)]
    ids, _ = plain(record, tokenizer, square[0]["text"])
    texts = [*square, *TEXTS[3:]]
    found = entropies(spectra(record, tmp_path, route, texts=texts, streams="mean"))
    for number, text in enumerate(texts):
        ids, output = plain(record, tokenizer, text["text"])
        assert output.hidden_states[1].ndim == 4
        for layer in range(3):
            mean = output.hidden_states[layer].mean(dim=axis)[0]
            assert mean.shape == (ids.shape[1], WIDTH)
            # Of a float32 model; the largest difference seen is 3e-7.
            assert found[layer, number] == pytest.approx(by_singular_values(mean), abs=5e-6)


def test_the_key_does_nothing_for_a_model_of_one_stream(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    record = saved("llama", tmp_path / "model", tokenizer)
    expected = spectra(record, tmp_path / "without")
    found = spectra(record, tmp_path / "with", streams="mean")
    np.testing.assert_array_equal(found.eigenvalues, expected.eigenvalues)


@pytest.mark.parametrize(
    ("model_type", "said"),
    [("xlnet", r"shape \(11, 1, 32\) at layer 0"), ("prophetnet", r"shape \(1, 33, 32\)")],
)
def test_states_whose_rows_are_not_tokens_are_refused(
    model_type: str, said: str, tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    record = saved(model_type, tmp_path / "model", tokenizer)
    with pytest.raises(InputError, match=said):
        spectra(record, tmp_path)


def test_a_block_that_runs_twice_is_refused(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers.models.llama.modeling_llama import LlamaModel

    def twice(self: Any, *args: Any, **kwargs: Any) -> Any:
        forward(self, *args, **kwargs)
        return forward(self, *args, **kwargs)

    forward = LlamaModel.forward
    record = saved("llama", tmp_path / "model", tokenizer)
    monkeypatch.setattr(LlamaModel, "forward", twice)
    with pytest.raises(InputError, match="layer 0 several times"):
        spectra(record, tmp_path)


# Losses


def large_logits(model: PreTrainedModel) -> None:
    """Raw logits of up to 30, as a trained Gemma 2 has them before they are capped at 30."""
    with torch.no_grad():
        states = model.model(input_ids=torch.arange(3, 60)[None]).last_hidden_state
        model.model.norm.weight += 30 / float(model.lm_head(states).abs().max()) - 1
    model.config.final_logit_softcapping = 30.0


CHANGED = ["gemma2", "gemma3_text", "granite", "cohere", "cohere2", "nanochat", "minicpm3"]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("model_type", [*CHANGED, "gemma2 with large logits", "llama"])
def test_losses_are_those_of_the_models_own_logits(
    model_type: str, dtype: str, tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    name, _, large = model_type.partition(" with ")
    record = saved(name, tmp_path / "model", tokenizer, large_logits if large else None)
    found = spectra(record, tmp_path, dtype=dtype, batch_texts=1)
    for number, text in enumerate(TEXTS):
        ids, output = plain(record, tokenizer, text["text"], dtype=getattr(torch, dtype))
        first, end = found.offsets[number : number + 2]
        expected = losses_of(output.logits, ids)
        # 2e-6 is the most seen in float32, and in bfloat16, whose logits are the same numbers.
        np.testing.assert_allclose(found.token_losses[first + 1 : end], expected, atol=3e-5)


def test_losses_that_overflow_name_the_text(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    def overflow(model: PreTrainedModel) -> None:
        with torch.no_grad():
            model.lm_head.weight *= 1e5

    record = saved("llama", tmp_path / "model", tokenizer, overflow)
    with pytest.raises(InputError, match=r"the loss of token 2 of text '\d' is not finite"):
        spectra(record, tmp_path, dtype="float16")
    found = spectra(record, tmp_path, dtype="float16", dataset={"token_losses": False})
    assert np.isnan(found.token_losses).all()


def test_a_model_that_looks_ahead_has_no_loss(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    record = saved("bert", tmp_path / "model", tokenizer, is_decoder=False)
    with pytest.raises(InputError, match=r"looks at the tokens that follow.*`token_losses: false`"):
        spectra(record, tmp_path, extract="all")
    found = spectra(record, tmp_path, extract="all", dataset={"token_losses": False})
    _, output = plain(record, tokenizer, TEXTS[-1]["text"])
    expected = [by_singular_values(states[0]) for states in output.hidden_states]
    np.testing.assert_allclose(entropies(found)[:, -1], expected, atol=5e-6)


# Batches


LIMIT = {"original_max_position_embeddings": 10}
ROTARY = {
    "rope_type": "longrope",
    "rope_theta": 1e4,
    "short_factor": [1.0] * 4,
    "long_factor": [4.0] * 4,
}
# Of one the limit is a rotary parameter, of the other one of the configuration.
LONG_ROPE: dict[str, Any] = {
    "llama": {"rope_parameters": ROTARY | LIMIT},
    "phi3": {"rope_parameters": ROTARY, **LIMIT},
}


@pytest.mark.parametrize("model_type", ["llama", "phi3"])
def test_texts_on_both_sides_of_a_threshold_are_read_apart(
    model_type: str, tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    record = saved(model_type, tmp_path / "model", tokenizer, **LONG_ROPE[model_type])
    texts = [{"id": f"{n}", "group": "all", "text": "a fox sang " * 9} for n in range(1, 30)]
    texts = [{**text, "text": text["text"][: 2 * n + 3]} for n, text in enumerate(texts)]
    lengths = [
        len(tokenizer(text["text"], add_special_tokens=False)["input_ids"]) for text in texts
    ]
    assert any(9 <= length <= 10 for length in lengths), "as long as may be read with shorter ones"
    assert any(10 < length <= 12 for length in lengths), "and a little longer"
    found = spectra(record, tmp_path / "batched", texts=texts)
    alone = spectra(record, tmp_path / "alone", texts=texts, batch_texts=1)
    np.testing.assert_allclose(entropies(found), entropies(alone), atol=1e-5)
    np.testing.assert_allclose(found.token_losses, alone.token_losses, atol=1e-5)
    for number, text in enumerate(texts):
        _, output = plain(record, tokenizer, text["text"])
        rows = output.hidden_states[2][0]
        if len(rows) > 1:
            expected = by_singular_values(rows)
            assert entropies(found)[2, number] == pytest.approx(expected, abs=5e-6)


def test_where_models_change_with_the_length() -> None:
    config = small_architectures.small_config
    assert length_limits(config("llama")) == []
    for model_type, options in LONG_ROPE.items():
        assert length_limits(config(model_type, **options)) == [10]
    layered = config("gemma3_text")
    layered.rope_parameters = {"full_attention": ROTARY | LIMIT, "sliding_attention": {}}
    assert length_limits(layered) == [10]


def test_one_text_at_a_time_is_the_model_alone_to_the_bit(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    record = saved("llama", tmp_path / "model", tokenizer)
    options = {"dtype": "bfloat16", "batch_texts": 1}
    spectra(record, tmp_path, **options)
    for number, text in enumerate(TEXTS):
        _, output = plain(record, tokenizer, text["text"], dtype=torch.bfloat16)
        for layer, expected in enumerate(output.hidden_states[:3]):
            states = np.load(tmp_path / "states" / f"layer_{layer}.npy")
            first = sum(
                len(tokenizer(each["text"], add_special_tokens=False)["input_ids"])
                for each in TEXTS[:number]
            )
            rows = states[first : first + expected.shape[1]]
            np.testing.assert_array_equal(rows, expected[0].float().numpy())


# What an architecture lacks


@pytest.mark.parametrize("route", ["disk", "stream"])
def test_all_leaves_out_the_norm_that_a_model_does_not_have(
    route: str,
    tmp_path: Path,
    tokenizer: PreTrainedTokenizerFast,
    caplog: pytest.LogCaptureFixture,
) -> None:
    record = saved("bart", tmp_path / "model", tokenizer)
    with caplog.at_level(logging.WARNING, "matrix_entropy"):
        found = spectra(record, tmp_path, route, extract="all")
    assert found.layers == ("0", "1", "2", "3")
    assert "leaves out `final`" in caplog.text
    assert found.provenance["layers"] == [0, 1, 2, 3]
    with pytest.raises(InputError, match="leave `final` out of `extract:`, and the model"):
        spectra(record, tmp_path, route, extract=["final"])


@pytest.mark.parametrize("model_type", ["xglm", "biogpt", "ctrl", "rwkv", "xlstm", "lfm2", "mbart"])
def test_norms_under_other_names_are_final(
    model_type: str, tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    record = saved(model_type, tmp_path / "model", tokenizer)
    found = entropies(spectra(record, tmp_path))
    _, output = plain(record, tokenizer, TEXTS[-1]["text"])
    assert found[-1, -1] == pytest.approx(by_singular_values(output.hidden_states[-1][0]), abs=5e-6)


@pytest.mark.parametrize(
    "model_type", ["openai-gpt", "modernbert-decoder", "llama4_text", "mpt", "roberta", "whisper"]
)
def test_texts_longer_than_the_context_are_cut(
    model_type: str, tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    """Also where the number of positions goes by another name, or is less than it says."""
    record = saved(model_type, tmp_path / "model", tokenizer)
    model = AutoModelForCausalLM.from_pretrained(record["folder"])
    window = 63 if model_type == "roberta" else small_architectures.CONTEXT
    assert context_window(model) == window
    long = [{"id": "long", "group": "all", "text": "a fox sang " * 60}]
    layers: list[int | str] = [0, 1, 2, 3]
    found = spectra(record, tmp_path, texts=long, layers=layers, extract=layers)
    assert found.truncated.tolist() == [True]
    assert np.diff(found.offsets).tolist() == [window]


def test_no_limit_that_is_none(tokenizer: PreTrainedTokenizerFast) -> None:
    assert context_window(small_architectures.build("xlnet")) is None
    assert context_window(small_architectures.build("mamba")) is None


def test_a_model_without_a_number_of_layers_is_a_sentence() -> None:
    with pytest.raises(InputError, match=r"a model states no `layers:` in its config.json"):
        check_sizes("a model", small_architectures.small_config("blt"), 3, WIDTH)


def test_layers_are_those_of_the_decoder() -> None:
    config = small_architectures.small_config("bart", encoder_layers=2)
    check_sizes("a model", config, 3, WIDTH)
    with pytest.raises(InputError, match="layers 3, but the configuration states 2"):
        check_sizes("a model", config, 2, WIDTH)


def test_what_needs_more_than_a_text_is_a_sentence(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    record = saved("xmod", tmp_path / "model", tokenizer, default_language=None)
    with pytest.raises(InputError, match=r"XmodForCausalLM cannot read a text .*language"):
        spectra(record, tmp_path, extract="all")


def test_a_block_under_an_unknown_name_is_a_sentence(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    record = saved("xlm", tmp_path / "model", tokenizer)
    with pytest.raises(InputError, match="XLMWithLMHeadModel keeps its blocks under none"):
        spectra(record, tmp_path)


# Tokens


def test_a_token_that_the_model_does_not_know_is_named(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    record = saved("llama", tmp_path / "model", tokenizer)
    known = PreTrainedTokenizerFast.from_pretrained(record["folder"])
    known.add_tokens(["Lily"])
    known.save_pretrained(record["folder"])
    spectra(record, tmp_path / "without it")
    texts = [*TEXTS, {"id": "new", "group": "odd", "text": "a fox and Lily"}]
    with pytest.raises(InputError, match=rf"has 'Lily', token {len(tokenizer)};"):
        spectra(record, tmp_path, texts=texts)


@pytest.mark.parametrize("route", ["disk", "stream"])
def test_a_token_that_a_tokenizer_puts_in_front_is_left_out_and_said(
    route: str,
    tmp_path: Path,
    tokenizer: PreTrainedTokenizerFast,
    caplog: pytest.LogCaptureFixture,
) -> None:
    record = saved("llama", tmp_path / "model", tokenizer)
    expected = spectra(record, tmp_path / "plain", route)
    assert left_out_in_front(expected.provenance) == []
    begins = PreTrainedTokenizerFast.from_pretrained(record["folder"])
    begins.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", begins.bos_token_id)]
    )
    begins.save_pretrained(record["folder"])
    with caplog.at_level(logging.INFO, "matrix_entropy"):
        found = spectra(record, tmp_path / "begins", route)
    np.testing.assert_array_equal(found.eigenvalues, expected.eigenvalues)
    assert "puts <|endoftext|> in front of texts by itself" in caplog.text
    [said] = left_out_in_front(found.provenance)
    assert "<|endoftext|>" in said
    assert "bos: true counts it" in said
    counted = spectra(record, tmp_path / "counted", route, bos=True)
    assert left_out_in_front(counted.provenance) == []
    assert len(counted.token_losses) == len(found.token_losses) + len(TEXTS)
    json.dumps(found.provenance)
