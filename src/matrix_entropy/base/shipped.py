"""Files that come with the library and are no code: published numbers, schemas, tasks, texts."""

from __future__ import annotations

from pathlib import Path

LIBRARY = Path(__file__).parents[1]
INSTALLED = LIBRARY / "shipped"
# In the repository they are beside src/; an installed package has them inside.
ROOT = INSTALLED if INSTALLED.is_dir() else LIBRARY.parents[1]
PAPERS = ROOT / "paper"
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
TASKS = ROOT / "workflow" / "tasks"
CITATION = ROOT / "CITATION.cff"


def published(paper: str, table: str) -> Path:
    """A table of what a paper prints or draws; it need not be there."""
    return PAPERS / paper / "published" / f"{table}.csv"
