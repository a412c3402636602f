"""Measures that a model gives while it runs: attention to long rows, written and streamed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

import matrix_entropy as me
import random_models
import small_architectures
from matrix_entropy.base.errors import InputError
from matrix_entropy.maths.model_measures import LENS, TO_LONG, TO_LONG_UNIFORM
from matrix_entropy.models.stand_ins import train_tokenizer
from matrix_entropy.results.spectra_file import Spectra, compute_spectra
from matrix_entropy.states import model_measures as module
from matrix_entropy.states.attention import paid_to
from matrix_entropy.states.hidden_states import dump_hidden_states
from matrix_entropy.states.measured_rows import received
from matrix_entropy.states.streamed_spectra import stream_spectra
from short_texts import OPTIONS, short_texts

TEXTS = short_texts(5, 3)
BOTH = [TO_LONG, TO_LONG_UNIFORM]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer([text["text"] for text in TEXTS], 290)


def test_to_one_row_is_what_it_receives() -> None:
    random = np.random.default_rng(1)
    sight = np.tri(30, dtype=bool) & ~np.tri(30, k=-9, dtype=bool)
    weights = sight * random.random((30, 30))
    weights /= weights.sum(axis=1, keepdims=True)
    attention, uniform = received(weights, sight)
    for row in (0, 7, 28):
        expected = [attention[row], uniform[row]]
        np.testing.assert_allclose(paid_to(np.array([row]), weights, sight), expected, rtol=1e-12)
    assert np.isnan(paid_to(np.array([29]), weights, sight)).all(), "nobody comes later"
    assert np.isnan(paid_to(np.array([], dtype=int), weights, sight)).all()
    # To several: a row counts once it sees one of them, with all that it pays to those before it.
    by_hand = [
        [sum(of[q, k] for k in (2, 5) if k < q and sight[q, k]) for q in range(3, 14)]
        for of in (weights, sight / sight.sum(axis=1, keepdims=True))
    ]
    found = paid_to(np.array([2, 5]), weights, sight)
    np.testing.assert_allclose(found, np.mean(by_hand, axis=1), rtol=1e-12)


@pytest.mark.parametrize("name", ["gpt2", "gpt_neo", "llama"])
def test_attention_to_long_rows_against_transformers(
    name: str, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    """The row in front is a long one, and a text of one row has nobody that looks at it."""
    random_models.save(name, tmp_path, tokenizer, front=200)
    model = AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation="eager")
    table = me.measure(
        tmp_path, [text["text"] for text in TEXTS], measures=BOTH,
        losses=False, bos=True, progress=False,
    )  # fmt: skip
    found = {which: table.pivot(index="layer", columns="id", values=which) for which in BOTH}
    seen = 0
    for text in TEXTS:
        ids = [tokenizer.bos_token_id, *tokenizer(text["text"])["input_ids"]]
        with torch.inference_mode():
            run = model(torch.tensor([ids]), output_attentions=True, output_hidden_states=True)
        for block, weights in enumerate(run.attentions):
            norms = run.hidden_states[block][0].double().norm(dim=-1).numpy()
            long = norms > 10 * np.median(norms)
            # One block of GPT-Neo looks back 16 tokens only.
            window = 16 if name == "gpt_neo" and block == 1 else len(ids)
            paid = weights[0].double().mean(dim=0).numpy()
            shares = []
            for q in range(len(ids)):
                before = [k for k in range(max(0, q + 1 - window), q) if long[k]]
                if before:
                    shares.append([paid[q, before].sum(), len(before) / min(q + 1, window)])
            expected = np.mean(shares, axis=0) if shares else [np.nan, np.nan]
            got = [found[which].loc[str(block), text["id"]] for which in BOTH]
            np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-7)
            seen += bool(shares)
    assert seen > 4
    for which in BOTH:
        last = found[which].loc[[str(len(run.attentions)), "final"]]
        assert last.isna().all(axis=None), "no block follows"


def test_written_and_streamed_states_have_the_same(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    record = random_models.save("llama", tmp_path / "model", tokenizer, front=200)
    said = {"model": record, "dataset": {"name": "texts"}, "options": OPTIONS}
    layers = [0, 2, "final"]
    asked = [TO_LONG, "curvature", LENS, "norm_ratio", TO_LONG_UNIFORM]
    run = (record, OPTIONS, {"measures": asked, "token_losses": False}, TEXTS, layers)
    stream_spectra(*run, tmp_path / "streamed.npz", said)
    streamed = Spectra.load(tmp_path / "streamed.npz")
    dump_hidden_states(*run, tmp_path / "states", said)
    written = compute_spectra(tmp_path / "states", layers, [], None, measures=asked)
    assert streamed.measures == written.measures == tuple(asked)
    assert streamed.provenance["attention"] == written.provenance["attention"] == "eager"
    np.testing.assert_array_equal(streamed.measured, written.measured)
    there = np.isfinite(written.measured)
    assert there[2].all()
    assert there[[0, -1], :-1, 1:].all()


def test_what_gives_no_attention_is_refused_before_it_runs(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random_models.save("gpt2", tmp_path, tokenizer, front=200)
    model: Any = AutoModelForCausalLM.from_pretrained(tmp_path)
    asked = {"measures": TO_LONG, "losses": False, "progress": False, "tokenizer": tokenizer}
    me.measure(model, ["a fox sang"], **asked)
    assert model.config._attn_implementation == "sdpa", "as it was before"
    monkeypatch.setattr(module, "MOST_TOKENS", 8)
    with pytest.raises(ValueError, match=r"text '4' has \d+ tokens.*at most 8; set `max_tokens=8`"):
        me.measure(model, [text["text"] for text in TEXTS], **asked)
    assert len(me.measure(model, [TEXTS[4]["text"]], max_tokens=8, **asked)) == 5
    mamba = small_architectures.build("mamba")
    decoder = module.Decoder(mamba, with_losses=False, layers=[1])
    with pytest.raises(InputError, match="MambaForCausalLM of model 'mamba' does not give the att"):
        module.ModelMeasures([TO_LONG], decoder, [1], _no_tokens(), [], "mamba")


def _no_tokens() -> Any:
    none = np.empty(0, dtype=np.int64)
    return module.Tokens(none, np.zeros(1, dtype=np.int64), none.astype(bool), none)
