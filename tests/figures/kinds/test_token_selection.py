"""Lasso against its optimality conditions and closed forms; tokens found, weighed and listed."""

from __future__ import annotations

import itertools
import logging
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix_entropy.base.errors import InputError
from matrix_entropy.figures.kinds import token_selection
from matrix_entropy.figures.kinds.token_selection import (
    PUBLISHED_COLUMN,
    find_token,
    lasso_weights,
    literal_alpha,
    occurrences,
    published_picks,
    selection_table,
    token_weights,
)
from matrix_entropy.published.curves import TOKENS
from matrix_entropy.results.sentences_file import Sentences
from matrix_entropy.tables.writing import write_text_table

SENTENCE = (
    "Is London the capital of UK? Yes. Is Moscow the capital of Russia? Yes. "
    "Is Paris the capital of France? Yes. Is Beijing the capital of China? No"
)
CAPITALS = re.findall(r" Ch| ?\w+|[?.]", SENTENCE)  # China in two tokens
SETTINGS = {
    "layer": "final",
    "attention_block": "last",
    "alpha": 1e-4,
    "penalty": 1e-4,
    "threshold": 0.01,
}


def made_sentences(
    *tokens: list[str],
    width: int = 64,
    stand_in: bool = False,
    model: str = "pythia_1_4b",
    bos: bool = False,
) -> Sentences:
    """Sentences of random states that resemble each other, and of random causal attention."""
    random = np.random.default_rng(0)
    lengths = [len(words) for words in tokens]
    rows = sum(lengths)
    states = random.standard_normal(width) + random.standard_normal((rows, width))
    attention = []
    for length in lengths:
        weights = np.tril(random.exponential(size=(3, length, length)))
        attention.append((weights / weights.sum(axis=2, keepdims=True)).reshape(3, -1))
    ends = [np.cumsum(list(map(len, words))) for words in tokens]
    starts = [end - list(map(len, words)) for end, words in zip(ends, tokens, strict=True)]
    record = {"model": model, "id": model, "stand_in": stand_in, "parameters": 1_234_567}
    return Sentences(
        ids=np.array([str(number) for number in range(len(tokens))]),
        groups=np.array(["capitals"] * len(tokens)),
        labels=np.array([""] * len(tokens)),
        texts=np.array(["".join(words) for words in tokens]),
        offsets=np.cumsum([0, *lengths]),
        tokens=np.array([word for words in tokens for word in words]),
        spans=np.stack([np.concatenate(starts), np.concatenate(ends)], axis=1),
        layers=("4", "final"),
        states=np.stack([random.standard_normal((rows, width)), states]).astype(np.float32),
        attention=np.concatenate(attention, axis=1).astype(np.float32),
        provenance={"model": record, "options": {"bos": bos}},
    )


def unit_problem(tokens: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows near a common direction, and one more such row."""
    random = np.random.default_rng(seed)
    rows = random.standard_normal(width) + random.standard_normal((tokens + 1, width))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows[:-1], rows[-1]


# Lasso


@pytest.mark.parametrize(("tokens", "width"), [(1, 16), (12, 64), (40, 256), (50, 32)])
@pytest.mark.parametrize("alpha", [1e-3, 1e-4, 1e-6])
def test_weights_meet_the_conditions_of_optimality(tokens: int, width: int, alpha: float) -> None:
    """Zero is in the subgradient: Z(z − Zᵀβ)/d is alpha · sign β, or within ± alpha at β = 0."""
    rows, token = unit_problem(tokens, width)
    weights = lasso_weights(rows, token, alpha)
    gradient = rows @ (token - weights @ rows) / width
    chosen = weights != 0
    np.testing.assert_allclose(gradient[chosen], alpha * np.sign(weights[chosen]), rtol=1e-3)
    assert (np.abs(gradient[~chosen]) <= alpha * 1.001).all()


def test_weights_are_those_of_plain_coordinate_descent() -> None:
    rows, token = unit_problem(12, 48)
    alpha, weights = 2e-4, np.zeros(12)
    for _ in range(20_000):
        for place, row in enumerate(rows):
            along = row @ (token - weights @ rows) + weights[place]
            weights[place] = np.sign(along) * max(abs(along) - alpha * 48, 0)
    assert 0 < (weights == 0).sum() < 12, "some are left out, some are not"
    np.testing.assert_allclose(lasso_weights(rows, token, alpha), weights, atol=1e-6)


@pytest.mark.parametrize("alpha", [1e-5, 5e-4, 2e-3])
def test_orthonormal_tokens_have_soft_thresholds(alpha: float) -> None:
    random = np.random.default_rng(1)
    rows = np.linalg.qr(random.standard_normal((64, 10)))[0].T
    token = random.standard_normal(64)
    along = rows @ token / np.linalg.norm(token)
    expected = np.sign(along) * np.maximum(np.abs(along) - 64 * alpha, 0)
    np.testing.assert_allclose(lasso_weights(rows, token, alpha), expected, atol=1e-9)


def test_rows_count_by_their_direction() -> None:
    rows, token = unit_problem(8, 32)
    lengths = np.geomspace(0.01, 100, 8)[:, None]
    scaled = lasso_weights((lengths * rows), 7 * token, 1e-3)
    np.testing.assert_allclose(scaled, lasso_weights(rows, token, 1e-3), atol=1e-9)


def test_the_literal_penalty_is_that_of_the_papers_objective() -> None:
    """Half its gradient, Z(z − Zᵀβ), is λ/2 · sign β wherever a weight is not zero."""
    rows, token = unit_problem(20, 128)
    penalty = 0.1
    weights = lasso_weights(rows, token, literal_alpha(penalty, 128))
    gradient = 2 * rows @ (token - weights @ rows)
    chosen = weights != 0
    assert 0 < chosen.sum() < 20
    np.testing.assert_allclose(gradient[chosen], penalty * np.sign(weights[chosen]), rtol=1e-4)
    assert (np.abs(gradient[~chosen]) <= penalty * 1.0001).all()


def test_which_penalty_is_sparse_is_a_matter_of_the_states() -> None:
    """Neither is on states near a common direction; the literal one is where two tokens suffice."""
    rows, token = unit_problem(40, 2048)
    literal = lasso_weights(rows, token, literal_alpha(1e-4, 2048))
    alpha = lasso_weights(rows, token, 1e-4)
    assert (literal != 0).all()
    # Above the paper's threshold: most, where the paper lists two to five.
    assert [int((np.abs(weights) > 0.01).sum()) for weights in (literal, alpha)] == [32, 21]
    both = rows[3] + 0.8 * rows[17]
    picked = lasso_weights(rows, both, literal_alpha(1e-4, 2048))
    assert np.flatnonzero(picked).tolist() == [3, 17]
    least_squares = np.linalg.lstsq(rows.T, token, rcond=None)[0]
    np.testing.assert_allclose(literal, least_squares, atol=1e-3)


def test_a_large_penalty_leaves_out_everything() -> None:
    rows, token = unit_problem(5, 32)
    limit = np.abs(rows @ token).max() / 32
    assert (lasso_weights(rows, token, 1.001 * limit) == 0).all()
    assert (lasso_weights(rows, token, 0.99 * limit) != 0).sum() == 1


def test_a_regression_without_end_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rows, token = unit_problem(30, 64)
    lasso_weights(rows, token, 1e-6)
    assert caplog.records == []
    monkeypatch.setattr(token_selection, "MOST_STEPS", 2)
    lasso_weights(rows, token, 1e-6)
    assert "of 30 tokens with alpha 1.00e-06 has not converged after 2 steps" in caplog.text


@pytest.mark.parametrize(("bad", "told"), [(0.0, "zero"), (np.nan, "not finite")])
def test_a_state_without_a_direction_is_named(bad: float, told: str) -> None:
    rows, token = unit_problem(5, 32)
    rows[3] = bad
    with pytest.raises(InputError, match=rf"token 3 \(counted from 0\) is {told}, so no direction"):
        lasso_weights(rows, token, 1e-4)
    with pytest.raises(InputError, match=rf"token 3 \(counted from 0\) is {told}, so no direction"):
        lasso_weights(rows[:3], rows[3], 1e-4)
    sentences = made_sentences(["a", "b"], ["c", "d", "e"])
    sentences.states[1, 3] = bad
    with pytest.raises(InputError, match=rf"sentence '1', layer final: .* token 1 .* is {told}"):
        token_weights(sentences, 1, ["e"], **SETTINGS)


# Tokens


@pytest.mark.parametrize(
    ("wanted", "rows"),
    [
        ("No", [35]),
        (" No ", [35]),
        ("?", [6, 15, 24, 34]),
        ("China", [33]),
        ("ina", [33]),
        ("Yes.", [8, 17, 26]),
        ("capital of", [4, 13, 22, 31]),
        ("Is", [0, 9, 18, 27]),
    ],
)
def test_a_token_or_word_is_found(wanted: str, rows: list[int]) -> None:
    assert find_token(made_sentences(CAPITALS), 0, wanted) == (wanted.strip(), rows)


def test_a_word_is_sought_in_its_own_sentence() -> None:
    sentences = made_sentences(["Oh", ",", " No", " No"], ["Oh", " No", "?"])
    assert find_token(sentences, 0, "No") == ("No", [2, 3])
    assert find_token(sentences, 1, "No") == ("No", [1])


def found(tokens: list[str], word: str) -> list[int]:
    sentences = made_sentences(tokens)
    return occurrences(str(sentences.texts[0]), sentences.spans, word)


def test_white_space_in_tokens_of_its_own_does_not_count() -> None:
    assert found(["The", " ", "cat", " ", "\n", "sat"], "cat") == [2]
    assert found(["The", " ", "cat", " ", "\n", "sat"], "cat \nsat") == [5]
    assert found(["", "A", "B", "C"], "AB") == [2], "a beginning-of-sequence row covers nothing"
    assert found(["", "A", "B", "C"], "") == []


def test_pieces_of_longer_words_count_only_where_there_are_no_words() -> None:
    tokens = ["No", "rway", "?", " No", ".", " No", "rway", "2"]
    assert found(tokens, "No") == [3]
    assert found(tokens, "Norway") == [1]
    assert found(tokens, "rway") == [1, 6]
    assert found(tokens, "2") == [7]
    assert found([*tokens[:3], *tokens[5:]], "No") == [0, 3]
    assert found(["(", "No", ")", "-", "No", "'"], "No") == [1, 4]


def test_a_token_that_reaches_beyond_a_word_is_no_part_of_it() -> None:
    """Byte pieces: of 日 two bytes, then its third with the first of 本, then the rest of 本."""
    spans = np.array([[0, 1], [0, 2], [1, 2]])
    assert occurrences("日本", spans, "日本") == [2]
    assert occurrences("日本", spans, "日") == occurrences("日本", spans, "本") == []


@given(
    tokens=st.lists(st.text("ab .", min_size=1, max_size=4), min_size=1, max_size=9), data=st.data()
)
def test_words_are_those_that_joined_tokens_spell(tokens: list[str], data: st.DataObject) -> None:
    places = range(len(tokens))
    first, last = sorted(data.draw(st.tuples(*[st.sampled_from(places)] * 2)))
    word = "".join(tokens[first : last + 1]).strip()
    whole, inside = set(), set()
    for start, end in itertools.combinations_with_replacement(places, 2):
        if word and tokens[end].strip() and "".join(tokens[start : end + 1]).strip() == word:
            before, after = "".join(tokens[:start]), "".join(tokens[end + 1 :])
            said = "".join(tokens[start : end + 1])
            joined = re.search(r"[ab]$", before) and re.match(r"[ab]", said)
            joined = joined or (re.search(r"[ab]$", said) and re.match(r"[ab]", after))
            (inside if joined else whole).add(end)
    assert found(tokens, word) == sorted(whole or inside)


def test_brackets_around_a_token_may_be_those_of_the_paper() -> None:
    assert find_token(made_sentences(["Oh", " No"]), 0, "[No]") == ("No", [1])
    assert find_token(made_sentences(["Oh", " No"]), 0, " [ No ] ") == ("No", [1])
    bracketed = made_sentences(["Oh", " No", " [", "No", "]", " No"])
    assert find_token(bracketed, 0, "[No]") == ("[No]", [4])
    assert find_token(bracketed, 0, "No") == ("No", [1, 3, 5])


@pytest.mark.parametrize("wanted", ["Spain", "Chi", "hina", "no", "China No", ".", "[]", "[no]"])
def test_a_token_that_is_not_there_is_said(wanted: str) -> None:
    tokens = [token for token in CAPITALS if token != "."]
    with pytest.raises(InputError, match=r"sentence '0' has no token '.*', but \[Is\] \[London"):
        find_token(made_sentences(tokens), 0, wanted)


def test_white_space_is_visible_where_tokens_are_listed() -> None:
    with pytest.raises(InputError, match=r"but \[A\] \[␣\] \[cat\] \[↵\]; correct"):
        find_token(made_sentences(["A", "  ", "cat", " \n"]), 0, "dog")


def test_the_first_token_has_none_before_it() -> None:
    with pytest.raises(InputError, match="'Is' is the first of sentence '0' and has none"):
        find_token(made_sentences(["Is", " it", "?"]), 0, "Is")
    assert find_token(made_sentences(["Lon", "don", "?"]), 0, "London") == ("London", [1])


# Weights of a sentence


def test_weights_are_attention_and_regression_of_the_row() -> None:
    sentences = made_sentences(["A", " cat", "."], CAPITALS)
    weights = token_weights(sentences, 1, ["?", "China"], **SETTINGS)
    assert len(weights) == 2 * 36
    assert weights["sentence"].unique().tolist() == ["1"]
    part = weights[weights["target"] == "?"].reset_index(drop=True)
    assert part["token"].tolist() == CAPITALS
    assert part["position"].tolist() == list(range(36))
    assert part[["target_position", "occurrence"]].drop_duplicates().to_numpy().tolist() == [
        [34, "4 of 4"]
    ]
    attention = sentences.attention_of(1, 3)[34]
    assert attention[:35].sum() == pytest.approx(1)
    np.testing.assert_array_equal(part["attention"][:35], attention[:35])
    states = sentences.states[1, 3:].astype(np.float64)
    for column, alpha in (("lasso", 1e-4), ("lasso_literal", 1e-4 / 128)):
        np.testing.assert_allclose(
            part[column][:34], lasso_weights(states[:34], states[34], alpha), atol=1e-12
        )
        assert part[column][34:].isna().all()
    assert part["attention"].isna().tolist() == [False] * 35 + [True]


def test_layer_and_block_are_those_asked_for() -> None:
    sentences = made_sentences(CAPITALS)
    last = token_weights(sentences, 0, ["No"], **SETTINGS)
    other = token_weights(sentences, 0, ["No"], **SETTINGS | {"layer": 4, "attention_block": 1})
    np.testing.assert_array_equal(other["attention"], sentences.attention_of(0, 1)[35])
    assert not last["lasso_literal"].equals(other["lasso_literal"])
    same = token_weights(sentences, 0, ["No"], **SETTINGS | {"attention_block": 3})
    pd.testing.assert_frame_equal(last, same)


def test_every_row_says_what_made_it() -> None:
    sentences = made_sentences(CAPITALS, stand_in=True)
    weights = token_weights(sentences, 0, ["No", "?"], **SETTINGS | {"layer": 4, "threshold": 0.5})
    made = ["model", "stand_in", "layer", "attention_block", "alpha", "penalty", "threshold"]
    assert weights[made].drop_duplicates().to_numpy().tolist() == [
        ["pythia_1_4b", True, 4, 3, 1e-4, 1e-4, 0.5]
    ]


def test_what_is_asked_for_twice_is_weighed_once() -> None:
    weights = token_weights(made_sentences(CAPITALS), 0, ["No", "[No]", " No"], **SETTINGS)
    pd.testing.assert_frame_equal(
        weights, token_weights(made_sentences(CAPITALS), 0, ["No"], **SETTINGS)
    )
    assert set(weights["target"]) == {"No"}


def test_a_pick_exceeds_the_threshold_and_is_not_the_token_itself() -> None:
    sentences = made_sentences(["a", "b", "c", "d"], width=4)
    sentences.attention[2].reshape(4, 4)[3] = [0.25, 0.125, 0.26, 0.365]
    states = sentences.states[1]
    states[:3], states[3] = np.eye(3, 4), [0.3, -2.0, 1.0, 0.5]
    weights = token_weights(sentences, 0, ["d"], **SETTINGS | {"threshold": 0.25})
    assert weights["picked_attention"].tolist() == [False, False, True, False]
    assert weights["lasso"][1] < -0.25, "a weight below zero is no pick"
    assert weights["picked_lasso"].tolist() == [False, False, True, False]
    assert weights["picked_literal"].tolist() == [False, False, True, False]


def test_several_occurrences_are_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    # A handler of its own: what others in this process have done to the root logger is theirs.
    logger, records = logging.getLogger("matrix_entropy"), list[logging.LogRecord]()
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", records.append)
    monkeypatch.setattr(logger, "handlers", [handler])
    logger.setLevel(logging.INFO)
    token_weights(made_sentences(CAPITALS), 0, ["No", "Yes"], **SETTINGS)
    assert [record.getMessage() for record in records] == [
        "[Yes] of sentence '0': the last of 3 taken"
    ]


@pytest.mark.parametrize(
    ("setting", "message"),
    [({"layer": 3}, "layer 3 .* was not kept"), ({"attention_block": 4}, "blocks 1 to 3")],
)
def test_a_layer_or_block_that_is_not_there_is_said(setting: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        token_weights(made_sentences(CAPITALS), 0, ["No"], **SETTINGS | setting)


# What the paper prints


def test_published_picks_are_those_of_the_papers_sentence() -> None:
    picks = published_picks(made_sentences(["A", " cat"], CAPITALS))
    lists = picks.groupby(["sentence", "target", "method"], sort=False)["picks"].agg(" ".join)
    assert lists.to_dict() == {
        ("1", "No", "attention"): "Is , ?",
        ("1", "No", "lasso"): "Yes Yes",
        ("1", "?", "attention"): "Is , ? , , of ?",
        ("1", "?", "lasso"): "? ?",
        ("1", "China", "attention"): "Is of capital , Beijing",
        ("1", "China", "lasso"): "Russia France Beijing of capital",
    }
    assert published_picks(made_sentences(["A", " cat"])).empty


def test_published_picks_but_for_commas_stand_before_their_target() -> None:
    printed = pd.read_csv(TOKENS)
    words = SENTENCE.replace("?", " ?").replace(".", " .").split()
    for pick in printed.itertuples():
        assert pick.sentence == SENTENCE
        before = words[: len(words) - words[::-1].index(pick.target) - 1]
        assert (pick.picks in before) == (pick.picks != ",")
    assert (printed["picks"] == ",").sum() == 5


def test_the_readme_counts_the_picks(root: Path) -> None:
    readme = (root / "paper" / "published.md").read_text(encoding="utf-8")
    printed = pd.read_csv(TOKENS)
    lists = printed.groupby(["target", "method"]).ngroups
    assert f"{len(printed)} picks in {lists} lists" in readme
    assert "Five of the picks are commas" in readme
    for column in printed:
        assert f"| `{column}` |" in readme


# The table


def weights_of(picks: dict[str, list[float]], sentence: str = "0") -> pd.DataFrame:
    """Made-up weights of a target behind so many tokens, by method."""
    length = len(picks["attention"])
    weights = pd.DataFrame(
        {
            "sentence": sentence,
            "target": "No",
            "target_position": length,
            "occurrence": "1 of 1",
            "position": range(length + 1),
            "token": [f" {chr(97 + number)}" for number in range(length)] + [" No"],
        }
    )
    for method, picked in token_selection.PICKED.items():
        weights[method] = [*picks[method], np.nan]
        weights[picked] = weights[method] > 0.01
    return weights


def test_picks_are_listed_by_weight_and_counted_if_many() -> None:
    weights = weights_of(
        {
            "attention": [0.02, 0.5, 0.01, 0.0, 0.3, 0.02, 0, 0, 0, 0],
            "lasso": [0.02] * 9 + [-1],
            "lasso_literal": [0.02] * 10,
        }
    )
    table = selection_table(weights, published_picks(made_sentences(["A"])))
    eight = " ".join(f"[{letter}]" for letter in "abcdefgh")
    assert table.columns.tolist() == ["token", "occurrence", "weights", "picked"]
    assert table.to_numpy().tolist() == [
        ["[No]", "1 of 1", "attention", "[b] [e] [a] [f]"],
        ["[No]", "1 of 1", "Lasso", f"{eight} ... (9 of 10)"],
        ["[No]", "1 of 1", "literal Lasso", f"{eight} ... (10 of 10)"],
    ]
    weights["token"] = weights["token"].replace({" b": " ", " e": "\n"})
    table = selection_table(weights, published_picks(made_sentences(["A"])))
    assert table["picked"][0] == "[␣] [↵] [a] [f]"
    weights["picked_lasso"] = False
    table = selection_table(weights, published_picks(made_sentences(["A"])))
    assert table["picked"][1] == "–"


def test_published_picks_stand_beside_those_of_their_sentence_only() -> None:
    weights = [
        weights_of({name: [0.5] for name in token_selection.METHODS}, sentence) for sentence in "01"
    ]
    published = published_picks(made_sentences(["A", " cat"], CAPITALS))
    table = selection_table(pd.concat(weights), published)
    assert table["sentence"].tolist() == ["0"] * 3 + ["1"] * 3
    assert PUBLISHED_COLUMN == "published (Pythia-1.4B)"
    assert table[PUBLISHED_COLUMN].tolist() == [*["–"] * 3, "[Is] [,] [?]", *["[Yes] [Yes]"] * 2]


def test_the_table_of_the_papers_sentence_is_the_same_bytes_twice(tmp_path: Path) -> None:
    sentences = made_sentences(CAPITALS)
    for name in ("first", "second"):
        weights = token_weights(sentences, 0, ["No", "?", "China"], **SETTINGS)
        table = selection_table(weights, published_picks(sentences))
        assert len(table) == 9
        paths = [tmp_path / name / f"table.{ending}" for ending in ("csv", "md", "tex")]
        write_text_table(table, paths, "Tokens picked.")
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()
    markdown = (tmp_path / "first" / "table.md").read_text()
    assert r"\[Is\] \[,\] \[?\] \[,\] \[,\] \[of\] \[?\]" in markdown
