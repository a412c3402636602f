"""Shared by all tests: no network, one thread, and real material where it is at hand."""

from __future__ import annotations

import gc
import os
import random
from pathlib import Path
from typing import Any

# Before transformers is imported: without it every missing file costs half a minute.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")
# For UMAP numba would take as many threads as there are cores, and torch so many from then on. They
# wait for each other: what a model did afterwards took several times the processor time.
os.environ.setdefault("NUMBA_NUM_THREADS", os.environ["OMP_NUM_THREADS"])

import pytest
import yaml

from matrix_entropy.configuration.papers import with_papers

ROOT = Path(__file__).parent.parent
SHARED = Path(os.environ.get("MATRIX_ENTROPY_REAL_DATA", ROOT.parent / "shared"))


def configured(folder: Path | str = "") -> dict[str, Any]:
    """The configuration of a scale as it is written, with the entries of its papers."""
    return with_papers(yaml.safe_load((ROOT / folder / "config.yaml").read_text(encoding="utf-8")))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shuffle", help="seed: run the tests of every file in a random order")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Shuffle files, and tests within them, which share what a file has built."""
    seed = config.getoption("--shuffle")
    if seed is None:
        return
    drawn = random.Random(seed)
    files = list(dict.fromkeys(item.path for item in items))
    drawn.shuffle(files)
    drawn.shuffle(items)
    items.sort(key=lambda item: files.index(item.path))


def pytest_collection_finish() -> None:
    """Set aside what the test files have imported: looking through it for garbage costs more than
    many tests do."""
    gc.freeze()


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real texts and a real trained model; they are not part of the repository."""
    if not (SHARED / "models" / "stories260K").is_dir():
        pytest.skip(f"no real texts and model in {SHARED} (MATRIX_ENTROPY_REAL_DATA names them)")
    return SHARED


@pytest.fixture(scope="session")
def miniature() -> Path:
    """The built miniature scale."""
    folder = ROOT / "miniature"
    if not (folder / "figures" / "fig10_gpt2_large_world.pdf").exists():
        pytest.skip("the miniature scale is not built: run `make miniature` first")
    return folder
