"""What an archive of results says of itself to whoever, or whatever, reads RO-Crates.

An archive is a Workflow Run Crate (https://w3id.org/ro/wfrun/workflow/0.5): beside the results it
holds the workflow, the configuration of the run, and ``ro-crate-metadata.json``, which describes
all of these and the run that made the ones from the others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from rocrate.model import ContextEntity, Person
from rocrate.rocrate import ROCrate

from matrix_entropy.base import shipped
from matrix_entropy.base.source_code import SourceCode
from matrix_entropy.base.yaml_files import read_yaml

METADATA = "ro-crate-metadata.json"
CONFIGURATION = "configuration.yaml"
README = "README.md"
FOR_PEOPLE = """\
# Results of matrix-entropy

Spectra, metrics and provenance of a run. With matrix-entropy ({version}), `archive: archive.zip` in
`{configuration}` rebuilds the figures, tables and pages from them, without a model, a network or
torch. `manifest.json` lists every file with its hash, `{metadata}` describes each in the words of
RO-Crate, and `results/metrics/` can be read without this project.
"""
SNAKEFILE = "Snakefile"
RULES = "workflow/rules/**/*.smk"
VERSION = "1.1"  # of RO-Crate, on which the profile is built
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
# Terms that RO-Crate 1.1 does not have.
TERMS = {"sha256": "http://schema.org/sha256"}
FORMATS = {
    ".npz": "application/zip",
    ".parquet": "application/vnd.apache.parquet",
    ".csv": "text/csv",
    ".json": "application/json",
    ".yaml": "application/yaml",
    ".md": "text/markdown",
    ".smk": "text/plain",
    "": "text/plain",
}
NPZ = "https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html"
# By the beginning of a path.
MEANINGS = {
    "results/spectra/": "eigenvalues of every text at every layer, and every token's loss",
    "results/information_gain/": "the diagonal of a Cholesky factor of every text, its gains",
    "results/sentences/": "states and attention of every token of a few sentences",
    "results/rows/": "norms of rows at every layer, and the attention to them",
    "results/accuracy/": "accuracy on benchmarks",
    "results/prompts/": "where the texts of a data set came from",
    "results/metrics/": "entropies, ranks and losses by text, or their means",
    "workflow/rules/": "rules of the workflow",
    CONFIGURATION: "the configuration of the run, defaults filled in",
    SNAKEFILE: "the workflow",
    README: "how to rebuild figures and tables from this",
}


def in_crate(
    results: Sequence[Mapping[str, Any]],
    configuration: str,
    ended: datetime,
    versions: Mapping[str, str],
    code: SourceCode,
) -> dict[str, str]:
    """What a crate holds beside results, by name: the workflow, its configuration, the metadata.

    Parameters
    ----------
    results : sequence of dict
        Files, with ``path``, ``bytes`` and ``sha256``.
    configuration : str
        YAML.
    ended : datetime
        When the last of the results was written.
    versions : dict
        Of what ran, by package.
    code : SourceCode
        Of the workflow.
    """
    root = shipped.ROOT
    paths = [root / SNAKEFILE, *sorted(root.glob(RULES))]
    texts = {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in paths}
    texts[CONFIGURATION] = configuration
    texts[README] = FOR_PEOPLE.format(
        version=code.words(), configuration=CONFIGURATION, metadata=METADATA
    )
    return {**texts, METADATA: _metadata(results, texts, ended, versions, code)}


def _metadata(
    results: Sequence[Mapping[str, Any]],
    texts: Mapping[str, str],
    ended: datetime,
    versions: Mapping[str, str],
    code: SourceCode,
) -> str:
    citation = read_yaml(shipped.CITATION)
    crate = ROCrate(version=VERSION)
    crate.metadata.extra_terms.update(TERMS)
    made = [crate.add_file(dest_path=entry["path"], properties=_told(entry)) for entry in results]
    entries = {name: _told(_entry(name, text)) for name, text in texts.items()}
    snakefile = crate.add_workflow(
        dest_path=SNAKEFILE, main=True, lang="snakemake", properties=entries.pop(SNAKEFILE)
    )
    others = {name: crate.add_file(dest_path=name, properties=e) for name, e in entries.items()}
    licence = crate.add(_named(crate, _licence(citation), "CreativeWork", citation["license"]))
    authors = [crate.add(author) for author in _authors(crate, citation["authors"])]
    authors = authors[0] if len(authors) == 1 else authors
    snakefile["name"] = citation["title"]
    snakefile["version"] = code.words()
    snakefile["license"] = licence
    snakefile["author"] = authors
    snakefile["hasPart"] = [file for name, file in others.items() if name.endswith(".smk")]
    others[README]["about"] = crate.root_dataset
    snakefile["softwareRequirements"] = [
        crate.add(
            ContextEntity(
                crate,
                f"#{name}",
                {"@type": "SoftwareApplication", "name": name, "softwareVersion": number},
            )
        )
        for name, number in versions.items()
    ]
    if address := citation.get("repository-code"):
        snakefile["codeRepository"] = address
    root = crate.root_dataset
    root["name"] = "Matrix entropy of language models: results of a run"
    root["description"] = (
        "Spectra, metrics and provenance of a run, from which its figures, tables and pages are "
        "rebuilt without a model; the workflow, and the configuration that it ran with."
    )
    root["datePublished"] = ended.date().isoformat()
    root["license"] = licence
    root["author"] = authors
    root["citation"] = [crate.add(work) for work in _cited(crate, citation["references"])]
    root["conformsTo"] = [
        crate.add(_named(crate, address, "CreativeWork", name, version=address.rpartition("/")[2]))
        for address, name in PROFILES.items()
    ]
    crate.add(_named(crate, NPZ, "WebSite", "NumPy's format of arrays"))
    root["mentions"] = crate.add(
        ContextEntity(
            crate,
            "#run",
            {
                "@type": "CreateAction",
                "name": "Run of the workflow",
                "description": "One or several calls of Snakemake with this configuration; every "
                "file says which model, texts and versions it was made with.",
                "endTime": ended.isoformat(timespec="seconds"),
            },
        )
    )
    run = root["mentions"]
    run["instrument"] = snakefile
    run["object"] = others[CONFIGURATION]
    run["result"] = made
    return json.dumps(crate.metadata.generate(), indent=2, ensure_ascii=False) + "\n"


def newest(paths: Sequence[str]) -> datetime:
    """When the last of some files was written."""
    return datetime.fromtimestamp(max(Path(path).stat().st_mtime for path in paths), UTC)


def _entry(name: str, text: str) -> dict[str, Any]:
    content = text.encode()
    return {"path": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _told(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What a crate says of a file."""
    name = entry["path"]
    ending = PurePosixPath(name).suffix
    meaning = next((said for start, said in MEANINGS.items() if name.startswith(start)), "")
    form = FORMATS[ending]
    return {
        "name": PurePosixPath(name).name,
        **({"description": meaning} if meaning else {}),
        "contentSize": str(entry["bytes"]),
        "encodingFormat": [form, {"@id": NPZ}] if ending == ".npz" else form,
        "sha256": entry["sha256"],
    }


def _named(crate: ROCrate, address: str, kind: str, name: str, **more: str) -> ContextEntity:
    return ContextEntity(crate, address, {"@type": kind, "name": name, **more})


def _licence(citation: Mapping[str, Any]) -> str:
    return f"https://spdx.org/licenses/{citation['license']}"


def _authors(crate: ROCrate, authors: Sequence[Mapping[str, str]]) -> Iterator[ContextEntity]:
    """People, or whoever else has a name, as CITATION.cff has them."""
    for number, author in enumerate(authors, start=1):
        address = author.get("orcid", f"#author-{number}")
        if "name" in author:
            yield _named(crate, address, "Organization", author["name"])
        else:
            yield Person(crate, address, {"name": _name(author)})


def _cited(crate: ROCrate, works: Sequence[Mapping[str, Any]]) -> Iterator[ContextEntity]:
    """The papers that are rebuilt."""
    for number, work in enumerate(works, start=1):
        yield _named(
            crate,
            work.get("url", f"#paper-{number}"),
            "ScholarlyArticle",
            work["title"],
            author=", ".join(map(_name, work["authors"])),
            datePublished=str(work["year"]),
        )


def _name(person: Mapping[str, str]) -> str:
    return f"{person['given-names']} {person['family-names']}"
