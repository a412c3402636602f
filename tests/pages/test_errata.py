"""The errata: every proof is there, every finding is covered, a broken entry is one sentence."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from conftest import ROOT, configured
from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import write_csv
from matrix_entropy.figures.kinds.published_entropy import (
    published_entropy_fits,
    published_entropy_numbers,
)
from matrix_entropy.pages.errata import (
    CERTAINTIES,
    NUMBER,
    Errata,
    built_files,
    check_proofs,
    number_files,
    read_errata,
    rendered_errata,
)

# What has to be told, by short names, and which errata tell it.
FINDINGS = {
    "log d null": ["log_d_null", "other_normalisations", "pythia_1b", "no_limit"],
    "entropy and dimension": ["rank_of_the_span"],
    "entropy and accuracy": ["entropy_and_accuracy"],
    "13B loss": ["loss_13b"],
    "PPL is not exp(loss)": ["ppl_is_not_exp_loss"],
    "upper limit 1": ["upper_limit"],
    "Table 3": ["table_3_caption", "prompt_reduction"],
    "length and first token": ["length_explains_quality", "first_token_makes_dips"],
    "ten stories a set": ["gaps_of_ten_texts"],
    "statements against their plots": [
        "always_higher",
        "figure_2_gaps",
        "figure_3_crash",
        "figure_2_stability",
        "figure_4_steps",
        "figure_4_spread",
        "figure_6_stability",
        "figure_5_dip",
        "figure_6_peak",
        "figure_7_decrease",
        "figure_8_start",
        "figure_9_end",
        "figure_10_deviations",
    ],
    "theorem 4.1": ["theorem_4_1"],
    "missing one half": ["missing_half"],
    "stable rank": ["stable_rank"],
    "remainder of A.1": ["remainder"],
    "Fisher factor": ["fisher_factor"],
    "finite number of skills": ["finite_skills", "area_of_skills", "sum_of_squares"],
    "penalty of the Lasso": ["lasso_penalty"],
    "multimodal tables": ["image_reduction", "alignment", "alignment_level", "rotation"],
    "contexts group by prefix": ["prefix_null"],
    "power law of the width": ["figure_1_null"],
    "section 3 of Tan et al.": [
        *("code_length", "channel_capacity", "theorem_3_15", "constant_divergence"),
    ],
    "smaller slips": ["equation_1_maximum", "lemma_3_14", "data_exponent", "equation_5"],
}
NOTES = [
    *("row_in_front", "parameter_counts", "apple_processor"),
    *("accuracies", "table_7_deviation", "qubits_per_state", "nominal_sizes", "cut_or_split"),
    *("released_noise", "released_edges", "released_openwebtext2"),
    *("plug_in_rank", "commas", "log_det_panel", "last_token"),
]
# What nothing here can show: it was read, or the papers do not say.
UNPROVEN = ["apple_processor", "cut_or_split", "released_openwebtext2", "last_token"]

# Tests of what the papers have right, between those of what they have not.
SUPPORTING = {
    "tests/published/test_proofs_of_skills.py::test_no_code_of_random_texts_is_shorter_than_the_entropy",
    "tests/published/test_proofs_of_skills.py::test_a_perfect_prompt_keeps_conditional_entropies",
    "tests/published/test_proofs_of_skills.py::test_a_prompt_that_is_not_perfect_does_not",
}

PAGE = """# Errata

What was found, at {data/n.csv; value; key=a}.

## wei2024: Wei et al., *A title*

### first: A first one

- **Where:** Table 1
- **Claim:** It is {data/n.csv; value; key=a; kind=two
  words; as .2f}
  and more.
- **Right:** It is not.
- **Difference:** As {results/m.csv; share; key=b; as .0%}.
- **Certainty:** measured on a model; the rest inferred
- **Proof:** `tests/test_a.py::test_one`, `figures/some`,
  `tests/test_a.py::TestMore::test_two`

### second: Another

- **Where:** nowhere
- **Claim:** -
- **Right:** -
- **Difference:** -
- **Certainty:** conjectured
- **Proof:** none: it was read, not run

## Notes for rebuilders

### third: A note

- **Where:** Table 2
- **Note:** It has {data/n.csv; value; key=a}.
- **Certainty:** proven
- **Proof:** `tests/test_a.py::test_one`
"""


ERRATA_FILES = [
    ROOT / "paper" / place / "errata.md" for place in ("", "liang2024", "wei2024", "tan2024")
]


@pytest.fixture(scope="module")
def errata() -> Errata:
    return read_errata(*ERRATA_FILES)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder with a page and all that it names."""
    (tmp_path / "page.md").write_text(PAGE, encoding="utf-8")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "n.csv").write_text("key,kind,value\na,two words,-0.125\nc,,\nc,x,1\n")
    (tmp_path / "work" / "results").mkdir(parents=True)
    (tmp_path / "work" / "results" / "m.csv").write_text("key,share\nb,1.41\n")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").write_text(
        "def test_one(): pass\ndef helper(): pass\nclass TestMore:\n    def test_two(self): pass\n"
    )
    return tmp_path


def changed(made: Path, old: str, new: str) -> Path:
    text = (made / "page.md").read_text(encoding="utf-8")
    assert old in text
    (made / "page.md").write_text(text.replace(old, new, 1), encoding="utf-8")
    return made / "page.md"


def check(made: Path, figures: tuple[str, ...] = ("some",)) -> None:
    check_proofs(read_errata(made / "page.md").entries, made, figures, ())


# Ours


@pytest.mark.parametrize("scale", ["config.yaml", "miniature/config.yaml"])
def test_every_proof_is_there(errata: Errata, root: Path, scale: str) -> None:
    configuration = configured(Path(scale).parent)
    check_proofs(errata.entries, root, configuration["figures"], configuration["tables"])


def test_every_finding_is_told_and_nothing_else(errata: Errata) -> None:
    told = [name for names in FINDINGS.values() for name in names]
    assert sorted(told) == sorted(one.name for one in errata.errata)
    assert [one.name for one in errata.notes] == NOTES
    assert list(errata.papers) == ["liang2024", "wei2024", "tan2024"]


def test_only_what_cannot_run_has_no_proof(errata: Errata) -> None:
    assert [one.name for one in errata.entries if not one.proofs] == UNPROVEN
    assert all(one.proofs for one in errata.errata)
    for one in errata.entries:
        tests = [proof for proof in one.proofs if proof.startswith("tests/")]
        assert tests or one.unproven, one.name


def test_every_entry_says_how_sure_it_is(errata: Errata) -> None:
    for one in errata.entries:
        assert one.texts["Certainty"].startswith(one.certainty)
        assert one.certainty in CERTAINTIES
        assert one.certainty == "proven" or one.name not in ("theorem_4_1", "alignment")
    measured = [one for one in errata.entries if one.certainty == "measured"]
    assert [one.name for one in measured] == ["length_explains_quality", "lasso_penalty"]
    for one in measured:
        assert one.texts["Certainty"].startswith("measured on SmolLM2-135M-Instruct")
        assert any("/test_real" in proof for proof in one.proofs)


def forms(number: str) -> set[str]:
    """How a test may write a number: as it is, shorter, with an exponent, in thousandths."""
    value = float(number)
    others = {f"{value:.{digits}e}".replace("e-0", "e-") for digits in range(3)}
    exact = {other for other in others if float(other) == value}
    return {number, f"{value:g}", f"{1e3 * value:.1f}", *exact}


def test_every_number_typed_is_in_a_test_that_shows_it(errata: Errata, root: Path) -> None:
    """A slip in typing, or a number that moves in its test, is found."""
    named = r"SmolLM2-\S+|TinyStories-\S+|Python 3\.11"
    for one in errata.entries:
        files = {proof.partition("::")[0] for proof in one.proofs if proof.startswith("tests/")}
        shown = "".join((root / file).read_text(encoding="utf-8") for file in files)
        text = one.texts.get("Difference", one.texts.get("Note", ""))
        text = re.sub(named, "", NUMBER.sub("", text))
        for number in re.findall(r"(?<![\w.])\d+\.\d+(?:e-\d+)?", text):
            written = "|".join(map(re.escape, forms(number)))
            assert re.search(rf"(?<![\d.])({written})0?(?!\d)", shown), (one.name, number)


def test_every_proof_written_for_the_errata_is_named_by_one(errata: Errata, root: Path) -> None:
    named = {proof for one in errata.entries for proof in one.proofs}
    for file in (root / "tests").rglob("test_*proofs*.py"):
        written = re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), re.M)
        where = file.relative_to(root).as_posix()
        unnamed = {f"{where}::{name}" for name in written} - named - SUPPORTING
        assert not unnamed


def test_our_page(errata: Errata, root: Path, tmp_path: Path) -> None:
    """The figure whose numbers it takes needs no model, and is built here."""
    assert number_files(errata) == [
        "paper/liang2024/published/figures.csv",
        "paper/wei2024/published/tables.csv",
        "figures/tan_fig1_entropy_power_law.fits.csv",
    ]
    fits = published_entropy_fits(published_entropy_numbers())
    write_csv(tmp_path / "figures" / "tan_fig1_entropy_power_law.fits.csv", fits)
    page = rendered_errata(errata, root, tmp_path)
    assert "{" not in page
    assert f"There are {len(errata.errata)} errata, {len(errata.errata)} of them with" in page
    assert f"Notes for rebuilders, which correct no claim: {len(errata.notes)}." in page
    assert "falls from 0.5976 to 0.4859, and" in page
    assert "exponent is −0.315; for a constant rank of 55 it is −0.348. Data less" in page
    assert "The published 0.0385 and 0.0389 of MiniGPT-v2" in page
    assert "mean 0.702 at layer 3, 0.692 at layer 4" in page


# Reading


def test_a_page_is_read(made: Path) -> None:
    read = read_errata(made / "page.md")
    assert read.introduction.startswith("# Errata\n\nWhat was found")
    assert read.papers == {"wei2024": "Wei et al., *A title*"}
    first, second = read.errata
    assert (first.name, first.paper, first.title) == ("first", "wei2024", "A first one")
    assert first.texts["Where"] == "Table 1"
    assert first.texts["Claim"].endswith("kind=two words; as .2f} and more.")
    assert (first.certainty, second.certainty) == ("measured", "conjectured")
    assert first.proofs == (
        "tests/test_a.py::test_one",
        "figures/some",
        "tests/test_a.py::TestMore::test_two",
    )
    assert (second.proofs, second.unproven) == ((), "it was read, not run")
    (note,) = read.notes
    assert (note.name, note.paper, list(note.texts)) == (
        *("third", "wei2024"),
        ["Where", "Note", "Certainty"],
    )
    assert read.entries == (first, second, note)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("- **Claim:** It", "- **Say:** It", r"line 10: field 'Say' of 'first' stands where Claim"),
        ("- **Where:** nowhere\n", "", "'Claim' of 'second' stands where Where is expected"),
        ("- **Proof:** none: it was read, not run\n", "", "erratum 'second' has no 'Proof'"),
        (
            "- **Right:** It is not.\n- **Difference",
            "- **Right:** \n- **Difference",
            "erratum 'first' has no 'Right'",
        ),
        ("### second", "### first", "line 19: 'first' is there twice"),
        ("### second: Another", "### second", "line 19: '### second' is neither"),
        ("### second", "## wei2024: Again\n\n### second", "'wei2024' is there twice"),
        ("## wei2024: ", "## ", "line 5: '## Wei et al"),
        ("  and more.", "and more.", "line 12: 'and more.' is neither"),
        (
            "- **Where:** nowhere",
            "- **Where:** x\n- **Where:** x",
            "stands where Claim is expected",
        ),
        ("not run\n", "not run\n- **Proof:** none: x\n", "stands where no more is expected"),
        ("- **Note:** It has", "- **Claim:** It has", "'Claim' of 'third' stands where Note is"),
        ("## Notes for", "## Notices for", "'## Notices for rebuilders' is neither"),
        (
            "- **Certainty:** conjectured",
            "- **Certainty:** sure",
            "certainty of 'second' is 'sure'",
        ),
        ("measured on a model;", "measured;", "certainty of 'first' is 'measured; the rest"),
        ("none: it was read, not run", "by eye", "proof of erratum 'second' is 'by eye'; write"),
        ("`figures/some`", "`some`", "proof of erratum 'first' is '`some`'; write"),
        ("`figures/some`", "figures/some", "proof of erratum 'first' is 'figures/some'; write"),
    ],
)
def test_a_broken_entry_is_told_in_a_sentence(made: Path, old: str, new: str, said: str) -> None:
    path = changed(made, old, new)
    with pytest.raises(InputError, match=re.escape(said).replace(r"\ ", " ")) as caught:
        read_errata(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


# Proofs


def test_sound_proofs_pass(made: Path) -> None:
    check(made)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("::test_one", "::test_none", "`tests/test_a.py::test_none` is no test;"),
        ("::test_one", "::helper", "`tests/test_a.py::helper` is no test;"),
        ("::test_one", "::test_two", "`tests/test_a.py::test_two` is no test;"),
        ("test_a.py::test_one", "test_b.py::test_one", "`tests/test_b.py::test_one` is no test;"),
        ("figures/some", "figures/other", "`figures/other` is no entry of the configuration;"),
        ("figures/some", "tables/some", "`tables/some` is no entry of the configuration;"),
    ],
)
def test_a_proof_that_is_not_there_is_told(made: Path, old: str, new: str, said: str) -> None:
    changed(made, old, new)
    with pytest.raises(InputError, match="erratum 'first': its proof ") as caught:
        check(made)
    assert said in str(caught.value)


# The page


def test_numbers_are_taken_from_their_files_and_proofs_are_links(made: Path) -> None:
    errata = read_errata(made / "page.md")
    assert number_files(errata) == ["data/n.csv", "results/m.csv"]
    page = rendered_errata(errata, made, made / "work", "../../..", "..")
    assert "found, at −0.125." in page
    assert "- **The paper:** It is −0.12 and more." in page
    assert "- **How large:** As 141%." in page
    assert (
        "There are 2 errata, 1 of them with a proof that runs; how sure they are: 0 proven, 1 "
        "measured, 0 inferred, 1 conjectured. Notes for rebuilders, which correct no claim: 1."
        in page
    )
    assert "- **How sure:** measured on a model; the rest inferred\n" in page
    assert "### Notes for rebuilders\n\n#### A note\n" in page
    assert "- **What to know:** It has −0.125.\n" in page
    assert "[`tests/test_a.py::test_one`](../../../tests/test_a.py)" in page
    assert "[figure `some`](../figures/some.png)" in page
    assert "- **Proof:** none that runs: it was read, not run" in page
    assert page.index("## Wei et al.") < page.index("### A first one") < page.index("### Another")


def test_a_table_is_linked_where_it_is_built(made: Path) -> None:
    changed(made, "`figures/some`", "`tables/some`")
    page = rendered_errata(read_errata(made / "page.md"), made, made / "work")
    assert "[table `some`](../../results/tables/some.md)" in page
    page = rendered_errata(read_errata(made / "page.md"), made, made / "work", waiting=["some"])
    assert "table `some` (not built yet: see the [comparison](comparison.html))" in page


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ("{data/n.csv; value}", "has to be {PATH; COLUMN; KEY=VALUE; …}"),
        ("{data/n.csv; value; a}", "has to be {PATH; COLUMN; KEY=VALUE; …}"),
        ("{data/none.csv; value; key=a}", "build data/none.csv first"),
        ("{n.csv; value; key=a}", "build n.csv first"),
        ("{data/n.csv; number; key=a}", "data/n.csv has no column 'number'"),
        ("{data/n.csv; value; name=a}", "data/n.csv has no column 'name'"),
        ("{data/n.csv; value; key=b}", "leads to 0 rows of data/n.csv"),
        ("{data/n.csv; value; key=c}", "leads to 2 rows of data/n.csv"),
        ("{data/n.csv; value; key=c; kind=}", "leads to an empty cell of data/n.csv"),
        ("{data/n.csv; value; key=a; as nothing}", "'-0.125' cannot be written as 'nothing'"),
        ("{data/n.csv; kind; key=a; as .2f}", "'two words' cannot be written as '.2f'"),
    ],
)
def test_a_number_that_cannot_be_taken_is_told(made: Path, new: str, said: str) -> None:
    path = changed(made, "nowhere", new)
    with pytest.raises(InputError, match="erratum 'second'") as caught:
        rendered_errata(read_errata(path), made, made / "work")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("key,value\na,nan\n", "'nan' cannot be written as '.2f'"),
        ("key,value\na,1", "t.csv is damaged (its last line broke off); delete it and run again"),
    ],
)
def test_a_damaged_file_of_numbers_is_told(made: Path, content: str, said: str) -> None:
    (made / "data" / "t.csv").write_text(content)
    path = changed(made, "nowhere", "at {data/t.csv; value; key=a; as .2f}")
    with pytest.raises(InputError) as caught:
        rendered_errata(read_errata(path), made, made / "work")
    assert said in str(caught.value)


def test_text_cells_stay_as_they_are(made: Path) -> None:
    pd.DataFrame({"key": ["a"], "value": ["one-two"]}).to_csv(made / "data" / "t.csv", index=False)
    path = changed(made, "nowhere", "at {data/t.csv; value; key=a}")
    assert "at one-two\n" in rendered_errata(read_errata(path), made, made / "work")


def test_files_to_be_built_are_told_from_those_that_are_shipped(root: Path) -> None:
    assert built_files(*ERRATA_FILES) == ["figures/tan_fig1_entropy_power_law.fits.csv"]
