"""Put a MiniGPT-v2 together from the authors' files."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from pathlib import Path

from matrix_entropy.base.files import read_json, write_json
from matrix_entropy.models.provenance import described
from matrix_entropy.models.vision.eva_vit import eva_vit
from matrix_entropy.models.vision.minigpt_v2_checkpoint import convert_minigpt_v2
from matrix_entropy.results.intermediates import read_record
from matrix_entropy.running.console import job
from matrix_entropy.sources.model_files import check_recorded, contents

with job(snakemake.log[0]) as log:
    parts, vision = snakemake.params.parts, snakemake.params.vision
    language = read_record(snakemake.input.language)
    check_recorded(language, weights=True)
    folder = Path(snakemake.output.folder)
    convert_minigpt_v2(
        Path(parts["checkpoint"]),
        Path(parts["vision_encoder"]),
        Path(language["folder"]),
        folder,
        eva_vit(*(vision[key] for key in ("layers", "width", "image_size", "patch"))),
    )
    record = {
        "model": snakemake.wildcards.model,
        "source": "minigpt_v2",
        "id": parts["checkpoint"],
        "folder": str(folder.absolute()),
        "stand_in": False,
        **contents(folder),
        "made_of": read_json(folder / "config.json")["sources"],
        "language_model": described(language),
    }
    write_json(snakemake.output.record, record)
