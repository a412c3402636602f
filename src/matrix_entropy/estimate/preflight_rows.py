"""The table of `estimate.preflight`: a row for everything that a run needs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

import pandas as pd

from matrix_entropy.estimate.prefetch import size_of
from matrix_entropy.sources.lock_file import COMMIT

FAILS = "WOULD FAIL"
LONGEST = 60  # letters of a source


@dataclass(frozen=True)
class Row:
    """One thing that is needed: what it is, how much of it is to come, whether it can be had."""

    kind: str
    name: str  # what the configuration calls it
    source: str
    revision: str = ""
    commit: str = ""
    bytes: float | None = None  # bytes that are to come, or that have to fit
    state: str = FAILS
    wrong: str = ""  # a sentence, if a run would fail by this


def table_of(rows: list[Row]) -> pd.DataFrame:
    """The rows as they are written to a file."""
    return pd.DataFrame([asdict(row) for row in rows], columns=list(Row.__annotations__))


def described(rows: list[Row]) -> str:
    """The rows as a person reads them; sentences come by themselves."""
    shown = [
        {
            "": row.kind,
            "name": row.name,
            "source": _short(row.source),
            "revision": _leading(row),
            "size": "" if row.bytes is None else size_of(row.bytes),
            "state": row.state,
        }
        for row in rows
    ]
    return pd.DataFrame(shown).to_string(index=False)


def _leading(row: Row) -> str:
    """A revision and the commit that it leads to, unless it is one."""
    revision = row.revision[:7] if COMMIT.fullmatch(row.revision) else row.revision
    leads = row.commit and row.commit != row.revision
    return f"{revision} -> {row.commit[:7]}" if leads else revision


def _short(source: str) -> str:
    """An address by its host and the name of its file; the end of a long path.

    Examples
    --------
    >>> _short("https://example.org/a/b/texts.json"), _short("openai-community/gpt2")
    ('example.org/…/texts.json', 'openai-community/gpt2')
    """
    if "://" in source:
        address = urlsplit(source)
        source = f"{address.netloc}/…/{address.path.rpartition('/')[2]}"
    return source if len(source) <= LONGEST else f"…{source[-LONGEST:]}"
