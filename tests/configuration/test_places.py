"""Places in which the workflow cannot work: one sentence before anything is planned."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands import snakemake
from matrix_entropy.base.errors import InputError
from matrix_entropy.configuration.input_paths import check_places


@pytest.mark.parametrize("name", ["results", "figures"])
def test_a_file_in_the_place_of_a_folder(name: str, tmp_path: Path) -> None:
    check_places(Path("/repository"), tmp_path)
    (tmp_path / name).mkdir()
    check_places(Path("/repository"), tmp_path)
    (tmp_path / name).rmdir()
    (tmp_path / name).write_text("")
    with pytest.raises(InputError, match=rf"{name} is a file, .* move it"):
        check_places(Path("/repository"), tmp_path)


def test_a_repository_whose_path_has_braces(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"/a\{x\}/b, has braces"):
        check_places(Path("/a{x}/b"), tmp_path)


def test_the_command_says_it(root: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text((root / "miniature/config.yaml").read_text())
    (tmp_path / "results").write_text("")
    done = snakemake(root, "-n", "--directory", str(tmp_path))
    assert done.returncode != 0
    assert "is a file, but results go into a folder" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
