"""Files that come with the library and are no code: published numbers, schemas, tasks, texts."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[3]
PUBLISHED = ROOT / "data" / "published"
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
TASKS = ROOT / "workflow" / "tasks"
