"""Finding a model needs none of the libraries that run it; test_models.py has what is found."""

from __future__ import annotations

import subprocess
import sys


def test_a_model_is_found_without_the_libraries_that_run_it() -> None:
    """They would take more time than to find it."""
    wanted = {"torch", "transformers", "tokenizers", "accelerate", "pandas"}
    looked = f"import sys, matrix_entropy.models.resolving; print({wanted} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", looked], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "set()\n"), done.stderr
