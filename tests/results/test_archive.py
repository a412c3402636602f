"""Archives: the same bytes from the same input, everything back, and every damage told."""

from __future__ import annotations

import json
import random
import stat
from collections.abc import Callable
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import sha256
from matrix_entropy.results import archive as module
from matrix_entropy.results.archive import MANIFEST, manifest_of, pack, unpack
from matrix_entropy.results.archived_results import archived_sources, files_to_archive

CONFIGURATION = {"models": {"b": {"width": 8}, "a": {"title": "É"}}}
CONTENTS = {
    "results/spectra/m/d.npz": b"\x00\x01" * 5000,
    "results/metrics/m/d.parquet": b"PAR1" * 100,
    "results/empty.json": b"",
    "figures/a b.csv": "é,1\n".encode(),
}

many = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
names = st.lists(
    st.text("abAB01 .-_é", min_size=1, max_size=6).filter(lambda part: part.strip(".")),
    min_size=1,
    max_size=3,
).map("/".join)
trees = st.dictionaries(names, st.binary(max_size=300), max_size=5).filter(
    lambda tree: (
        not any(one != other and other.startswith(one + "/") for one in tree for other in tree)
        and MANIFEST not in tree
    )
)


def written(folder: Path, contents: dict[str, bytes] = CONTENTS) -> Path:
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def files_under(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file() or path.is_symlink()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    pack(CONTENTS, written(tmp_path / "from"), tmp_path / "results.zip", CONFIGURATION)
    return tmp_path / "results.zip"


# There and back


def test_everything_comes_back(packed: Path, tmp_path: Path) -> None:
    targets = unpack(packed, None, tmp_path / "to")
    assert files_under(tmp_path / "to") == CONTENTS
    assert sorted(targets) == sorted(tmp_path / "to" / name for name in CONTENTS)


def test_of_metrics_the_ranks_of_many_texts_are_sources(tmp_path: Path) -> None:
    """Others follow from spectra; of these, the vectors that they come from are in no archive."""
    names = ["m/d.parquet", "m/d.summary.csv", "m/d.texts.csv"]
    made = written(tmp_path, {f"results/metrics/{name}": b"1" for name in names})
    made = written(made, {"results/spectra/m/d.npz": b"1", "results/pooled/m/d.npz": b"1"})
    files = files_to_archive(made)
    assert "results/pooled/m/d.npz" not in files
    pack(files, made, tmp_path / "a.zip", {"models": {}, "datasets": {}})
    sources = archived_sources(tmp_path / "a.zip", {"models": {}, "datasets": {}})
    assert sorted(sources) == ["results/metrics/m/d.texts.csv", "results/spectra/m/d.npz"]


def test_one_file_comes_alone(packed: Path, tmp_path: Path) -> None:
    (name, content), *_ = CONTENTS.items()
    assert unpack(packed, [name], tmp_path / "to") == [tmp_path / "to" / name]
    assert files_under(tmp_path / "to") == {name: content}


@many
@given(tree=trees)
def test_any_tree_comes_back(tmp_path_factory: pytest.TempPathFactory, tree: dict) -> None:
    folder = tmp_path_factory.mktemp("tree")
    contents = {f"x/{name}": content for name, content in tree.items()}
    pack(contents, written(folder / "from", contents), folder / "a.zip", {})
    unpack(folder / "a.zip", None, folder / "to")
    assert files_under(folder / "to") == contents if contents else not (folder / "to").exists()


def test_the_manifest_says_what_is_in_it_and_what_made_it(packed: Path, tmp_path: Path) -> None:
    manifest = manifest_of(packed)
    assert [file["path"] for file in manifest["files"]] == sorted(CONTENTS)
    for file in manifest["files"]:
        assert file["bytes"] == len(CONTENTS[file["path"]])
        assert file["sha256"] == sha256(tmp_path / "from" / file["path"])
    assert list(manifest["configuration"]["models"]) == ["b", "a"], "figures follow this order"
    assert manifest["configuration"] == CONFIGURATION
    assert {"python", "matrix_entropy", "numpy"} <= set(manifest["versions"])


def test_a_path_can_be_written_in_other_ways(packed: Path, tmp_path: Path) -> None:
    odd = ["./results//empty.json", tmp_path.joinpath("results/empty.json").relative_to(tmp_path)]
    pack(odd, tmp_path / "from", tmp_path / "b.zip", {})
    assert [file["path"] for file in manifest_of(tmp_path / "b.zip")["files"]] == [
        "results/empty.json"
    ]
    unpack(packed, odd, tmp_path / "to")
    assert files_under(tmp_path / "to") == {"results/empty.json": b""}


def test_what_stood_there_is_replaced_and_a_link_not_followed(packed: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("not to be touched")
    target = tmp_path / "to" / "results" / "empty.json"
    target.parent.mkdir(parents=True)
    target.symlink_to(other)
    unpack(packed, ["results/empty.json"], tmp_path / "to")
    assert not target.is_symlink()
    assert target.read_bytes() == b""
    assert other.read_text() == "not to be touched"


# The same bytes


def test_the_same_input_gives_the_same_bytes(packed: Path, tmp_path: Path) -> None:
    again = written(tmp_path / "again", dict(reversed(CONTENTS.items())))
    for number, path in enumerate(sorted(again.rglob("*.*"))):
        path.chmod(0o600 if number % 2 else 0o755)
    order = [*reversed(CONTENTS), *CONTENTS]
    pack(order, again, tmp_path / "again.zip", CONFIGURATION)
    assert (tmp_path / "again.zip").read_bytes() == packed.read_bytes()


def test_another_name_content_or_configuration_gives_others(packed: Path, tmp_path: Path) -> None:
    (tmp_path / "from" / "results" / "empty.json").write_bytes(b"{}")
    pack(CONTENTS, tmp_path / "from", tmp_path / "content.zip", CONFIGURATION)
    written(tmp_path / "from")
    pack(list(CONTENTS)[1:], tmp_path / "from", tmp_path / "name.zip", CONFIGURATION)
    pack(CONTENTS, tmp_path / "from", tmp_path / "configuration.zip", {})
    assert len({path.read_bytes() for path in tmp_path.glob("*.zip")}) == 4


def test_a_file_beyond_two_gibibytes_has_a_long_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is lowered to what a test can write; without the size stated in front it fails."""
    monkeypatch.setattr("zipfile.ZIP64_LIMIT", 1000)
    pack(CONTENTS, written(tmp_path / "from"), tmp_path / "a.zip", {})
    unpack(tmp_path / "a.zip", None, tmp_path / "to")
    assert files_under(tmp_path / "to") == CONTENTS


# What is not packed


@pytest.mark.parametrize(
    "name",
    ["../secret", "a/../../secret", "/etc/hostname", ".", MANIFEST, "a\\b", "C:x", "a\nb", "a\0b"],
)
def test_a_path_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("not of the results")
    with pytest.raises(InputError, match="cannot be archived; a path has to be relative"):
        pack([name], written(tmp_path / "from"), tmp_path / "a.zip", {})
    assert not (tmp_path / "a.zip").exists()


def test_links_folders_and_missing_files_are_named(tmp_path: Path) -> None:
    folder = written(tmp_path / "from")
    (folder / "link").symlink_to(folder / "results" / "empty.json")
    for name, said in [("link", "is a link"), ("results", "no file"), ("none", "is not there")]:
        with pytest.raises(InputError, match=said) as caught:
            pack([*CONTENTS, name], folder, tmp_path / "a.zip", {})
        assert str(folder / name) in str(caught.value)
    assert list(tmp_path.glob("*.zip")) == []


# Damage


def refused(archive: Path, tmp_path: Path) -> str:
    """The one sentence with which all of it is refused; nothing is written."""
    with pytest.raises(InputError) as caught:
        unpack(archive, None, tmp_path / "to")
    assert not (tmp_path / "to").exists()
    sentence = str(caught.value)
    assert str(archive) in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize("position", range(0, 100, 7))
def test_a_flipped_bit_is_told_or_changes_nothing(
    packed: Path, tmp_path: Path, position: int
) -> None:
    """Dates and rights of entries are not used; all else is told. Positions are spread over all."""
    whole = packed.read_bytes()
    noise = random.Random(position)
    for _ in range(15):
        damaged = bytearray(whole)
        place = noise.randrange(position * len(whole) // 100, (position + 7) * len(whole) // 100)
        damaged[min(place, len(whole) - 1)] ^= 1 << noise.randrange(8)
        packed.write_bytes(damaged)
        try:
            unpack(packed, None, tmp_path / "to")
        except InputError:
            assert not (tmp_path / "to").exists()
        else:
            assert files_under(tmp_path / "to") == CONTENTS
            for path in [*(tmp_path / "to").rglob("*.*")]:
                path.unlink()
            for path in sorted((tmp_path / "to").rglob("*"), reverse=True):
                path.rmdir()
            (tmp_path / "to").rmdir()


@pytest.mark.parametrize("share", [0, 0.3, 0.9, 0.999])
def test_a_download_that_broke_off_is_told(packed: Path, tmp_path: Path, share: float) -> None:
    whole = packed.read_bytes()
    packed.write_bytes(whole[: int(share * len(whole))])
    assert "damaged or no archive" in refused(packed, tmp_path)


def test_bytes_that_do_not_unfold_are_told(tmp_path: Path) -> None:
    """Of the one file that is compressed, whatever the zip says of it."""
    with ZipFile(tmp_path / "a.zip", "w", ZIP_DEFLATED) as target:
        target.writestr(MANIFEST, "{}" * 500)
    content = bytearray((tmp_path / "a.zip").read_bytes())
    start = content.index(MANIFEST.encode()) + len(MANIFEST)
    content[start : start + 4] = b"\xff" * 4
    (tmp_path / "a.zip").write_bytes(content)
    assert "damaged or no archive" in refused(tmp_path / "a.zip", tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("matrix_entropy.results.archive.ZIP_STORED", ZIP_DEFLATED)
        assert "'manifest.json': Error -3" in refused(tmp_path / "a.zip", tmp_path)


@many
@given(content=st.binary(max_size=400))
def test_other_bytes_are_no_archive(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(InputError, match="damaged or no archive"):
        manifest_of(tmp_path / "a.zip")


def test_no_archive_at_all(tmp_path: Path) -> None:
    assert "is not there" in refused(tmp_path / "none.zip", tmp_path)
    assert "is not there" in refused(tmp_path, tmp_path)


def remade(
    packed: Path,
    entries: Callable[[dict[str, bytes]], dict[str, bytes]] = dict,
    manifest: Callable[[dict], object] = lambda whole: whole,
    compression: int = ZIP_STORED,
) -> Path:
    """The archive with other entries and another manifest, a sound zip throughout."""
    with ZipFile(packed) as source:
        held = {name: source.read(name) for name in source.namelist()}
    described = manifest(json.loads(held.pop(MANIFEST)))
    with ZipFile(packed, "w", compression) as target:
        for name, content in entries(held).items():
            target.writestr(name, content)
        target.writestr(MANIFEST, json.dumps(described))
    return packed


def with_file(path: str) -> Callable[[dict], dict]:
    """The manifest with one more file, empty, of this path."""
    empty = sha256("/dev/null")
    return lambda whole: {
        **whole,
        "files": [*whole["files"], {"path": path, "bytes": 0, "sha256": empty}],
    }


def test_it_can_be_remade_without_a_change(packed: Path, tmp_path: Path) -> None:
    unpack(remade(packed), None, tmp_path / "to")
    assert files_under(tmp_path / "to") == CONTENTS


def test_a_changed_file_is_told(packed: Path, tmp_path: Path) -> None:
    name = "results/metrics/m/d.parquet"
    changed = CONTENTS[name].replace(b"P", b"Q")
    remade(packed, lambda held: {**held, name: changed})
    assert f"'{name}' is not what its hash says" in refused(packed, tmp_path)
    assert manifest_of(packed), "which reads no contents"
    unpack(packed, ["results/empty.json"], tmp_path / "to")  # others are sound
    assert files_under(tmp_path / "to") == {"results/empty.json": b""}


def test_all_is_verified_before_anything_is_written(packed: Path, tmp_path: Path) -> None:
    remade(packed, lambda held: {**held, max(CONTENTS): b"\x01" * len(CONTENTS[max(CONTENTS)])})
    refused(packed, tmp_path)


def test_a_longer_file_is_told(packed: Path, tmp_path: Path) -> None:
    remade(packed, lambda held: {**held, "results/empty.json": b"more"})
    assert "'results/empty.json' has not the 0 bytes" in refused(packed, tmp_path)


def test_a_missing_file_is_told(packed: Path, tmp_path: Path) -> None:
    remade(packed, lambda held: {k: v for k, v in held.items() if k != "figures/a b.csv"})
    assert "'figures/a b.csv' is missing" in refused(packed, tmp_path)


def test_a_foreign_file_is_told(packed: Path, tmp_path: Path) -> None:
    remade(packed, lambda held: {**held, "results/more.csv": b""})
    assert "does not list 'results/more.csv'" in refused(packed, tmp_path)


@pytest.mark.parametrize(
    "name", ["../out", "/tmp/out", "a/../../out", "a\\..\\out", "C:out", "a//b"]
)
def test_an_escaping_path_is_told(packed: Path, tmp_path: Path, name: str) -> None:
    remade(packed, lambda held: {**held, name: b""}, with_file(name))
    assert "is no path for a result" in refused(packed, tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_path_that_is_a_file_and_a_folder_is_told(packed: Path, tmp_path: Path) -> None:
    name = "results/empty.json/more"
    remade(packed, lambda held: {**held, name: b""}, with_file(name))
    assert "a path is there twice" in refused(packed, tmp_path)


def test_a_path_listed_twice_is_told(packed: Path, tmp_path: Path) -> None:
    remade(packed, manifest=with_file("results/empty.json"))
    assert "a path is there twice" in refused(packed, tmp_path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_path_held_twice_is_told(packed: Path, tmp_path: Path) -> None:
    with ZipFile(packed, "a") as target:
        target.writestr("results/empty.json", b"")
    assert "a path is there twice" in refused(packed, tmp_path)


def test_a_link_is_told(packed: Path, tmp_path: Path) -> None:
    entry = ZipInfo("results/link")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with ZipFile(packed, "a") as target:
        target.writestr(entry, "/etc/hostname")
    assert "'results/link' is a link" in refused(packed, tmp_path)


def test_a_compressed_file_is_told(packed: Path, tmp_path: Path) -> None:
    """It might be of any size once it is no longer."""
    remade(packed, compression=ZIP_DEFLATED)
    assert "is compressed" in refused(packed, tmp_path)


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ([], "of format None"),
        ({}, "of format None"),
        ({"format": 2}, "of format 2, and this version reads 1"),
        ({"format": 1}, "lacks something"),
        ({"format": 1, "files": [3], "versions": {}, "configuration": {}}, "lacks something"),
        ({"format": 1, "files": [{}], "versions": {}, "configuration": {}}, "lacks something"),
        ({"format": 1, "files": [], "versions": [], "configuration": {}}, "lacks something"),
    ],
)
def test_another_manifest_is_told(
    packed: Path, tmp_path: Path, manifest: object, said: str
) -> None:
    remade(packed, manifest=lambda whole: manifest)
    assert said in refused(packed, tmp_path)


def test_a_zip_without_a_manifest_or_with_a_broken_one_is_told(tmp_path: Path) -> None:
    with ZipFile(tmp_path / "a.zip", "w") as target:
        target.writestr("results/a.csv", "a")
    assert f"it has no {MANIFEST}" in refused(tmp_path / "a.zip", tmp_path)
    with ZipFile(tmp_path / "a.zip", "a") as target:
        target.writestr(MANIFEST, '{"format": ')
    assert f"'{MANIFEST}': " in refused(tmp_path / "a.zip", tmp_path)


def test_a_path_that_is_not_in_it_is_told(packed: Path, tmp_path: Path) -> None:
    for name in ("results/none.csv", MANIFEST, "../from/results/empty.json"):
        with pytest.raises(InputError, match=f"holds no '{name}'; ask for a path"):
            unpack(packed, ["results/empty.json", name], tmp_path / "to")
    assert not (tmp_path / "to").exists()


# Interruptions


def test_a_failed_packing_leaves_the_older_archive(packed: Path, tmp_path: Path) -> None:
    before = packed.read_bytes()
    with pytest.raises(TypeError):
        pack(CONTENTS, tmp_path / "from", packed, {"not": {"json"}})
    assert packed.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"from", "results.zip"}


def test_a_full_disk_leaves_no_half_file(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, sound = [], module._verified

    def breaking_off(*arguments: object) -> object:
        found.append(arguments)
        for number, chunk in enumerate(sound(*arguments)):
            yield chunk
            if number == 0 and len(found) > len(CONTENTS):
                raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_verified", breaking_off)
    with pytest.raises(OSError, match="No space"):
        unpack(packed, None, tmp_path / "to")
    assert set(files_under(tmp_path / "to")) <= set(CONTENTS)
    assert all(content == CONTENTS[name] for name, content in files_under(tmp_path / "to").items())


def test_nothing_heavy_is_imported() -> None:
    imported = Path(module.__file__).read_text(encoding="utf-8")
    for name in ("pickle", "numpy", "pandas"):
        assert f"import {name}" not in imported
