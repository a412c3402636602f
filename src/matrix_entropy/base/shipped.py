"""Files that come with the library and are no code: published numbers, schemas, tasks, texts."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[3]
PAPERS = ROOT / "paper"
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
TASKS = ROOT / "workflow" / "tasks"


def published(paper: str, table: str) -> Path:
    """A table of what a paper prints or draws; it need not be there."""
    return PAPERS / paper / "published" / f"{table}.csv"
