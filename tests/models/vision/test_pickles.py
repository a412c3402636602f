"""Pickles of weights: read, or refused without running their code, and their keys compared."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

import small_minigpt_v2 as small
from matrix_entropy.base.errors import InputError
from matrix_entropy.models.vision.pickles import compare_keys, read_pickle


class Harmful:
    """An object whose unpickling makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


class TestPickles:
    @pytest.mark.parametrize("newer", [True, False])
    def test_both_formats_of_torch(self, tmp_path: Path, newer: bool) -> None:
        weights = small.eva_weights()
        torch.save(weights, tmp_path / "w.pth", _use_new_zipfile_serialization=newer)
        found = read_pickle(tmp_path / "w.pth")
        assert list(found) == list(weights)
        assert all(torch.equal(found[key], weights[key]) for key in weights)

    def test_larger_than_the_memory(self, tmp_path: Path) -> None:
        """A file of holes, which take no room on disk; where the system counts, it is refused."""
        path = tmp_path / "w.bin"
        memory = psutil.virtual_memory().total + psutil.swap_memory().total
        weights = {str(i): torch.empty(2**28) for i in range(memory // 2**30 + 1)}
        with torch.serialization.skip_data():
            torch.save(weights, path)
        del weights
        if path.stat().st_blocks * 512 > 2**20:
            pytest.skip("this file system has no holes")
        before = torch.UntypedStorage.from_file
        found = read_pickle(path)
        assert torch.UntypedStorage.from_file is before
        assert path.stat().st_size > memory
        last = list(found.values())[-1]
        last[0] = 1  # in memory alone
        assert last[:2].tolist() == [1, 0]
        assert list(read_pickle(path).values())[-1][0] == 0

    @pytest.mark.parametrize("newer", [True, False])
    def test_code_is_refused_and_not_run(self, tmp_path: Path, newer: bool) -> None:
        made = tmp_path / "made"
        stored = {"model": small.trained_weights(), "config": Harmful(made)}
        torch.save(stored, tmp_path / "w.pth", _use_new_zipfile_serialization=newer)
        with pytest.raises(InputError, match=r"w\.pth cannot be read without running code"):
            read_pickle(tmp_path / "w.pth", "model")
        assert not made.exists()
        # The file is one that an ordinary reader would have been harmed by.
        torch.load(tmp_path / "w.pth", weights_only=False)
        assert made.is_dir()

    def test_no_file_no_pickle_no_weights(self, tmp_path: Path) -> None:
        path = tmp_path / "w.pth"
        with pytest.raises(InputError, match="is not there"):
            read_pickle(path)
        path.write_bytes(b"<html>too many downloads</html>")
        with pytest.raises(InputError, match="cannot be read without running code"):
            read_pickle(path)
        for stored in ({"weights": {}}, {"model": {"a": 1}}, [torch.ones(2)]):
            torch.save(stored, path)
            with pytest.raises(InputError, match="has no weights under 'model'"):
                read_pickle(path, "model")


class TestKeys:
    def test_all_of_them_in_any_order(self) -> None:
        compare_keys(Path("w.pth"), ["b", "a"], ["a", "b"])

    def test_those_that_are_missing_are_named_in_the_order_expected(self) -> None:
        with pytest.raises(InputError) as raised:
            compare_keys(Path("w.pth"), ["c", "x"], ["e", "d", "c", "b", "a"])
        assert str(raised.value) == (
            "w.pth lacks 4 of the 5 weights that are read from it (e, d, b, …); is it the authors' "
            "file, and whole?"
        )

    def test_those_that_are_not_known_are_named(self) -> None:
        with pytest.raises(InputError) as raised:
            compare_keys(Path("w.pth"), ["a", "y", "x"], ["a"])
        assert str(raised.value) == (
            "w.pth has 2 weights that this conversion does not know (y, x), so the model would not "
            "be the authors'; is it their file?"
        )
