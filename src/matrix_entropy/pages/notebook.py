"""What the paper notebooks are written with: figures, tables and sentences out of built files.

A notebook computes nothing. It shows figures and tables, and says numbers that it reads from the
files beside them, so that none is typed by hand.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import read_csv
from matrix_entropy.pages.page_markdown import (
    PageRenderer,
    escaped_markdown,
    markdown_html,
    picture_html,
)

# From a page, in paper/build/, to the folder where figures/ and results/ are.
HOME = "../.."
STAND_INS = (
    "<strong>Stand-ins, not the paper's models.</strong> Where a figure or table on this page "
    "needs a model, it was drawn from a small one of the same architecture, trained in seconds on "
    "generated texts. It shows that every step works and says nothing about the models that it is "
    "named after."
)
UNCOMPARED = (
    "This run has not been set beside the published numbers; "
    "<code>snakemake results/comparison.csv</code> does that."
)


@dataclass(frozen=True)
class Shown:
    """What a cell shows: Markdown, or HTML and, for readers without it, a word."""

    markdown: str = ""
    html: str | None = field(default=None, repr=False)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        shown = {"text/html": self.html} if self.html is not None else {}
        return {**shown, "text/markdown": self.markdown}


def say(text: str) -> Shown:
    """A paragraph of Markdown, as a rule an f-string with numbers that were read."""
    return Shown(" ".join(text.split()))


def number(value: float, decimals: int = 3, sign: bool = False) -> str:
    """A number as it stands in a text; an en dash where there is none.

    Examples
    --------
    >>> number(-0.05211), number(0.5, 1, sign=True), number(12345.678, 0), number(float("nan"))
    ('−0.052', '+0.5', '12,346', '–')
    """
    if pd.isna(value):
        return "–"
    rounded = round(value, decimals) + 0.0  # adding zero makes −0.0 0.0
    return f"{rounded:{'+' if sign else ''},.{decimals}f}".replace("-", "−")


def show_frame(frame: pd.DataFrame, decimals: int | Mapping[str, int] = 3) -> Shown:
    """A small table of a data frame, as it is; its column names are the heads.

    ``decimals`` of the numbers, of all columns or by name; whole numbers are shown as such.
    """
    numeric = {str(name): pd.api.types.is_numeric_dtype(frame[name]) for name in frame}
    places = decimals if isinstance(decimals, Mapping) else dict.fromkeys(numeric, decimals)
    lines = [
        list(map(escaped_markdown, numeric)),
        ["--:" if right else "---" for right in numeric.values()],
    ]
    for row in frame.to_dict("records"):
        lines.append(
            [
                _cell(row[name], places.get(name, 3) if right else None)
                for name, right in numeric.items()
            ]
        )
    return Shown("".join(f"| {' | '.join(line)} |\n" for line in lines))


def _cell(value: object, decimals: int | None) -> str:
    if decimals is None or isinstance(value, bool):
        return escaped_markdown(str(value))
    assert isinstance(value, (int, float))
    return number(value, 0 if isinstance(value, int) else decimals)


@dataclass(frozen=True)
class Built:
    """What a run has built, by the names of figures and tables.

    Parameters
    ----------
    results, figures : path
        The folders ``results/`` and ``figures/``.
    waiting : mapping, optional
        What could not be built, with what each waits for, which is said in its place.
    origins : mapping, optional
        As `pages.made_by.origins` gives it.
    """

    results: str | Path
    figures: str | Path
    waiting: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, Any] = field(default_factory=dict)

    def numbers(self, name: str, ending: str = ".csv") -> pd.DataFrame:
        """The numbers of a figure, or of a table if no figure is called so.

        Raises
        ------
        InputError
            If neither is built.
        """
        for folder in (Path(self.figures), Path(self.results, "tables")):
            path = folder / f"{name}{ending}"
            if path.is_file():
                frame: pd.DataFrame = read_csv(path)
                return frame
        raise InputError(self._unbuilt(Path(self.figures, f"{name}{ending}"), name))

    def figure(self, name: str, alt: str) -> Shown:
        """A figure with links to its files and to what made it; ``alt`` says what is to be seen.

        Raises
        ------
        InputError
            If it is not built.
        """
        if name in self.waiting:
            return self._waits("figure", name)
        path = Path(self.figures, f"{name}.png")
        if not path.is_file():
            raise InputError(self._unbuilt(path, name))
        place = f"{HOME}/figures/{name}"
        parts = [["", "PDF", f"{place}.pdf"], ["", "numbers", f"{place}.csv"], *self._made_by(name)]
        links = ", ".join(
            f'{part} <a href="{html.escape(address)}">{html.escape(called)}</a>'.strip()
            for part, called, address in parts
        )
        shown = (
            f'<figure id="figure-{html.escape(name)}">\n'
            '<div class="scroll" tabindex="0" role="region" aria-label="Figure">'
            f"{picture_html(path, alt)}</div>\n"
            f"<figcaption><code>{html.escape(name)}</code>: {links}</figcaption>\n</figure>"
        )
        return Shown(alt, shown)

    def table(self, name: str) -> Shown:
        """A table with its caption, and links to its CSV and LaTeX files and to what made it.

        Raises
        ------
        InputError
            If it is not built.
        """
        if name in self.waiting:
            return self._waits("table", name)
        path = Path(self.results, "tables", f"{name}.md")
        if not path.is_file():
            raise InputError(self._unbuilt(path, name))
        place = f"{HOME}/results/tables/{name}"
        links = f"`{name}`: [CSV]({place}.csv), [LaTeX]({place}.tex)" + "".join(
            f", {part} [`{called}`]({address})" for part, called, address in self._made_by(name)
        )
        text = f"{path.read_text(encoding='utf-8')}\n{links}\n"
        shown = markdown_html(text, PageRenderer(path.parent))
        return Shown(text, f'<section id="table-{html.escape(name)}">\n{shown}</section>')

    def stand_ins(self, names: Sequence[str]) -> bool:
        """Whether any of these figures and tables says that a model of it is a stand-in.

        Raises
        ------
        InputError
            If one is not built, or none of them says which models are stand-ins.
        """
        frames = [self.numbers(name) for name in names]
        told = [frame["stand_in"].any() for frame in frames if "stand_in" in frame]
        if not told:
            raise InputError(
                f"no figure or table of {', '.join(names)} says whether its models are stand-ins; "
                "give the notebook the parameter 'stand_in'."
            )
        return any(map(bool, told))

    @property
    def comparison(self) -> Path:
        """The file that sets this run beside the papers."""
        return Path(self.results, "comparison.csv")

    def notice(self, stand_in: bool) -> Shown:
        """What a reader has to know of the page: stand-ins, loudly, no comparison, which code."""
        parts = [f'<p class="stand-in" role="note">{STAND_INS}</p>'] if stand_in else []
        if not self.comparison.is_file():
            parts.append(f"<p>{UNCOMPARED}</p>")
        if self.origins:
            parts.append(f"<p>{html.escape(self.origins['code'])}</p>")
        return Shown(html="\n".join(parts))

    def published(self, name: str) -> Shown:
        """How a figure or table compares with the paper, in one sentence from the comparison.

        Nothing is said of what has no published counterpart, and without the comparison.
        """
        if not self.comparison.is_file():
            return Shown()
        compared = read_csv(self.comparison)
        compared = compared[compared["item"] == name]
        parts = []
        for kind, part in compared.groupby("kind", sort=False):
            counts = part["verdict"].value_counts(sort=False)
            verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
            parts.append(f"{len(part)} {kind}{'s' if len(part) > 1 else ''}: {verdicts}")
        if not parts:
            return Shown()
        return say(f"Beside the paper: {'; '.join(parts)} ([details](comparison.html)).")

    def _made_by(self, name: str) -> list[list[str]]:
        """What made a figure or table, part by part: what it is, its name and where it is."""
        found: list[list[str]] = self.origins.get("made_by", {}).get(name, [])
        return found

    def _waits(self, kind: str, name: str) -> Shown:
        said = self._unbuilt(Path(), name)
        return Shown(said, f'<p id="{kind}-{html.escape(name)}">{html.escape(said)}</p>')

    def _unbuilt(self, path: Path, name: str) -> str:
        if name in self.waiting:
            return f"{name} is not built yet: {self.waiting[name]}."
        is_table = path.suffix == ".md"
        target = f"results/tables/{name}.md" if is_table else f"figures/{name}.pdf"
        return f"{path} is not there; build it with `snakemake {target}`."
