"""See that the files of --configfile can be read, before Snakemake reads them.

It does so ahead of any Snakefile, and tells of most faults without the name of the file or in a
traceback. Profiles are what it looks at before, so all of them run this.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from matrix_entropy.base.errors import InputError
from matrix_entropy.configuration.files import read_strictly

parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
parser.add_argument("--configfile", "--configfiles", nargs="+", type=Path, default=[])
try:
    for path in parser.parse_known_args()[0].configfile:
        read_strictly(path)
except InputError as error:
    raise SystemExit(f"error: {error}") from None
