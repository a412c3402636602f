"""What an archive says of itself, held to the shapes of the profile and to its own files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zipfile import ZipFile

import pytest
import rocrate
from rocrate_validator import services
from rocrate_validator.utils.http import HttpRequester

from matrix_entropy.base.source_code import SourceCode
from matrix_entropy.results.archive import MANIFEST, pack
from matrix_entropy.results.crate import CONFIGURATION, FORMATS, METADATA, in_crate

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
TERMS = "https://bioschemas.org/ComputationalWorkflow"
# What 1.1 calls otherwise than the later context that comes with the library.
OF_1_1 = {
    "ComputationalWorkflow": TERMS,
    "FormalParameter": "https://bioschemas.org/FormalParameter",
    "input": f"{TERMS}#input",
    "output": f"{TERMS}#output",
}
SENT = {"Content-Type": "application/ld+json"}
COMMIT = "0123456789" * 4
RESULTS = [
    *("results/spectra/a/b.npz", "results/metrics/a/b.parquet", "results/metrics/a/b.summary.csv"),
    *("results/prompts/b.origin.json", "results/spectra/a/b.none.H1.npz"),
]


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> None:
    """The validator asks the network for nothing but the context, which is here."""
    file = Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld"
    known = json.loads(file.read_text(encoding="utf-8"))
    known["@context"] |= OF_1_1

    def get(_: Any, address: str, **__: Any) -> SimpleNamespace:
        assert address == CONTEXT
        return SimpleNamespace(status_code=200, headers=SENT, json=lambda: known)

    monkeypatch.setattr(HttpRequester, "get", get, raising=False)


@pytest.fixture
def crate(tmp_path: Path) -> Path:
    """An unpacked archive."""
    folder = tmp_path / "from"
    for name in RESULTS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    told = (
        *("models: {}\n", datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)),
        *({"python": "3.11.7", "numpy": "2.4.6"}, SourceCode("0.2.0", COMMIT, True)),
    )
    archive = tmp_path / "archive.zip"
    pack(RESULTS, folder, archive, {"models": {}}, lambda files: in_crate(files, *told))
    with ZipFile(archive) as source:
        source.extractall(tmp_path / "crate")
    return tmp_path / "crate"


def entities(crate: Path) -> dict[str, Any]:
    graph = json.loads((crate / METADATA).read_text(encoding="utf-8"))["@graph"]
    assert len({one["@id"] for one in graph}) == len(graph)
    return {one["@id"]: one for one in graph}


def faults(crate: Path) -> set[str]:
    """Requirements of the Workflow Run Crate, and of all that it is built on, which are not met."""
    settings = services.ValidationSettings(
        rocrate_uri=crate, profile_identifier="workflow-run-crate-0.5", no_cache=True
    )
    result = services.validate(settings)
    return {issue.message for issue in result.get_issues()}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.usefixtures("context")
def test_it_is_a_workflow_run_crate(crate: Path) -> None:
    assert faults(crate) == set()
    (crate / "Snakefile").unlink()
    metadata = crate / METADATA
    metadata.write_text(metadata.read_text().replace('"CreateAction"', '"Thing"'))
    assert len(faults(crate)) >= 2, "the validator sees what is missing"


def test_every_file_stands_in_it_as_it_is(crate: Path) -> None:
    known = entities(crate)
    files = [path for path in crate.rglob("*") if path.is_file()]
    assert len(files) > len(RESULTS) + 20
    for path in files:
        name = path.relative_to(crate).as_posix()
        if name not in (METADATA, MANIFEST):
            content = path.read_bytes()
            assert known[name]["contentSize"] == str(len(content)), name
            assert known[name]["sha256"] == hashlib.sha256(content).hexdigest(), name
            assert FORMATS[path.suffix] in known[name]["encodingFormat"], name
    listed = {part["@id"] for part in known["./"]["hasPart"]}
    assert listed == {p.relative_to(crate).as_posix() for p in files} - {METADATA, MANIFEST}


def test_the_run_made_the_results_from_the_configuration(crate: Path) -> None:
    known = entities(crate)
    run, workflow = known["#run"], known[known["./"]["mainEntity"]["@id"]]
    assert {one["@id"] for one in run["result"]} == set(RESULTS)
    assert run["object"]["@id"] == CONFIGURATION
    assert run["instrument"]["@id"] == workflow["@id"] == "Snakefile"
    assert run["endTime"] == "2026-02-03T04:05:06+00:00"
    assert known["./"]["datePublished"] == "2026-02-03"
    assert workflow["version"] == f"commit {COMMIT} of version 0.2.0, with uncommitted changes"
    assert known[workflow["license"]["@id"]]["name"] == "MIT"
    assert known[workflow["author"]["@id"]]["name"] == "the matrix-entropy authors"
    assert {*references(workflow["softwareRequirements"])} == {"#python", "#numpy"}
    assert known["#numpy"]["softwareVersion"] == "2.4.6"


def test_nothing_is_named_that_is_not_described(crate: Path) -> None:
    known = entities(crate)
    for one in known.values():
        for name in references({key: value for key, value in one.items() if key != "@id"}):
            assert name in known or name.startswith("https://"), name


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from [value["@id"]] if set(value) == {"@id"} else []
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from references(part)
