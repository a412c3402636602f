"""The first page: every figure and table of the configuration, with its paper and its files."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from matrix_entropy.configuration.experiments import models_of
from matrix_entropy.configuration.kinds import KINDS
from matrix_entropy.pages.notebook import HOME
from matrix_entropy.pages.page_markdown import SMALL, escaped_markdown
from matrix_entropy.pages.writing import called

Entry = dict[str, Any]

INTRODUCTION = """\
# Matrix entropy of language models

Figures and tables of papers on the information in the hidden states of language models, rebuilt
from texts to pictures. The pages of the papers walk through them in order, with controls beside
them.
"""
STAND_INS = """\
> **Stand-ins, not the papers' models.** This run's models are small ones of the same architectures,
> trained in seconds on generated texts. They show that every step works and say nothing about the
> models that they are named after. What needs no model is what it is at full size.
"""
OTHERS = "Others"


def index_markdown(
    figures: Mapping[str, Entry],
    tables: Mapping[str, Entry],
    models: Mapping[str, Entry],
    pages: Collection[str],
    waiting: Mapping[str, str] = MappingProxyType({}),
    origins: Mapping[str, Any] = MappingProxyType({}),
    findings: Mapping[str, str] = MappingProxyType({}),
    atlas: bool = False,
) -> str:
    """The first page as Markdown: a section per paper, an item of a list per figure and table.

    Parameters
    ----------
    figures, tables, models : mapping
        Of the configuration, checked, by name.
    pages : collection of str
        Those that are built beside it.
    waiting : mapping
        Figures and tables that could not be built, by name, with what each waits for.
    origins : mapping
        As `pages.made_by.origins` gives it.
    findings : mapping
        What those that are built show, a sentence of Markdown by name.
    atlas : bool
        Whether there is an atlas of their runs.

    Returns
    -------
    str
        An item has a picture, what it shows, and links to its place on the paper's page, if there
        is one, to its files and to what made it. If a model in use is a stand-in, the page says so
        at its head.
    """
    entries = [("figure", name, entry) for name, entry in figures.items()]
    entries += [("table", name, entry) for name, entry in tables.items()]
    used = {model for _, _, entry in entries for model in models_of(entry)}
    parts = [INTRODUCTION]
    if any("train" in models[name] for name in used):
        parts.append(STAND_INS)
    if atlas:
        parts.append(
            f"All metrics of all runs, to look around in: [the atlas]({HOME}/results/atlas.html).\n"
        )
    more = [name for name in ("errata", "comparison") if name in pages]
    if more:
        listed = " and ".join(f"[{called(name)}]({name}.html)" for name in more)
        parts.append(f"Across the papers: {listed}.\n")
    if origins:
        parts.append(f"{origins['code']}\n")
    papers = dict.fromkeys(entry.get("paper") for *_, entry in entries)
    for paper in sorted(papers, key=lambda paper: paper is None):
        found = [part for part in entries if part[2].get("paper") == paper]
        heading = OTHERS if paper is None else called(paper)
        if paper in pages:
            heading = f"[{heading}]({paper}.html)"
        items = "".join(
            _item(kind, name, entry, models, pages, waiting, origins, findings)
            for kind, name, entry in found
        )
        parts.append(f"## {heading}\n\n{items}")
    return "\n".join(parts)


def _item(
    kind: str,
    name: str,
    entry: Entry,
    models: Mapping[str, Entry],
    pages: Collection[str],
    waiting: Mapping[str, str],
    origins: Mapping[str, Any],
    findings: Mapping[str, str],
) -> str:
    title = escaped_markdown(entry.get("title", name))
    if entry.get("paper") in pages:
        title = f"[{title}]({entry['paper']}.html#{kind}-{name})"
    place = "figures" if kind == "figure" else "results/tables"
    endings = {"PDF": ".pdf", "numbers": ".csv"}
    if kind == "table":
        endings = {"CSV": ".csv", "LaTeX": ".tex"}
    files = ", ".join(f"[{file}]({HOME}/{place}/{name}{end})" for file, end in endings.items())
    if "paper" not in entry:  # no target of a paper builds it
        files = f"`snakemake {place}/{name}{next(iter(endings.values()))}`"
    if name in waiting:
        files = escaped_markdown(f"not built yet: {waiting[name]}")
    titles = [str(models[model].get("title", model)) for model in models_of(entry)]
    shown = " and ".join(titles) if len(titles) < 3 else f"{titles[0]} to {titles[-1]}"
    made_by = ", ".join(
        f"[`{part}`]({address})" for _, part, address in origins.get("made_by", {}).get(name, [])
    )
    picture = ""
    if name in findings and (kind == "figure" or KINDS[entry["kind"]].with_figure):
        alt = escaped_markdown(f"Picture of {name}")
        picture = f'![{alt}]({HOME}/figures/{name}.png "{SMALL}") '
    parts = [
        f"**{title}** (`{name}`).",
        findings.get(name, ""),
        f"Models: {escaped_markdown(shown)}." if titles else "",
        f"Files: {files}.",
        f"Made by {made_by}." if made_by else "",
    ]
    return f"- {picture}{' '.join(filter(None, parts))}\n"
