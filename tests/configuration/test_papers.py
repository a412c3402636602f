"""Papers: their entries in a scale, and their numbers in a comparison."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml

from conftest import configured
from matrix_entropy.base import shipped
from matrix_entropy.base.errors import InputError
from matrix_entropy.configuration import papers
from matrix_entropy.configuration.checking import checked
from matrix_entropy.configuration.files import check_files
from matrix_entropy.published.comparison import compare
from matrix_entropy.published.curves import published_layers
from matrix_entropy.published.tables import published_values

SAID = {"title": "A paper", "reference": "Somebody 2025", "description": "a figure."}
MINE = {"papers": ["first"], "models": {"a": {}}}


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Two papers, of which the second has a figure that the first has, too."""
    for name, figures in {
        "first": {"same": {"seeds": [1], "lora": {"rank": 8, "alpha": 16}}},
        "second": {"same": {}, "other": {}},
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "paper.yaml").write_text(yaml.safe_dump(SAID | {"figures": figures}))
    monkeypatch.setattr(papers, "PAPERS", tmp_path)
    papers.paper_names.cache_clear()
    papers.paper.cache_clear()
    yield tmp_path
    papers.paper_names.cache_clear()
    papers.paper.cache_clear()


def test_a_scale_has_the_entries_of_its_papers_and_the_last_word(shelf: Path) -> None:
    own = {"figures": {"same": {"lora": {"rank": 4}}, "mine": {"model": "a"}}}
    assert papers.with_papers(MINE | own)["figures"] == {
        "same": {"paper": "first", "seeds": [1], "lora": {"rank": 4, "alpha": 16}},
        "mine": {"model": "a"},
    }
    # Nothing of it stays with the paper, whatever is done to the configuration.
    papers.with_papers(MINE)["figures"]["same"]["lora"]["rank"] = 1
    assert papers.with_papers(MINE)["figures"]["same"]["lora"] == {"rank": 8, "alpha": 16}


@pytest.mark.parametrize(
    ("named", "told"),
    [(["third"], "names 'third', which is none of first, second"), (["first", "second"], "'same'")],
)
def test_papers_that_cannot_be_had(shelf: Path, named: list[str], told: str) -> None:
    with pytest.raises(InputError, match=told):
        papers.with_papers({"papers": named})


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        yaml.safe_dump({"title": "A paper", "figures": {}}),
        yaml.safe_dump(SAID | {"figure": {}}),
        yaml.safe_dump(SAID | {"figures": None}),
        yaml.safe_dump(SAID | {"tables": {"one": 1}}),
    ],
)
def test_a_file_that_is_no_paper_is_named(shelf: Path, content: str) -> None:
    (shelf / "first" / "paper.yaml").write_text(content)
    with pytest.raises(InputError, match=r"paper/first/paper\.yaml"):
        papers.with_papers(MINE)


def test_an_entry_of_a_paper_that_there_is_not(root: Path) -> None:
    config = configured("miniature")
    config["figures"]["mine"] = {"paper": "other2025", "model": "gpt2_small", "dataset": "child"}
    with pytest.raises(
        InputError, match=r"'figures\.mine\.paper' is 'other2025'; choose one of liang2024"
    ):
        checked(config)


def test_a_file_beside_a_scale_may_not_change_a_paper_unseen(root: Path, tmp_path: Path) -> None:
    """Keys of the paper's entry would be kept, as a scale means to do, which names its papers."""
    mine = tmp_path / "mine.yaml"
    mine.write_text("figures:\n  fig01_tinystories_3m_child: {model: gpt2_small}\n")
    with pytest.raises(InputError, match=r"mine\.yaml, line 2, uses the name .*paper\.yaml, line"):
        check_files(root / "config.yaml", [mine])
    mine.write_text(mine.read_text() + "papers: [liang2024]\n")
    check_files(root / "config.yaml", [mine])


@pytest.mark.parametrize(("value", "verdict"), [(0.59, "pass"), (0.61, "fail")])
def test_its_numbers_are_judged_by_its_own_tolerance(
    tmp_path: Path, value: float, verdict: str
) -> None:
    scale = {"papers": ["template"], "figures": {}, "tables": {}}
    config = checked(configured("miniature") | scale)
    file = tmp_path / "results/tables/template_indicators.csv"
    file.parent.mkdir(parents=True)
    pd.DataFrame(
        {
            "family": ["Cerebras-GPT"], "size": "111M", "parameters": 1.1e8, "stand_in": False,
            "published_dataset": "dolly-15k", "indicator": "matrix_entropy", "value": value,
            "texts": 100,
        }
    ).to_csv(file, index=False)  # fmt: skip
    found = compare(
        {"template_indicators": config["tables"]["template_indicators"]},
        config["models"], config["datasets"], [file],
    )  # fmt: skip
    assert found["verdict"].tolist() == [verdict]
    assert found["paper"].tolist() == ["template"]
    assert found["published"].tolist() == [0.5]
    assert "example" in found["reason"][0]


HEADER = "table,model_family,size,dataset,indicator,variant,value"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (f"{HEADER.replace(',variant', '')}\n1,a,1M,b,loss,1\n", "lacks the columns variant; add"),
        (f"{HEADER}\n1,a,1M,b,loss,,1\n1,a,1M,b,loss,,2\n", "line 3 has a number that is there"),
        (f"{HEADER}\n1,a,1M,b,loss,,much\n", "has a 'value' that is no number"),
    ],
)
def test_published_numbers_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, told: str
) -> None:
    (tmp_path / "mine/published").mkdir(parents=True)
    (tmp_path / "mine/published/tables.csv").write_text(content)
    monkeypatch.setattr(shipped, "PAPERS", tmp_path)
    with pytest.raises(InputError, match=told):
        published_values("mine", "1")
    # Without a file there are no curves, and nothing to draw behind ours.
    assert published_layers("mine", "a", "b", blocks=3).empty
