"""Files of a configuration: nothing in them is lost without a word, and every fault has a line."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from snakemake.utils import update_config

from commands import check_refusal, snakemake
from conftest import configured
from matrix_entropy.base.errors import InputError
from matrix_entropy.configuration.checking import checked
from matrix_entropy.configuration.files import check_files, read_strictly

OWN = """\
models:
  gpt2_small:
    title: GPT-2 Small
    hub: openai-community/gpt2
    layers: 12
    width: 768
    bos: true
datasets:
  child: {bundled: data/stories/child.json, groups: {good: Good, bad: Bad}}
figures: {}
"""
MINE = "models:\n  gpt2_small: {hub: mine/model, layers: 12, width: 768}\n"


def refused(folder: Path, *files: str | bytes, replaced: bool = False) -> str:
    """The sentence about these files, which are merged in their order."""
    paths = []
    for number, content in enumerate(files):
        paths.append(folder / f"{number}.yaml")
        paths[-1].write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InputError) as raised:
        check_files(paths[0], paths[1:], replaced)
    said = str(raised.value)
    assert said.startswith("configuration: ")
    assert "\n" not in said
    assert said.endswith(".")
    return said


def test_a_name_of_the_project_used_again(tmp_path: Path) -> None:
    """Both places are named, and what would be kept."""
    said = refused(tmp_path, OWN, MINE)
    assert f"{tmp_path}/1.yaml, line 2, uses the name 'models.gpt2_small'" in said
    assert f"{tmp_path}/0.yaml, line 2," in said
    assert "`title:`, `bos:`" in said


def test_a_name_of_another_file_used_again(tmp_path: Path) -> None:
    """Files of --configfile are merged like the project's own."""
    other = "models:\n\n  mine: {path: /a, layers: 1, width: 2, bos: true}\n"
    said = refused(tmp_path, OWN, other, "models: {mine: {path: /b, layers: 1, width: 2}}")
    assert f"{tmp_path}/2.yaml, line 1, uses the name 'models.mine'" in said
    assert f"{tmp_path}/1.yaml, line 3," in said


def test_a_name_in_json(tmp_path: Path) -> None:
    """Snakemake reads JSON as well."""
    said = refused(tmp_path, OWN, '{"models": {"gpt2_small": {"path": "/a"}}}')
    assert "uses the name 'models.gpt2_small'" in said
    assert "'path' twice" in refused(tmp_path, OWN, '{"models": {"a": {"path": 1, "path": 2}}}')


def test_keys_that_are_kept_deeper(tmp_path: Path) -> None:
    """Groups are merged like entries."""
    said = refused(tmp_path, OWN, "datasets:\n  child: {bundled: data/x.json, groups: {good: G}}\n")
    assert "`groups.bad:`" in said


ALLOWED = {
    "another name": "models: {my_gpt2: {hub: mine/model, layers: 12, width: 768}}",
    "all keys of the entry": (
        "models:\n  gpt2_small: {title: Mine, path: /a, hub: b/c, layers: 1, width: 2, bos: no}\n"
    ),
    "a setting of no entry": "hidden_states: stream\n",
    "nothing but a comment": "# models:\n",
    "an empty section": "models: {}\n",
}


@pytest.mark.parametrize("mine", ALLOWED.values(), ids=ALLOWED)
def test_what_loses_nothing_passes(tmp_path: Path, mine: str) -> None:
    """What is merged is then what one of the files says, word for word."""
    (tmp_path / "own.yaml").write_text(OWN)
    (tmp_path / "mine.yaml").write_text(mine)
    check_files(tmp_path / "own.yaml", [tmp_path / "mine.yaml"])


def test_files_that_stand_in_the_place_of_ours(tmp_path: Path) -> None:
    """With --replace-workflow-config, and where there is no config.yaml, nothing is merged."""
    (tmp_path / "own.yaml").write_text(OWN)
    (tmp_path / "mine.yaml").write_text(MINE)
    check_files(tmp_path / "own.yaml", [tmp_path / "mine.yaml"], replaced=True)
    check_files(tmp_path / "none.yaml", [tmp_path / "mine.yaml"])
    # One file twice is one file.
    check_files(tmp_path / "own.yaml", [tmp_path / "own.yaml"])


def test_our_own_files_pass(root: Path) -> None:
    """Both scales, and a run's description of itself over the scale that it is of."""
    for scale in (root / "config.yaml", root / "miniature/config.yaml"):
        check_files(scale, [])


def test_a_run_can_be_repeated_from_its_description(root: Path, tmp_path: Path) -> None:
    """It states every key with its default, so that nothing of config.yaml is kept."""
    config = configured()
    (tmp_path / "described.yaml").write_text(yaml.safe_dump(checked(config)), encoding="utf-8")
    check_files(root / "config.yaml", [tmp_path / "described.yaml"])


TWICE = {
    "a section": ("models:\n  a: {}\nmodels:\n  b: {}\n", "line 3 has 'models' a second", 1),
    "an entry": ("models:\n  a: {}\n  b: {}\n  a: {}\n", "line 4 has 'models.a' a second", 2),
    "a key": ("models:\n  a:\n    bos: yes\n    bos: no\n", "line 4 has 'models.a.bos'", 3),
    "in one line": ("models: {a: {bos: yes, bos: no}}\n", "line 1 has 'models.a.bos'", 1),
    "in quotes": ('a: 1\n"a": 2\n', "line 2 has 'a' a second time", 1),
    "in a list": ("a:\n- {b: 1}\n- b: 2\n  b: 3\n", "line 4 has 'a.b' a second time", 3),
}


@pytest.mark.parametrize(("content", "told", "first"), TWICE.values(), ids=TWICE)
def test_a_key_twice(tmp_path: Path, content: str, told: str, first: int) -> None:
    """YAML's reader keeps the last; both lines are named."""
    said = refused(tmp_path, content)
    assert f"0.yaml, {told}" in said
    assert f"after line {first}," in said


BAD: dict[str, tuple[str | bytes, str]] = {
    "Latin-1": ("models:\n  a: {title: Grüße}\n".encode("latin-1"), "line 2 is not UTF-8"),
    "UTF-16": ("models: {}\n".encode("utf-16"), "line 1 is not UTF-8"),
    "a tab": ("models:\n\ta: {}\n", "line 2 is not valid YAML (a tab"),
    "two documents": ("models: {}\n---\nmodels: {}\n", "line 2 begins a second document"),
    "an open bracket": ("models:\n  a: {\n\n", "is not valid YAML"),
    "no mapping": ("models:\n  a\n  b: 1\n", "line 3 is not valid YAML"),
    "a control character": ("models:\n  a: \x01\n", "line 2 holds a character"),
    "deep mappings": ("a: " + "{a: " * 5000 + "1" + "}" * 5000, "line 1 goes more than 20 levels"),
    "deep lists": ("a:\n  " + "[" * 10**5, "line 2 goes more than 20 levels"),
    "an alias of itself": ("models: &a\n  b: *a\n", "line 2 puts '&a' into itself"),
    "a list of itself": ("a: &a\n- 1\n- - *a\n", "line 3 puts '&a' into itself"),
    "aliases of aliases": (
        "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
        + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)),
        "repeats more than 1,000,000 values",
    ),
    "an unknown alias": ("a: *b\n", "line 1 is not valid YAML"),
    "a list for a key": ("? [a, b]\n: 1\n", "line 1 has a list or a mapping where a key belongs"),
    "a number of thousands of digits": ("a:\n  b: " + "9" * 5000, "line 2 has a number of 5000"),
    "a date that there is not": ("a: 2024-13-45\n", "has a value that cannot be read"),
    "an alias for a key": ("a: &b c\n? *b\n: 1\n", "line 2 has *b where a key belongs"),
    "code": ("__use_yte__: true\nmodels: {}\n", "line 1 has '__use_yte__'"),
}


@pytest.mark.parametrize(("content", "told"), BAD.values(), ids=BAD)
def test_files_that_cannot_be_read(tmp_path: Path, content: str | bytes, told: str) -> None:
    """The sentence names file and line."""
    said = refused(tmp_path, content)
    assert f"{tmp_path}/0.yaml" in said
    assert told in said


def test_a_folder_and_no_file(tmp_path: Path) -> None:
    """As Snakemake tells of a missing file, this tells of one that is none."""
    with pytest.raises(InputError, match="cannot be read"):
        read_strictly(tmp_path)


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for files that are written over again and again."""
    return tmp_path_factory.mktemp("files")


NAMES = st.sampled_from(["a", "b", "c", "01", "No", "é"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)


@settings(deadline=None)
@given(value=st.dictionaries(NAMES, VALUES))
def test_what_is_written_is_read(place: Path, value: Any) -> None:
    """Strictness changes no value, and every key has its line."""
    path = place / "x.yaml"
    # Escaped, since PyYAML writes some line breaks of Unicode bare that it then reads as blanks.
    path.write_text(yaml.safe_dump(value), encoding="utf-8")
    found, lines = read_strictly(path)
    assert found == value
    assert not lines or {way[0] for way in lines} == set(value)


ENTRIES = st.dictionaries(
    NAMES,
    st.dictionaries(
        NAMES, st.integers(0, 2) | st.dictionaries(NAMES, st.integers(0, 2), max_size=2), max_size=3
    ),
    max_size=2,
)


@settings(deadline=None)
@given(own=ENTRIES, mine=ENTRIES)
def test_what_passes_is_merged_without_a_loss(place: Path, own: Any, mine: Any) -> None:
    """By Snakemake's own merging: every entry is that of one of the two files."""
    for name, models in (("own", own), ("mine", mine)):
        (place / f"{name}.yaml").write_text(yaml.safe_dump({"models": models}), encoding="utf-8")
    merged: dict[str, Any] = {}
    for models in (own, mine):
        update_config(merged, models)
    whole = all(entry == mine.get(name, own.get(name)) for name, entry in merged.items())
    try:
        check_files(place / "own.yaml", [place / "mine.yaml"])
        passed = True
    except InputError:
        passed = False
    assert passed == whole


@settings(deadline=None)
@given(content=st.binary() | st.text(st.sampled_from("a: &*[]{}-\n\t'\"?!|01")).map(str.encode))
def test_any_bytes_are_read_or_refused(place: Path, content: bytes) -> None:
    """Nothing but a sentence comes of a file that is no configuration."""
    path = place / "x.yaml"
    path.write_bytes(content)
    try:
        read_strictly(path)
    except InputError as refusal:
        said = str(refusal)
        assert said.startswith(f"configuration: {path}")


# ---------------------------------------------------------------------------------------------
# As they are typed


@pytest.mark.parametrize(
    ("content", "told"),
    [BAD["Latin-1"], BAD["a tab"], BAD["an alias of itself"], (TWICE["an entry"][:2])],
    ids=["Latin-1", "tab", "alias", "twice"],
)
def test_a_file_on_the_command_line(
    root: Path, tmp_path: Path, content: str | bytes, told: str
) -> None:
    """Snakemake reads it before any Snakefile, and most faults in it end in a traceback there."""
    path = tmp_path / "mine.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    done = snakemake(root, "-n", "--directory", str(tmp_path), "--configfile", str(path))
    check_refusal(done, tmp_path, "figures", [f"{path}, {told}"])


def test_a_file_beside_the_project(root: Path, tmp_path: Path) -> None:
    """Names of the folder's config.yaml, with which the Snakefile begins, are not used again."""
    shutil.copy(root / "miniature/config.yaml", tmp_path)
    (tmp_path / "mine.yaml").write_text("models:\n  gpt2_small: {path: /a, layers: 1, width: 2}\n")
    where = ("--directory", str(tmp_path))
    done = snakemake(root, "-n", *where, "--configfile", str(tmp_path / "mine.yaml"))
    told = [f"{tmp_path}/mine.yaml, line 2,", f"{tmp_path}/config.yaml, line "]
    check_refusal(done, tmp_path, "figures", told)
    (tmp_path / "config.yaml").write_bytes(b"models:\n  a: \xfc\n")
    check_refusal(snakemake(root, "-n", *where), tmp_path, "figures", ["config.yaml, line 2 is"])


@pytest.mark.parametrize("name", ["default", "ci", "slurm", "kubernetes"])
def test_every_profile_looks_at_the_files(root: Path, name: str) -> None:
    """They all run the same lines."""
    texts = [
        (root / f"workflow/profiles/{profile}/config.yaml").read_text(encoding="utf-8")
        for profile in ("default", name)
    ]
    looks = [re.search(r"# Reads the files of --configfile.*", text, re.DOTALL) for text in texts]
    assert looks[0]
    assert looks[1]
    assert looks[0].group() == looks[1].group()


def test_examples_in_the_docs_use_names_of_their_own(root: Path) -> None:
    """A reader may copy any of them over config.yaml."""
    config = configured()
    pages = [root / "README.md", *root.glob("docs/*.md")]
    text = "".join(page.read_text("utf-8") for page in pages)
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert len(blocks) > 5
    for block in blocks:
        for section, entries in yaml.safe_load(block).items():
            if isinstance(entries, dict):
                assert not entries.keys() & config.get(section, {}).keys()
