"""The comparison with what is published, as a page: a row per item, then what needs to be read.

What has a paper and yet nothing to be compared with is listed with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import pandas as pd

from matrix_entropy.configuration.kinds import KINDS
from matrix_entropy.pages.page_markdown import escaped_markdown
from matrix_entropy.published.comparison import DIRECTION, FAIL, OTHER, SAME
from matrix_entropy.published.directions import CANNOT_TELL
from matrix_entropy.published.tables import STAND_IN
from matrix_entropy.published.text_claims import text_claims

Entry = dict[str, Any]

HOME = "../.."  # of what is built, seen from the page
INTRODUCTION = f"""\
# Rebuilt beside published

Every number of the papers that is printed, or was read off a figure, beside the one that was
rebuilt. A number passes if it differs by no more than its tolerance, which is the sum of what may
separate the two: rounding of the printed digits, reading of a figure, samples drawn anew. Where the
paper claims a change and the tolerance is at least as large, a number within it shows nothing, and
the verdict is "cannot tell". What was computed here from printed numbers is no published number,
and what a paper both prints and draws counts once. All of them are in
[comparison.csv]({HOME}/results/comparison.csv), each with its reason, which says so where an amount
is assumed.

Of **stand-ins** no number is judged: they are other models. What is compared of them, and of all
others too, is direction: what rises or falls in the paper, and whether it does here. A rank
correlation with size has a direction only where chance, which takes every order of the sizes as
equally likely, gives one as far from zero at most one time in twenty (exactly counted; fewer than
five sizes can never show that). A change whose paired sampling error is known has one where its
95 % interval leaves zero out. Where either side has none, the verdict is "cannot tell", and the
direction does not count. Of a **real model that is none of the papers'** it is what a paper's text
says in general; where a 95 % interval holds zero, the model "cannot tell". So are figures that a
paper draws without a number, and of stand-ins there is no verdict. A direction that counts agrees
by chance every other time, which the tables set beside those that do agree. Directions of the same
texts or models depend on one another, so that the share that agrees is no test; and chance is the
weakest null, since `H / log d` falls with the width alone. A number whose
tolerance is three standard deviations of samples fails by chance three times in a thousand; nothing
here corrects for that.
"""
CLAIMS = """\
## Claims in words

Each is decided by differences that are positive if it holds: of how many it does, of how many the
contrary, and from which to which they go. Those within what reading or rounding can do are neither.
"""
# Of a kind that is compared elsewhere.
OTHERWISE = "no numbers of it are among those that were published"
SHOWN = {SAME: "same", OTHER: "**other**", CANNOT_TELL: CANNOT_TELL, STAND_IN: STAND_IN}
NO_FAILURES = "None.\n"
NONE_JUDGED = "No number was judged: all of this run are stand-ins' or have no published value.\n"


def comparison_markdown(
    compared: pd.DataFrame,
    items: pd.DataFrame,
    entries: Mapping[str, Entry],
    others: Mapping[str, Entry],
    names: Mapping[str, str],
    waiting: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The page as Markdown.

    Parameters
    ----------
    compared, items : DataFrame
        From `published.comparison.compare` and `published.comparison.summary`.
    entries : mapping
        ``figures:`` and ``tables:`` that were compared, by name, for their titles.
    others : mapping
        Those that belong to a paper and were not compared, with ``kind`` and perhaps ``title``.
    names : mapping
        From `shown_names`; a model or data set that is not in it is called as in ``compared``.
    waiting : mapping
        Figures and tables that could not be built, by name, with what each waits for.
    """
    titles = {name: entry.get("title", name) for name, entry in entries.items()}
    failed = compared[compared["verdict"] == FAIL]
    judged = bool(items["judged"].sum()) if len(items) else False
    told = compared["verdict"].isin(SHOWN)
    directions = compared[(compared["kind"] == DIRECTION) & told]
    return "\n".join(
        [
            INTRODUCTION,
            "## By figure and table\n",
            _rows(
                (
                    *("what", "judged", "passed", "cannot tell", "stand-in", "not built"),
                    *("directions", "agree", "by chance"),
                ),
                (
                    (
                        titles[row.item],
                        row.judged,
                        row.passed,
                        row.cannot_tell,
                        row.stand_in,
                        row.not_built,
                        row.directions,
                        row.agree,
                        f"{row.by_chance:g}",
                    )
                    for row in items.itertuples()
                ),
            ),
            "## Numbers outside their tolerance\n",
            _failures(failed, titles, names)
            if len(failed)
            else NO_FAILURES
            if judged
            else NONE_JUDGED,
            "## Directions\n",
            *_agreement(items),
            _rows(
                ("direction", "what", "of", "published", "rebuilt"),
                (
                    (
                        SHOWN[row.verdict],
                        titles[row.item],
                        _named(row, names),
                        row.published_direction,
                        row.rebuilt_direction,
                    )
                    for row in directions.itertuples()
                ),
                plain=1,
            ),
            *_claims(compared),
            *_not_built(waiting, {**entries, **others}),
            *_not_compared(others),
        ]
    )


def shown_names(models: Mapping[str, Entry], datasets: Mapping[str, Entry]) -> dict[str, str]:
    """What the page calls models and data sets, by each name that a comparison has for them.

    These are the names of the configuration and those of the published tables: family, family with
    size, and ``published`` of a data set.

    Parameters
    ----------
    models, datasets : mapping
        ``models:`` with ``title``, ``family`` and ``size``, ``datasets:`` with ``title`` and
        ``published``, as far as they have them.
    """
    names = {}
    for name, model in models.items():
        if "family" in model:
            family = str(model["family"])
            names[family.lower()] = family
            if "size" in model:
                names[f"{family.lower()}-{model['size']}"] = f"{family}-{model['size']}"
        names[name] = model.get("title", name)
    for name, dataset in datasets.items():
        title = dataset.get("title", name)
        names[name] = title
        names[dataset.get("published", name.replace("_", "-"))] = title
    return names


def _claims(compared: pd.DataFrame) -> list[str]:
    """What papers say in words and several of their numbers decide."""
    claims = text_claims(compared)
    if claims.empty:
        return []
    head = ("claim", "where", "what decides it", "published", "rebuilt", "one real model")
    columns = ["said", "where", "decides", "published", "rebuilt", "one_model"]
    return [CLAIMS, _rows(head, claims[columns].itertuples(index=False, name=None))]


def _agreement(items: pd.DataFrame) -> list[str]:
    """How many directions agree, beside how many would by chance."""
    told = int(items["directions"].sum()) if len(items) else 0
    if not told:
        return []
    agree, chance = int(items["agree"].sum()), float(items["by_chance"].sum())
    return [
        f"Of {told} directions that both sides tell, {agree} agree ({agree / told:.0%}); by chance "
        f"{chance:g} would on average ({chance / told:.0%}).\n"
    ]


def _not_built(waiting: Mapping[str, str], entries: Mapping[str, Entry]) -> list[str]:
    """A line for everything that waits for what its user has to fetch."""
    if not waiting:
        return []
    lines = [f"{entries[name].get('title', name)}: {what}." for name, what in waiting.items()]
    return [
        "## Not built yet\n",
        "Each waits for what has to be fetched by hand; the next run adds what is then there.\n",
        *(f"- {escaped_markdown(line)}" for line in lines),
        "",
    ]


def _not_compared(others: Mapping[str, Entry]) -> list[str]:
    """A paragraph for every reason, with what it applies to."""
    titles: dict[str, list[str]] = {}
    for name, entry in others.items():
        reason = KINDS[entry["kind"]].not_compared or OTHERWISE
        titles.setdefault(reason, []).append(escaped_markdown(entry.get("title", name)))
    if not titles:
        return []
    return [
        "## Not compared\n",
        *(f"- Not compared ({reason}): {'; '.join(named)}." for reason, named in titles.items()),
        "",
    ]


def _failures(failed: pd.DataFrame, titles: Mapping[str, str], names: Mapping[str, str]) -> str:
    return _rows(
        ("what", "of", "published", "rebuilt", "difference", "tolerance", "why so large"),
        (
            (
                titles[row.item],
                _named(row, names),
                f"{row.published:.4g}",
                f"{row.rebuilt:.4g}",
                f"{row.difference:+.2g}",
                f"{row.tolerance:.2g}",
                row.reason,
            )
            for row in failed.itertuples()
        ),
    )


def _named(row: Any, names: Mapping[str, str]) -> str:
    """What a number or direction is of: quantity, model, data set, group, block."""
    parts = [row.quantity, *(names.get(key, key) for key in (row.model, row.dataset)), row.group]
    parts += [] if pd.isna(row.layer) else [f"block {row.layer:g}"]
    return ", ".join(str(part) for part in parts if isinstance(part, str) and part)


def _rows(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]], plain: int = 0) -> str:
    """A table of Markdown; the first ``plain`` cells of a row are Markdown themselves."""
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for row in rows:
        cells = [*map(str, row[:plain]), *(escaped_markdown(str(cell)) for cell in row[plain:])]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
