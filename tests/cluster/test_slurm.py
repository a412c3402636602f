"""A part of the miniature scale on a real Slurm; see check_slurm.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from check_slurm import NO_SLURM
from two_nodes import NoSlurmError, check_possible


@pytest.mark.slurm
def test_liang_on_two_nodes_is_what_it_is_on_one_machine() -> None:
    try:
        check_possible()
    except NoSlurmError as error:
        pytest.skip(f"no Slurm here: {error}")
    script = Path(__file__).with_name("check_slurm.py")
    done = subprocess.run([sys.executable, str(script)], text=True, capture_output=True)
    print(done.stdout)
    if done.returncode == NO_SLURM:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    for told in ("cancelled and sent again: rule_train_stand_in", "equal to the local run: "):
        assert told in done.stdout
