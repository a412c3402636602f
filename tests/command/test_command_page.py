"""Every command of docs/command.md, as it is written there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import matrix_entropy as me
from conftest import ROOT
from typed_commands import fill, typed


def blocks() -> list[str]:
    """The commands of docs/command.md, part by part."""
    page = (ROOT / "docs/command.md").read_text(encoding="utf-8")
    return [part.split("```")[0] for part in page.split("```bash\n")[1:]]


def test_every_command_of_the_page_runs(tmp_path: Path) -> None:
    made, beside = tmp_path / "place", tmp_path / "beside"
    for folder in (made, beside):
        folder.mkdir()
    fill(made)
    measuring, options, listing, running = blocks()
    done = typed(measuring, made, beside)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:3] == ["group", "layer", "texts"]
    table = pd.read_csv(made / "stories.csv", dtype={"layer": str})
    assert set(table["group"]) == {"good", "bad"}
    assert "matrix_entropy_without_long_rows" in table
    assert (made / "stories.pdf").read_bytes().startswith(b"%PDF")
    done = typed(options, made, beside)
    assert done.returncode == 0, done.stderr
    assert set(pd.read_parquet(made / "table.parquet")["group"]) == {"m0", "m1"}
    assert {"rankme", "curvature", "norm_ratio"} <= set(done.stdout.split())
    assert (made / "layers.png").read_bytes().startswith(b"\x89PNG")
    done = typed(listing, made, beside)
    assert done.returncode == 0, done.stderr
    for words in ("effective_rank", "kinds:", "figure: one model across its blocks", "wei2024"):
        assert words in done.stdout
    done = typed(running, made, beside)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "The configuration is in order (models 1, data sets 1, figures 1" in done.stdout
    assert "Device h100" in done.stderr
    assert "that a run needs are there" in done.stderr
    assert (made / "mine/figures/layers.pdf").is_file()
    assert "This was a dry-run" in done.stdout + done.stderr
    # The workflow's numbers are those of the command.
    by_run = pd.read_parquet(made / "mine/results/metrics/my_model/texts.parquet")
    found = me.measure(made / "my_model", made / "texts.txt", progress=False)
    np.testing.assert_allclose(found["matrix_entropy"], by_run["matrix_entropy"], rtol=1e-12)
