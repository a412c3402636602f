"""Texts behind a prefix, left out as too short, spread over shards, and read in windows."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

import random_models
from matrix_entropy.base.errors import InputError
from matrix_entropy.models.stand_ins import train_tokenizer
from matrix_entropy.results.metrics import metrics_table, ppl_token, ppl_windows, summary_table
from matrix_entropy.results.spectra_file import Spectra, compute_spectra, gathered
from matrix_entropy.results.state_files import open_states
from matrix_entropy.states.hidden_states import dump_hidden_states
from matrix_entropy.texts.tokens import corpus_windows, tokenise

LAYERS = [1, "final"]
OPTIONS = {
    "layers": 3,
    "width": 48,
    "bos": False,
    "center_features": False,
    "dtype": "float32",
    "device_map": "single",
}
SONG = "the fox of the old lighthouse sang all night and nobody knew why it would not stop"
WORDS = SONG.split()
TEXTS = [
    {"id": str(i), "group": "odd" if i % 2 else "even", "text": " ".join((WORDS * 3)[: 3 + 2 * i])}
    for i in range(14)
]
PREFIX = "You are a lighthouse.\n"


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer([text["text"] for text in TEXTS], 300)


@pytest.fixture(scope="module", params=["gpt2", "gpt_neox", "opt"])
def record(
    request: Any, tmp_path_factory: Any, tokenizer: PreTrainedTokenizerFast
) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("model")
    model = getattr(random_models, request.param)(vocabulary=len(tokenizer), context=128)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return {"model": request.param, "folder": str(folder), "stand_in": False}


def spectra_of(
    record: dict[str, Any],
    folder: Path,
    texts: list[dict[str, str]] = TEXTS,
    shard: tuple[int, int] = (1, 1),
    cuts: tuple[int, ...] = (),
    **dataset: Any,
) -> Spectra:
    """Dump and decompose."""
    provenance = {"options": OPTIONS, "model": record["model"]}
    dump_hidden_states(
        record, OPTIONS, dataset, texts, LAYERS, folder, provenance, batch_tokens=200, shard=shard
    )
    measures = ["curvature", "norm_ratio"]
    return compute_spectra(
        folder, LAYERS, ["without_long_rows"], None, cuts=cuts, measures=measures
    )


def assert_close(found: Spectra, expected: Spectra) -> None:
    """Same texts and tokens; eigenvalues and losses within 1e-5."""
    for name in ("counts", "rows", "ids", "groups", "offsets", "truncated"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    for name in ("window_groups", "window_tokens"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert found.measures == expected.measures == ("curvature", "norm_ratio")
    for name in ("eigenvalues", "token_losses", "window_losses", "measured"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=1e-5, atol=1e-5
        )


@pytest.mark.parametrize("shards", [2, 3, 13])
def test_results_do_not_depend_on_the_number_of_shards(
    record: dict[str, Any], tmp_path: Path, shards: int
) -> None:
    options = {"window_perplexity": True, "min_tokens": 4}
    whole = spectra_of(record, tmp_path / "whole", **options)
    parts = [
        spectra_of(record, tmp_path / f"part{number}", shard=(number, shards), **options)
        for number in range(1, shards + 1)
    ]
    together = gathered(parts, "texts")
    assert_close(together, whole)
    assert together.provenance == whole.provenance
    assert summary_table(together).to_numpy()[:, 0].tolist() == [
        view for _ in range(2) for view in ["all_rows"] * 2 + ["without_long_rows"] * 2
    ]


def test_a_lost_shard_is_named(record: dict[str, Any], tmp_path: Path) -> None:
    first, second, third = (
        spectra_of(record, tmp_path / f"part{number}", shard=(number, 3)) for number in (1, 2, 3)
    )
    with pytest.raises(InputError, match=r"texts: shard 2 of 2 is missing, 3/3 stands"):
        gathered([replace(first, provenance=first.provenance | {"shard": [1, 2]}), third], "texts")
    with pytest.raises(InputError, match="shard 2 of 3 is missing, 3/3 stands in its place"):
        gathered([first, third, second], "texts")
    other = replace(second, provenance=second.provenance | {"model": "another"})
    with pytest.raises(InputError, match="come from different models, texts"):
        gathered([first, other, third], "texts")


def test_more_shards_than_texts(record: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="14 texts cannot be spread over 15 shards"):
        spectra_of(record, tmp_path / "part", shard=(1, 15))
    assert not (tmp_path / "part").exists()


def test_states_behind_a_prefix_are_those_of_the_whole_without_its_rows(
    record: dict[str, Any], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    """Equal to running prefix and text as one text and taking the last rows away."""
    behind = [{**text, "prefix": PREFIX} for text in TEXTS]
    as_one = [{**text, "text": PREFIX + text["text"]} for text in TEXTS]
    found = spectra_of(record, tmp_path / "behind", behind)
    whole = spectra_of(record, tmp_path / "as_one", as_one)
    for layer in LAYERS:
        states, all_states = (open_states(tmp_path / name, layer) for name in ("behind", "as_one"))
        for text in range(len(TEXTS)):
            start, end = found.offsets[text : text + 2]
            last = whole.offsets[text + 1]
            np.testing.assert_allclose(
                states[start:end], all_states[last - (end - start) : last], rtol=1e-5, atol=1e-5
            )
            assert np.isfinite(found.token_losses[start:end]).all(), "the prefix predicts the first"
            np.testing.assert_allclose(
                found.token_losses[start:end],
                whole.token_losses[last - (end - start) : last],
                atol=1e-5,
            )
    own = [len(tokenizer(text["text"])["input_ids"]) for text in TEXTS]
    assert np.diff(found.offsets).tolist() == own


def test_a_token_shared_by_prefix_and_text_belongs_to_the_text() -> None:
    """Prefix ``ab`` and text ``cd`` of a tokenizer that knows ``bc`` but nothing longer."""
    vocabulary = {token: number for number, token in enumerate(["a", "b", "c", "d", "bc"])}
    merging = Tokenizer(models.BPE(vocabulary, [("b", "c")]))
    merging.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    merging.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=merging)
    text = {"id": "0", "group": "all", "text": "cd", "prefix": "ab"}
    tokens, _ = tokenise(fast, [text], bos=False)
    assert tokens.of(0).tolist() == [vocabulary[token] for token in ("a", "bc", "d")]
    assert tokens.context.tolist() == [1]
    assert tokens.kept_ids().tolist() == [vocabulary["bc"], vocabulary["d"]]


@pytest.mark.parametrize("prefix", ["é ü\n", "日本語: ", "a\n\n", "\n"])
@pytest.mark.parametrize("text", ["\nfox", " the fox", "狐 fox", "the"])
def test_the_kept_tokens_spell_the_text(
    tokenizer: PreTrainedTokenizerFast, prefix: str, text: str
) -> None:
    """They decode to the text, or to something that ends in it where a token is shared."""
    tokens, _ = tokenise(
        tokenizer, [{"id": "0", "group": "", "text": text, "prefix": prefix}], bos=False
    )
    assert tokenizer.decode(tokens.kept_ids()).endswith(text)
    assert tokenizer.decode(tokens.of(0)) == prefix + text


def test_the_bos_row_in_front_of_a_prefix_is_not_kept(tokenizer: PreTrainedTokenizerFast) -> None:
    text = {"id": "0", "group": "", "text": "the fox"}
    without, _ = tokenise(tokenizer, [{**text, "prefix": PREFIX}], bos=False)
    with_bos, _ = tokenise(tokenizer, [{**text, "prefix": PREFIX}], bos=True)
    assert with_bos.context[0] == without.context[0] + 1
    np.testing.assert_array_equal(with_bos.kept_ids(), without.kept_ids())


def test_limits_with_a_prefix(tokenizer: PreTrainedTokenizerFast) -> None:
    text = {"id": "long", "group": "", "text": " ".join(WORDS * 4), "prefix": PREFIX}
    whole, _ = tokenise(tokenizer, [text], bos=False)
    before = int(whole.context[0])
    cut, _ = tokenise(tokenizer, [text], bos=False, limit=10)
    assert cut.kept_ids().tolist() == whole.kept_ids()[:10].tolist()
    assert cut.truncated.tolist() == [True]
    narrow, _ = tokenise(tokenizer, [text], bos=False, limit=10, window=before + 4)
    assert narrow.kept_ids().tolist() == whole.kept_ids()[:4].tolist()
    with pytest.raises(InputError, match=r"prefix of text 'long' has \d+ tokens and fills"):
        tokenise(tokenizer, [text], bos=False, window=before)


def test_short_texts_are_left_out(record: dict[str, Any], tmp_path: Path) -> None:
    whole = spectra_of(record, tmp_path / "whole")
    lengths = np.diff(whole.offsets)
    found = spectra_of(record, tmp_path / "long", min_tokens=12, max_tokens=10)
    assert found.ids.tolist() == whole.ids[lengths >= 12].tolist()
    assert (np.diff(found.offsets) == 10).all()
    assert found.provenance["texts_left_out"] == int((lengths < 12).sum())


def test_a_filter_that_leaves_nothing(record: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none of the 14 texts has the 5000 tokens"):
        spectra_of(record, tmp_path / "none", min_tokens=5000)


def test_cuts_equal_texts_that_were_cut(record: dict[str, Any], tmp_path: Path) -> None:
    """A causal model's first rows are those of the shorter text; no second run is needed."""
    cuts = (4, 10, 1000)
    found = spectra_of(record, tmp_path / "whole", cuts=cuts)
    for cut in cuts[:2]:
        view = found.views.index(f"first_{cut}")
        shorter = spectra_of(record, tmp_path / f"cut{cut}", max_tokens=cut)
        for text, layer in itertools.product(range(len(TEXTS)), range(len(LAYERS))):
            if np.diff(found.offsets)[text] >= cut:
                np.testing.assert_allclose(
                    found.of(view, layer, text), shorter.of(0, layer, text), rtol=1e-5, atol=1e-6
                )
            else:
                assert not len(found.of(view, layer, text)), "a shorter text has none"
    assert not found.counts[-1].any()
    table = metrics_table(found)
    assert table["matrix_entropy_first_1000"].isna().all()
    summary = summary_table(found).set_index(["view", "group", "layer"])
    inside = (table["group"] == "odd") & (table["layer"] == "final")
    assert summary.loc[("first_4", "odd", "final"), "matrix_entropy"] == pytest.approx(
        table.loc[inside, "matrix_entropy_first_4"].mean(), abs=1e-12
    )


def test_perplexities_equal_transformers(
    record: dict[str, Any], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    found = spectra_of(record, tmp_path / "dump", window_perplexity=True)
    model = getattr(random_models, record["model"])(vocabulary=len(tokenizer), context=128)
    model = model.from_pretrained(record["folder"]).eval()

    def losses(ids: list[int]) -> torch.Tensor:
        row = torch.tensor(ids)[None]
        with torch.no_grad():
            logits = model(input_ids=row).logits[0, :-1]
        return torch.nn.functional.cross_entropy(logits.double(), row[0, 1:], reduction="none")

    for group in ("odd", "even"):
        texts = [text["text"] for text in TEXTS if text["group"] == group]
        alone = torch.cat([losses(tokenizer(text)["input_ids"]) for text in texts])
        assert ppl_token(found, found.groups == group)[0] == pytest.approx(
            float(alone.mean().exp()), rel=1e-5
        )
        corpus = tokenizer("\n\n".join(texts))["input_ids"]
        windows = [corpus[start : start + 128] for start in range(0, len(corpus), 128)]
        in_windows = torch.cat([losses(window) for window in windows if len(window) > 1])
        assert ppl_windows(found, group)[0] == pytest.approx(
            float(in_windows.mean().exp()), rel=1e-4
        )


def test_windows_hold_every_token_once(tokenizer: PreTrainedTokenizerFast) -> None:
    windows, groups = corpus_windows(tokenizer, TEXTS, 15)
    for group in ("even", "odd"):
        ids = [
            token
            for number, of in enumerate(groups)
            if of == group
            for token in windows.of(number).tolist()
        ]
        texts = [text["text"] for text in TEXTS if text["group"] == group]
        assert tokenizer.decode(ids) == "\n\n".join(texts)
    assert windows.lengths.max() == 15
    assert windows.lengths.min() > 1


def test_without_windows_there_is_no_perplexity_of_them(
    record: dict[str, Any], tmp_path: Path
) -> None:
    found = spectra_of(record, tmp_path / "dump")
    assert np.isnan(ppl_windows(found, "odd")).all()
    assert not len(found.window_losses)
