"""Look for the files that a MiniGPT-v2 is made of, and record their hashes."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from matrix_entropy.base.files import write_json
from matrix_entropy.models.vision.minigpt_v2_parts import find_parts
from matrix_entropy.running.console import job

with job(snakemake.log[0]) as log:
    name = snakemake.wildcards.model
    # The address is for a message alone: as a parameter, another one would make all anew.
    fetch_from = snakemake.config["models"][name]["minigpt_v2"].get("fetch_from")
    said = {} if fetch_from is None else {"fetch_from": fetch_from}
    write_json(snakemake.output[0], find_parts(snakemake.params.parts | said, name))
