"""The parts of the command, and how it ends.

With 0, with 1 and one sentence on bad input, or with 2 and the usage on a bad command line.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from matrix_entropy import __version__
from matrix_entropy.api.wording import in_options
from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import is_full_disk
from matrix_entropy.command import drawing, listing, measuring, starting, workflow

INTERRUPTED = 130  # as a shell says it
PARTS = (measuring, drawing, listing, starting, workflow)


def parser() -> argparse.ArgumentParser:
    """The command line, by parts."""
    whole = argparse.ArgumentParser(
        prog="matrix-entropy",
        description="Matrix entropy of the hidden states of language models.",
        epilog="`matrix-entropy PART --help` explains a part; docs/command.md shows all of them.",
        allow_abbrev=False,
    )
    whole.add_argument("--version", action="version", version=__version__)
    parts = whole.add_subparsers(dest="part", metavar="PART", required=True)
    for part in PARTS:
        part.add_to(parts)
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what a command line says; its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # What follows belongs to Snakemake, whatever it is called.
    if given[:1] and given[0] in workflow.PASSED_ON and {"-h", "--help"}.isdisjoint(given[1:2]):
        asked = argparse.Namespace(part=given[0], rest=given[1:], run=workflow.passed_on)
    else:
        asked = parser().parse_args(given)
    try:
        status = asked.run(asked)
        sys.stdout.flush()
        return int(status or 0)
    except InputError as error:
        return _refused(in_options(str(error)))
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("matrix_entropy"):
            raise
        extra = "workflow" if asked.part in workflow.NEEDS_WORKFLOW else "models"
        return _refused(
            f"{error.name} is not installed, which `{asked.part}` needs: "
            f'pip install "matrix-entropy[{extra}]"'
        )
    except BrokenPipeError:  # whoever reads has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        if not is_full_disk(error) and not error.filename:
            raise
        return _refused(f"{error.filename or 'a file'}: {error.strerror or error}.")


def _refused(sentence: str) -> int:
    print(f"error: {sentence}", file=sys.stderr)
    return 1
