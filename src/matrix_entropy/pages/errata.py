"""The errata of the papers: a Markdown file that a person reads and whose proofs are checked.

`paper/NAME/errata.md` has a heading, and for each erratum one and six fields in this order::

    ## wei2024: Lai Wei et al., *Large Language Model Evaluation via Matrix Entropy*

    ### upper_limit: The upper limit of the entropy is not 1

    - **Where:** section 5.3.1
    - **Claim:** …
    - **Right:** … lines that go on are indented by two spaces …
    - **Difference:** …
    - **Certainty:** proven
    - **Proof:** `tests/maths/test_entropy.py::test_bound`, `figures/wei_fig2_context_length`

How sure an erratum is begins with one of four words: ``proven`` (by mathematics or from what is
printed), ``measured on MODEL``, ``inferred`` or ``conjectured``; after a semicolon may follow what
of it is less sure.

Below ``## Notes for rebuilders`` stand the notes of a paper: what one has to know to rebuild it and
what corrects no claim. They have the fields Where, Note, Certainty and Proof and count as none.

A proof is a test function, or a figure or table of the configuration; where there is none, the
field is ``none: `` and the reason. Numbers that a file already holds are not typed but taken from
it when the page is made: ``{PATH; COLUMN; KEY=VALUE; …}`` is the cell of the one row of a CSV file
that has these values, as it stands there, or as a format says: ``{…; as .2f}``. Paths under
``data/`` and ``paper/`` are of the repository, all others of the working folder.
"""

from __future__ import annotations

import ast
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import csv_rows

FIELDS = ("Where", "Claim", "Right", "Difference", "Certainty", "Proof")
NOTE_FIELDS = ("Where", "Note", "Certainty", "Proof")
NOTES = "Notes for rebuilders"
CERTAINTIES = ("proven", "measured", "inferred", "conjectured")
CERTAINTY = re.compile(r"(?:(proven|inferred|conjectured)|(measured) on [^;]+)(?:; .+)?")
PAPER = re.compile(r"## (\w+): (\S.*)")
ERRATUM = re.compile(r"### (\w+): (\S.*)")
FIELD = re.compile(r"- \*\*(\w+):\*\* ?(.*)")
NONE = "none: "
PROOF = re.compile(r"`(tests/[\w/]+\.py(?:::\w+)+|(?:figures|tables)/\w+)`")
NUMBER = re.compile(r"\{([^{}]+)\}")
NUMERIC = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?")
SHIPPED = ("data/", "paper/")
# What stands in front of the fields on the page; the reader sees whose words they are.
SHOWN = {
    "Where": "Where",
    "Claim": "The paper",
    "Right": "What is right",
    "Difference": "How large",
    "Note": "What to know",
    "Certainty": "How sure",
}


@dataclass(frozen=True)
class Erratum:
    """One erratum, or one note; texts are Markdown, with numbers still to be filled in.

    ``texts`` are the fields but for the proof, by name. ``certainty`` is "proven", "measured",
    "inferred" or "conjectured". ``proofs`` are `tests/FILE.py::TEST`, `figures/NAME` and
    `tables/NAME`; if there are none, ``unproven`` says why.
    """

    name: str
    paper: str
    title: str
    texts: Mapping[str, str]
    certainty: str
    proofs: tuple[str, ...]
    unproven: str


# Where an erratum stands, its name, paper and title, whether it is a note, and its fields so far.
Entry = tuple[str | Path, str, str, str, bool, dict[str, str]]


@dataclass(frozen=True)
class Errata:
    """All of it: the introduction, the titles of the papers by name, the errata and the notes."""

    introduction: str
    papers: Mapping[str, str]
    errata: tuple[Erratum, ...]
    notes: tuple[Erratum, ...] = ()

    @property
    def entries(self) -> tuple[Erratum, ...]:
        """Errata, then notes."""
        return self.errata + self.notes


def read_errata(*paths: str | Path) -> Errata:
    """The errata of files in the form above, of which the first begins with the introduction.

    Raises
    ------
    InputError
        If a line is none of that form, a field is missing, empty, unknown or out of order, a name
        is there twice, how sure an erratum is begins with none of the four words, or a proof is
        neither of the three kinds nor ``none: `` with a reason.
    """
    introduction: list[str] = []
    papers: dict[str, str] = {}
    entries: list[Entry] = []
    among_notes = False
    lines = [
        (path, number, line)
        for path in paths
        for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), start=1)
    ]
    for path, number, line in lines:
        where = f"{path}, line {number}"
        if found := PAPER.fullmatch(line):
            _check_new(found[1], papers, where)
            papers[found[1]] = found[2]
            among_notes = False
        elif line == f"## {NOTES}" and papers:
            among_notes = True
        elif not papers and not line.startswith("##"):
            introduction.append(line)
        elif (found := ERRATUM.fullmatch(line)) and papers:
            _check_fields(entries)
            _check_new(found[1], [name for _, name, *_ in entries], where)
            entries.append((path, found[1], list(papers)[-1], found[2], among_notes, {}))
        elif (found := FIELD.fullmatch(line)) and entries:
            *_, is_note, fields = entries[-1]
            names = _fields_of(is_note)
            expected = names[len(fields)] if len(fields) < len(names) else "no more"
            if found[1] != expected:
                raise InputError(
                    f"{where}: field '{found[1]}' of '{entries[-1][1]}' stands where {expected} is "
                    f"expected; the fields are {', '.join(names)}, in this order."
                )
            fields[found[1]] = found[2]
        elif line.startswith("  ") and entries and entries[-1][-1]:
            fields = entries[-1][-1]
            last = list(fields)[-1]
            fields[last] = f"{fields[last]} {line.strip()}".lstrip()
        elif line.strip():
            raise InputError(
                f"{where}: '{line[:40]}' is neither '## PAPER: …', '## {NOTES}', "
                "'### NAME: …' nor '- **Field:** …'; indent lines that go on by two spaces."
            )
    _check_fields(entries)
    text = "\n".join(introduction).strip()
    errata, notes = (
        tuple(_erratum(*entry) for entry in entries if entry[4] == is_note)
        for is_note in (False, True)
    )
    return Errata(text, papers, errata, notes)


def check_proofs(
    errata: Iterable[Erratum], repository: str | Path, figures: Iterable[str], tables: Iterable[str]
) -> None:
    """Whether every test, figure and table that the errata name is there.

    Parameters
    ----------
    repository : path
        Where the folder ``tests`` is; an installed package has none, and looks up no test.
    figures, tables : iterable of str
        Their names in the configuration.

    Raises
    ------
    InputError
        For the first one that is not.
    """
    targets = {f"figures/{name}" for name in figures} | {f"tables/{name}" for name in tables}
    tests: dict[str, set[str]] = {}
    has_tests = (Path(repository) / "tests").is_dir()
    for erratum in errata:
        for proof in erratum.proofs:
            file, _, test = proof.partition("::")
            if test and not has_tests:
                continue
            if test and file not in tests:
                path = Path(repository) / file
                tests[file] = _tests_of(path) if path.is_file() else set()
            if test not in tests[file] if test else proof not in targets:
                what = "test" if test else "entry of the configuration"
                raise InputError(
                    f"erratum '{erratum.name}': its proof `{proof}` is no {what}; name one that is "
                    "there, or write 'none: ' and the reason."
                )


def number_files(errata: Errata) -> list[str]:
    """Paths of the CSV files from which the page takes numbers, in the order of first use."""
    text = " ".join(
        " ".join([one.title, *one.texts.values(), one.unproven]) for one in errata.entries
    )
    found = NUMBER.findall(errata.introduction + text)
    return list(dict.fromkeys(_parts(number)[0] for number in found))


def built_files(*paths: str | Path) -> list[str]:
    """Of `number_files`, those that have to be built before the page; the others are shipped."""
    files = number_files(read_errata(*paths))
    return [file for file in files if not file.startswith(SHIPPED)]


def shown(*paths: str | Path) -> list[str]:
    """Names of the figures and tables that are proofs of errata."""
    proofs = [proof for erratum in read_errata(*paths).entries for proof in erratum.proofs]
    return sorted(
        {proof.split("/")[1] for proof in proofs if proof.startswith(("figures/", "tables/"))}
    )


def rendered_errata(
    errata: Errata,
    repository: str | Path,
    folder: str | Path,
    repository_link: str = "../..",
    folder_link: str = "../..",
    waiting: Collection[str] = (),
) -> str:
    """The page as Markdown: numbers filled in, proofs as links, and how many there are.

    Parameters
    ----------
    repository, folder : path
        Where ``data/`` is, and the working folder.
    repository_link, folder_link : str
        The way to both from the page, as links go; by default from ``paper/build/`` in both.
    waiting : collection of str
        Figures and tables that could not be built; the comparison says what each waits for.

    Raises
    ------
    InputError
        If a number cannot be taken from its file; the sentence names the erratum and the number.
    """
    run = sum(bool(one.proofs) for one in errata.errata)
    sure = Counter(one.certainty for one in errata.errata)
    how = ", ".join(f"{sure[word]} {word}" for word in CERTAINTIES)

    def filled(text: str, name: str) -> str:
        return NUMBER.sub(lambda found: _number(found[1], repository, folder, name), text)

    def written(one: Erratum, heading: str) -> list[str]:
        links = [_link(proof, repository_link, folder_link, waiting) for proof in one.proofs]
        proof = ", ".join(links) or f"none that runs: {filled(one.unproven, one.name)}"
        fields = [
            f"- **{SHOWN[label]}:** {filled(text, one.name)}" for label, text in one.texts.items()
        ]
        title = f"{heading} {filled(one.title, one.name)}"
        return [title, "\n".join([*fields, f"- **Proof:** {proof}"])]

    lines = [
        filled(errata.introduction, "introduction"),
        f"There are {len(errata.errata)} errata, {run} of them with a proof that runs; how sure "
        f"they are: {how}. {NOTES}, which correct no claim: {len(errata.notes)}.",
    ]
    for paper, title in errata.papers.items():
        lines.append(f"## {title}")
        lines += [
            part for one in errata.errata if one.paper == paper for part in written(one, "###")
        ]
        notes = [
            part for one in errata.notes if one.paper == paper for part in written(one, "####")
        ]
        lines += [f"### {NOTES}", *notes] if notes else []
    return "\n\n".join(lines) + "\n"


def _check_new(name: str, known: Iterable[str], where: str) -> None:
    if name in known:
        raise InputError(f"{where}: '{name}' is there twice; rename or join the two.")


def _check_fields(entries: list[Entry]) -> None:
    """Whether the last erratum read is complete."""
    if entries:
        path, name, *_, is_note, fields = entries[-1]
        for field in _fields_of(is_note):
            if not fields.get(field):
                raise InputError(
                    f"{path}: erratum '{name}' has no '{field}'; add '- **{field}:** …'."
                )


def _fields_of(is_note: bool) -> tuple[str, ...]:
    return NOTE_FIELDS if is_note else FIELDS


def _erratum(
    path: str | Path, name: str, paper: str, title: str, is_note: bool, fields: dict[str, str]
) -> Erratum:
    texts = dict(fields)
    proof = texts.pop("Proof")
    sure = CERTAINTY.fullmatch(texts["Certainty"])
    if sure is None:
        raise InputError(
            f"{path}: the certainty of '{name}' is '{texts['Certainty']}'; begin with proven, "
            "'measured on' and the model, inferred or conjectured, and write the rest after a "
            "semicolon."
        )
    proofs = () if proof.startswith(NONE) else tuple(PROOF.findall(proof))
    if not proof.startswith(NONE) and PROOF.sub("", proof).strip(", "):
        raise InputError(
            f"{path}: the proof of erratum '{name}' is '{PROOF.sub('', proof).strip(', ')}'; write "
            "`tests/FILE.py::TEST`, `figures/NAME` or `tables/NAME` with commas between, or "
            "'none: ' and the reason."
        )
    unproven = "" if proofs else proof.removeprefix(NONE)
    return Erratum(name, paper, title, texts, sure[1] or sure[2], proofs, unproven)


def _tests_of(path: Path) -> set[str]:
    """Test functions of a file, and those of its classes as ``Class::test``."""
    tests = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            tests.add(node.name)
        elif isinstance(node, ast.ClassDef):
            methods = [each for each in node.body if isinstance(each, ast.FunctionDef)]
            tests |= {f"{node.name}::{method.name}" for method in methods}
    return {test for test in tests if test.split("::")[-1].startswith("test_")}


def _parts(number: str) -> list[str]:
    return [" ".join(part.split()) for part in number.split(";")]


def _number(number: str, repository: str | Path, folder: str | Path, name: str) -> str:
    """The cell that a placeholder means, with a true minus sign."""
    where = f"erratum '{name}': the number {{{' '.join(number.split())}}}"
    file, *others = _parts(number)
    layout = others.pop().removeprefix("as ") if others and others[-1].startswith("as ") else ""
    if len(others) < 2 or not all("=" in condition for condition in others[1:]):
        raise InputError(f"{where} has to be {{PATH; COLUMN; KEY=VALUE; …}}; correct it.")
    column, *conditions = others
    path = Path(repository if file.startswith(SHIPPED) else folder) / file
    if not path.is_file():
        raise InputError(f"{where} is of a file that is not there; build {file} first.")
    rows = csv_rows(path)
    wanted = dict(condition.split("=", 1) for condition in conditions)
    if unknown := {column, *wanted} - set(rows[0] if rows else ()):
        raise InputError(f"{where}: {file} has no column '{min(unknown)}'; correct one of the two.")
    cells = [row[column] for row in rows if all(row[key] == wanted[key] for key in wanted)]
    if len(cells) != 1 or not cells[0]:
        found = "an empty cell" if len(cells) == 1 else f"{len(cells)} rows"
        raise InputError(
            f"{where} leads to {found} of {file}; say which row, of those that have one."
        )
    text = cells[0]
    if layout:
        try:
            value = float(text)
            if not math.isfinite(value):
                raise ValueError
            text = format(value, layout)
        except ValueError:
            raise InputError(
                f"{where}: '{text}' cannot be written as '{layout}'; correct what follows 'as'."
            ) from None
    return text.replace("-", "−") if NUMERIC.fullmatch(text.rstrip("%")) else text


def _link(proof: str, repository_link: str, folder_link: str, waiting: Collection[str]) -> str:
    file, _, test = proof.partition("::")
    if test:
        return f"[`{proof}`]({repository_link}/{file})"
    kind, name = proof.split("/")
    if name in waiting:
        return f"{kind[:-1]} `{name}` (not built yet: see the [comparison](comparison.html))"
    if kind == "figures":
        return f"[figure `{name}`]({folder_link}/figures/{name}.png)"
    return f"[table `{name}`]({folder_link}/results/tables/{name}.md)"
