"""What is never done, where paths may lead, and names that would like to be commands."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile, ZipInfo

import pandas as pd
import pytest
import yaml

import random_models
from commands import check_refusal, snakemake_for
from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import read_json
from matrix_entropy.configuration.checking import checked
from matrix_entropy.configuration.input_paths import check_input_paths
from matrix_entropy.models.stand_ins import train_tokenizer
from matrix_entropy.pages.page_markdown import PageRenderer, escaped_markdown, markdown_html
from matrix_entropy.results.archive import unpack
from matrix_entropy.texts import hub_texts

# Modules that unpickle, or run what they read, whatever they are asked for.
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
# Names that are called for nothing else.
CALLS = {"eval", "exec", "compile", "read_pickle", "to_pickle", "unsafe_load", "full_load"}
CALLS |= {"unsafe_load_all", "full_load_all", "extractall", "system", "popen"}
# What a call has to say, by the end of its name.
SAYS = {
    "np.load": ("allow_pickle", "False"),
    "torch.load": ("weights_only", "True"),
    "from_pretrained": ("trust_remote_code", "False"),
}
NEVER = {"allow_pickle=True", "trust_remote_code=True", "weights_only=False", "shell=True"}
OTHERS = r".*\.(eval|compile)|read_pickle"
# Classes of the libraries themselves; only those called Auto ask a folder which code to run.
CLASSES = ("PreTrainedTokenizerFast", "PeftModel", "LlamaForCausalLM")
OURS = {f"{name}.from_pretrained" for name in CLASSES}


def forbidden(source: str) -> Iterator[str]:
    """What in a Python text unpickles, runs what it reads, or leaves that open."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            modules = names if isinstance(node, ast.Import) else [node.module or ""]
            yield from (name for name in modules if name.split(".")[0] in MODULES)
            if not modules[0].startswith("matrix_entropy"):
                yield from (name for name in names if name in CALLS)
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        # `model.eval()` and `re.compile()` are others, and so is our own reader of weights.
        if name.rpartition(".")[2] in CALLS and not re.fullmatch(OTHERS, name):
            yield name
        given = {word.arg: ast.unparse(word.value) for word in node.keywords}
        yield from NEVER & {f"{key}={value}" for key, value in given.items()}
        if name == "yaml.load" or (name == "yaml.dump" and "Dumper" not in given):
            yield name
        for end, (key, value) in SAYS.items():
            if name.endswith(end) and name not in OURS and given.get(key) != value:
                yield f"{name} without {key}={value}"


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "import torch\ntorch.load('x')",
        "torch.load('x', weights_only=False)",
        "np.load('x')",
        "np.load('x', allow_pickle=True)",
        "pd.read_pickle('x')",
        "yaml.load(text)",
        "AutoModel.from_pretrained('x')",
        "factory.from_pretrained('x', trust_remote_code=True)",
        "subprocess.run('ls', shell=True)",
        "os.system('ls')",
        "eval('1')",
        "archive.extractall()",
    ],
)
def test_the_search_finds(source: str) -> None:
    assert list(forbidden(source))


def test_nothing_unpickles_or_runs_what_it_reads(root: Path) -> None:
    folders = ("workflow", "src", "paper")
    files = [path for folder in folders for path in (root / folder).rglob("*.py")]
    assert len(files) > 140
    found = {path.name: list(forbidden(path.read_text(encoding="utf-8"))) for path in files}
    assert not {name: what for name, what in found.items() if what}


def test_nor_do_the_rules(root: Path) -> None:
    """They are no Python as a whole, so their words are looked at; all libraries are imported."""
    called = re.compile(rf"\b({'|'.join(CALLS)})\(|\b(?:import|from) +({'|'.join(MODULES)})\b")
    assert called.search("x = eval(y)")
    assert called.search("import pickle")
    for path in [root / "Snakefile", *(root / "workflow").rglob("*.smk")]:
        text = path.read_text(encoding="utf-8")
        assert not called.search(text), path
        assert not any(wrong in text.replace(" ", "") for wrong in NEVER), path
        # What a configuration says becomes one word of a command.
        commands = re.findall(r"shell:\n((?: +\".*\"\n)+)", text)
        free = set(re.findall(r"{((?:input|output|params|log)\b[^}]*)}", "".join(commands)))
        assert {name for name in free if not name.endswith(":q")} <= {"params.shard"}, path


def config_with(**changes: Any) -> dict[str, Any]:
    """A checked configuration with one model and one data set, and changes to them."""
    return checked(
        {
            "models": {
                "mine": {"path": "model", "layers": 1, "width": 8} | changes.pop("model", {})
            },
            "datasets": {"texts": {"path": "texts.csv"} | changes.pop("dataset", {})},
            "figures": {},
            **changes,
        }
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with a link that leads out of it, and one that does not."""
    (tmp_path / "work" / "inner").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "work" / "out").symlink_to(tmp_path / "outside")
    (tmp_path / "work" / "in").symlink_to("inner")
    return tmp_path / "work"


IMAGES = {"record": "llava_instruct", "images": "inner/images"}
PARTS = {"checkpoint": "inner/a.pth", "vision_encoder": "inner/b.pth", "language_model": "mine"}


@pytest.mark.parametrize("path", ["../outside/x", "inner/../../x", "out/x", "in/../../x", ".."])
def test_relative_paths_stay_in_the_working_folder(folder: Path, path: str) -> None:
    cases = {
        "archive": config_with(archive=path),
        "models.mine.path": config_with(model={"path": path}),
        "datasets.texts.path": config_with(dataset={"path": path}),
        "datasets.texts.images": config_with(dataset=IMAGES | {"images": path}),
    }
    for key in ("checkpoint", "vision_encoder"):
        config = config_with()
        config["models"]["parts"] = {"minigpt_v2": PARTS | {key: path}}
        cases[f"models.parts.minigpt_v2.{key}"] = config
    for where, config in cases.items():
        with pytest.raises(InputError) as raised:
            check_input_paths(config, folder, folder)
        assert str(raised.value).startswith(
            f"configuration: '{where}' is {path!r}, which leads out"
        )
        assert "write the absolute path" in str(raised.value)


def test_other_paths_lead_where_they_say(folder: Path) -> None:
    for path in ("texts.csv", "inner/../x", "in/x", "not there/x", "/etc/hostname", "a..b/..c"):
        config = config_with(archive=path, model={"path": path}, dataset={"path": path})
        check_input_paths(config, folder, folder)


def test_bundled_files_are_those_of_the_repository(tmp_path: Path, folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "linked.json").symlink_to(tmp_path / "outside" / "x.json")
    config = config_with()
    config["datasets"]["texts"] = {"bundled": "data/linked.json"}
    with pytest.raises(InputError, match=r"datasets\.texts\.bundled.*out of the repository"):
        check_input_paths(config, folder, folder)
    config["datasets"]["texts"] = {"bundled": "data/other.json"}
    check_input_paths(config, folder, folder)


@pytest.mark.parametrize(
    ("entry", "key", "value"),
    [
        *(
            ("model", "hub", name)
            for name in ("a/b;ls", "-a/b", "../b", "a/$(ls)", "a/b\n", "a/b/c")
        ),
        *(("model", "revision", name) for name in ("-x", "main;ls", "main\n", "`ls`")),
        *(("dataset", "bundled", name) for name in ("/etc/passwd", "data/../x", "data/.x/y")),
        ("dataset", "task", "piqa;ls"),
        ("dataset", "url", "ssh://x"),
    ],
)
def test_names_that_could_be_more_are_refused(entry: str, key: str, value: str) -> None:
    changes = {entry: {key: value}}
    with pytest.raises(InputError, match=f"{key}'? is {re.escape(repr(value))}"):
        config_with(**changes)


@pytest.mark.parametrize(
    "card",
    [
        {"data_dir": "../../.."},
        {"data_dir": "/etc"},
        {"data_files": "../../secret.jsonl"},
        {"data_files": [{"split": "train", "path": ["a.jsonl", "/etc/passwd"]}]},
        {"data_files": {"train": "https://example.org/a.jsonl"}},
    ],
)
def test_the_card_of_a_data_set_names_its_own_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, card: dict[str, Any]
) -> None:
    stated = yaml.safe_dump({"configs": [{"config_name": "default", **card}]})
    (tmp_path / "README.md").write_text(f"---\n{stated}---\n")
    monkeypatch.setattr(hub_texts, "snapshot", lambda *_: tmp_path)
    with pytest.raises(InputError, match=r"its card names .* which is outside the data set"):
        hub_texts.read_hub_dataset({"hub": "a/b", "split": "train"}, "texts")


@pytest.mark.parametrize("subset", ["..", "../outside", "/etc"])
def test_a_subset_is_a_folder_of_its_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, subset: str
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "snapshot").mkdir()
    monkeypatch.setattr(hub_texts, "snapshot", lambda *_: tmp_path / "snapshot")
    with pytest.raises(InputError, match="has no subset"):
        hub_texts.read_hub_dataset({"hub": "a/b", "split": "train", "subset": subset}, "texts")


def test_files_of_an_archive_that_share_their_bytes(tmp_path: Path) -> None:
    """One in the bytes of another: every one is whole, and together they are more than there is."""
    inner = ZipInfo("results/b")
    inner.file_size = inner.compress_size = 100_000
    inner.CRC = zlib.crc32(bytes(100_000))
    outer = inner.FileHeader() + bytes(100_000)
    sizes = {"results/a": outer, "results/b": bytes(100_000)}
    files = [
        {"path": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in sizes.items()
    ]
    manifest = {"format": 1, "files": files, "versions": {}, "configuration": {}}
    with ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("results/a", outer)
        inner.header_offset = len(archive.getinfo("results/a").FileHeader())
        archive.filelist.append(inner)
        archive.NameToInfo[inner.filename] = inner
        archive.writestr("manifest.json", json.dumps(manifest))
    with ZipFile(tmp_path / "x.zip") as archive:
        assert archive.infolist()[1].filename == "results/b"
    with pytest.raises(InputError, match="larger than it is"):
        unpack(tmp_path / "x.zip", None, tmp_path / "unpacked")
    assert not (tmp_path / "unpacked").exists()


HOSTILE = '-- it\'s "a" $(touch hacked) `touch hacked`; touch hacked; & | > hacked'
TITLE = HOSTILE + r" <script>x</script> \input{hacked} $x^{$ ../ & # % _ ~"


def test_hostile_names_are_only_names(root: Path, tmp_path: Path) -> None:
    """Folders, files, groups and titles full of shell, HTML and TeX, from texts to a table."""
    folder = tmp_path / HOSTILE
    folder.mkdir()
    shutil.copy(root / "config.yaml", folder)
    model = folder / HOSTILE
    random_models.gpt2(vocabulary=300).save_pretrained(model)
    train_tokenizer(["The fox sang all night."] * 20, 300).save_pretrained(model)
    group = f"../../{TITLE}\nsecond line"
    texts = [{"text": f"The fox number {i} sang all night.", "kind": group} for i in range(3)]
    (folder / f"{HOSTILE}.jsonl").write_text("".join(json.dumps(text) + "\n" for text in texts))
    mine = {
        "models": {
            "mine": {
                "path": HOSTILE, "layers": 3, "width": 48,
                "title": TITLE, "family": TITLE, "size": TITLE, "parameters": 1e6,
            }
        },
        "datasets": {
            "texts": {
                "path": f"{HOSTILE}.jsonl", "group_field": "kind", "controls": [], "title": TITLE
            },
            "all": {"union": ["texts"], "controls": [], "title": TITLE},
        },
        "figures": {"drawn": {"model": "mine", "dataset": "texts", "title": TITLE}},
        "tables": {
            "table": {"kind": "indicators", "models": ["mine"], "dataset": "all", "title": TITLE}
        },
    }  # fmt: skip
    (folder / "mine.yaml").write_text(yaml.safe_dump(mine))
    done = snakemake_for(root, folder, "figures/drawn.pdf", "results/tables/table.csv")
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.rglob("hacked*"))
    assert not list(root.glob("hacked*"))
    metrics = pd.read_parquet(folder / "results/metrics/mine/texts.parquet")
    assert set(metrics["group"]) == {group}
    assert set(metrics["id"]) == {"0", "1", "2"}
    assert read_json(folder / "results/models/mine.json")["id"] == HOSTILE
    assert TITLE in set(pd.read_csv(folder / "results/tables/table.csv")["dataset_title"])
    tex = (folder / "results/tables/table.tex").read_text()
    assert r"\input" not in tex
    assert r"\textbackslash{}input\{hacked\}" in tex
    assert "<script>" not in re.sub(r"\\<", "", (folder / "results/tables/table.md").read_text())


def test_a_relative_path_out_of_the_folder_as_typed(root: Path, tmp_path: Path) -> None:
    shutil.copy(root / "config.yaml", tmp_path)
    mine = {"datasets": {"texts": {"path": "../secret.txt"}}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(mine))
    target = "results/prompts/texts.jsonl"
    done = snakemake_for(root, tmp_path, target)
    check_refusal(done, tmp_path, target, ["'datasets.texts.path' is '../secret.txt', which leads"])


def test_pages_show_hostile_titles_as_they_are(tmp_path: Path) -> None:
    shown = markdown_html(escaped_markdown(TITLE), PageRenderer(tmp_path))
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown
