"""The information gains of a data set: every text alone, cut to one length, whole or in shards."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import read_json, write_json
from matrix_entropy.maths.information_gain import cholesky_diagonal, kernel_matrix
from matrix_entropy.results.gain_file import Gains, compute_gains, gathered_gains

LENGTHS = [20, 7, 31, 20, 19, 45]
GROUPS = ["harmless", "harmless", "harmless", "helpful", "helpful", "helpful"]
WIDTH, NOISE = 12, 0.1


def write_states(folder: Path, texts: slice, shard: tuple[int, int]) -> Path:
    """Random hidden states of some of the texts in the files that a dump writes."""
    folder.mkdir()
    numbers = range(len(LENGTHS))[texts]
    for layer, seed in ((1, 10), ("final", 20)):
        rows = [
            np.random.default_rng(seed + number).standard_normal((LENGTHS[number], WIDTH))
            for number in numbers
        ]
        np.save(folder / f"layer_{layer}.npy", np.concatenate(rows).astype(np.float32))
    np.savez(
        folder / "tokens.npz",
        ids=np.array([f"text {number}" for number in numbers]),
        groups=np.array(GROUPS[texts]),
        offsets=np.cumsum([0, *LENGTHS[texts]]),
        truncated=np.zeros(len(numbers), dtype=bool),
    )
    provenance = {
        "model": {"model": "small"},
        "dataset": {"name": "hh"},
        "texts_left_out": 0,
        "tokens": sum(LENGTHS[texts]),
        "truncated_texts": 0,
        "shard": list(shard),
    }
    write_json(folder / "provenance.json", provenance)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_states(tmp_path / "states", slice(0, 6), (1, 1))


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    cuts = [slice(0, 2), slice(2, 5), slice(5, 6)]
    return [
        write_states(tmp_path / f"shard_{number}", cut, (number, 3))
        for number, cut in enumerate(cuts, start=1)
    ]


def compute(folder: Path, tokens: int = 20, **options: Any) -> Gains:
    chosen: dict[str, Any] = {"layer": "final", "noise": NOISE, "kernel": "cosine", **options}
    return compute_gains(folder, tokens=tokens, **chosen)


def assert_same(first: Gains, second: Gains) -> None:
    for name, value in vars(first).items():
        np.testing.assert_array_equal(getattr(second, name), value, err_msg=name)
        assert type(getattr(second, name)) is type(value), name


@pytest.mark.parametrize("kernel", ["cosine", "linear", "centred_cosine"])
@pytest.mark.parametrize("layer", [1, "final"])
def test_every_diagonal_is_that_of_the_first_rows(
    folder: Path, layer: int | str, kernel: str
) -> None:
    gains = compute(folder, layer=layer, kernel=kernel)
    assert gains.ids.tolist() == ["text 0", "text 2", "text 3", "text 5"]
    assert gains.groups.tolist() == ["harmless", "harmless", "helpful", "helpful"]
    states, starts = np.load(folder / f"layer_{layer}.npy"), np.cumsum([0, *LENGTHS])
    for diagonal, text in zip(gains.diagonals, (0, 2, 3, 5), strict=True):
        rows = states[starts[text] : starts[text] + 20]
        np.testing.assert_array_equal(
            diagonal, cholesky_diagonal(kernel_matrix(rows, kernel), NOISE)
        )
    assert gains.diagonals.dtype == np.float64
    assert (gains.left_out, gains.longest, gains.longest_id) == (2, 19, "text 4")
    assert (gains.tokens, gains.width, gains.noise) == (20, WIDTH, NOISE)
    assert (gains.layer, gains.kernel, gains.group) == (str(layer), kernel, "")
    assert gains.provenance == read_json(folder / "provenance.json")


def test_a_group_is_counted_alone(folder: Path) -> None:
    gains = compute(folder, group="harmless")
    assert gains.ids.tolist() == ["text 0", "text 2"]
    assert (gains.left_out, gains.longest_id, gains.group) == (1, "text 1", "harmless")


def test_threads_change_nothing(folder: Path) -> None:
    assert_same(compute(folder, 7, threads=3), compute(folder, 7))


def test_the_file_gives_back_what_was_saved(folder: Path, tmp_path: Path) -> None:
    for gains in (compute(folder), compute(folder, group="helpful")):
        gains.save(tmp_path / "gains.npz")
        assert_same(gains, Gains.load(tmp_path / "gains.npz"))
        gains.save(tmp_path / "again.npz")
        assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "gains.npz").read_bytes()


def test_a_damaged_file_is_named(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "gains.npz"
    compute(folder).save(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"gains\.npz is damaged .* delete it and run again"):
        Gains.load(path)


@pytest.mark.parametrize("group", [None, "helpful"])
def test_shards_have_the_gains_of_the_whole(
    folder: Path, shards: list[Path], tmp_path: Path, group: str | None
) -> None:
    """Of the first shard no text is long enough, nor, of its group, at hand."""
    parts = [compute(shard, 21, group=group) for shard in shards]
    assert len(parts[0].ids) == 0
    parts[0].save(tmp_path / "empty.npz")
    assert_same(parts[0], Gains.load(tmp_path / "empty.npz"))
    assert_same(gathered_gains(parts), compute(folder, 21, group=group))


def test_texts_that_are_all_too_short_are_said(folder: Path, shards: list[Path]) -> None:
    message = "small on hh: no text has 46 tokens, the longest, 'text 5', has 45; lower `tokens:`"
    with pytest.raises(InputError, match=message):
        compute(folder, 46)
    with pytest.raises(InputError, match=message):
        gathered_gains([compute(shard, 46) for shard in shards])


def test_an_unknown_group_is_said(folder: Path, shards: list[Path]) -> None:
    message = "small on hh has no group 'honest'; set `group:` to one of harmless, helpful"
    with pytest.raises(InputError, match=message):
        compute(folder, group="honest")
    with pytest.raises(InputError, match=message):
        gathered_gains([compute(shard, group="honest") for shard in shards])


def test_shards_that_do_not_belong_together_are_said(shards: list[Path]) -> None:
    first, second, third = (compute(shard) for shard in shards)
    with pytest.raises(InputError, match=r"shard 2 of 3 is missing, 3/3 stands in its place"):
        gathered_gains([first, third, second])
    with pytest.raises(InputError, match="shard 1 of 1 is missing, 1/3 stands"):
        gathered_gains([first])
    other = second.provenance | {"model": {"model": "large"}}
    for changed in (
        replace(second, noise=0.2),
        replace(second, kernel="linear"),
        replace(second, layer="1"),
        replace(second, group="helpful"),
        replace(second, provenance=other),
        compute(shards[1], 7),
    ):
        with pytest.raises(InputError, match="small on hh: its shards come from different models"):
            gathered_gains([first, changed, third])


@pytest.mark.parametrize("name", ["tokens.npz", "provenance.json", "layer_final.npy"])
def test_a_damaged_folder_is_named(folder: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(folder, tmp_path / "broken")
    path = tmp_path / "broken" / name
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(InputError, match=r"broken.* damaged .* delete .* and run again"):
        compute(tmp_path / "broken")


def test_a_layer_that_the_model_does_not_have(folder: Path) -> None:
    path = folder / "provenance.json"
    for extract, told in (("all", "architecture has no normalisation"), ([0], "add it to `extr")):
        kept = {"layers": [0], "options": {"extract": extract}}
        write_json(path, read_json(path) | kept)
        with pytest.raises(InputError, match=f"model 'small' .*{told}"):
            compute(folder)


def test_states_that_do_not_fit_their_tokens_are_named(folder: Path) -> None:
    np.save(folder / "layer_final.npy", np.zeros((10, WIDTH), dtype=np.float32))
    with pytest.raises(InputError, match=r"layer_final\.npy has 10 rows, but tokens\.npz lists"):
        compute(folder)


def test_a_text_that_has_no_gain_is_named(folder: Path) -> None:
    states = np.load(folder / "layer_final.npy")
    states[LENGTHS[0] + LENGTHS[1] + 4] = 0
    np.save(folder / "layer_final.npy", states)
    with pytest.raises(InputError, match=r"states, text 'text 2': the state of token 5 is zero"):
        compute(folder)
    with pytest.raises(InputError, match=r"needs two tokens, not 1; raise `tokens:`"):
        compute(folder, 1)
