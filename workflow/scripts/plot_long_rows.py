"""Draw the long rows of a model's texts, and what they do to entropy."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from matrix_entropy.base.files import write_csv
from matrix_entropy.figures.kinds.long_rows_figure import draw_long_rows, long_row_captions
from matrix_entropy.figures.kinds.run_curves import run_metrics
from matrix_entropy.figures.style import save_figure
from matrix_entropy.results.long_row_values import block_values, formula_errors, run_values
from matrix_entropy.results.model_values import fresh_starts
from matrix_entropy.results.rows_file import Rows
from matrix_entropy.running.console import job

with job(snakemake.log[0]):
    figure, models, datasets = (snakemake.params[key] for key in ("figure", "models", "datasets"))
    rows = [Rows.load(path) for path in snakemake.input.rows]
    runs = run_metrics(snakemake.input.metrics, models, datasets)
    texts, positions = run_values(rows, [metrics for _, metrics, _ in runs], models)
    blocks, errors = block_values(texts), formula_errors(texts)
    captions = long_row_captions(
        figure.get("title", figure["name"]),
        runs[0][0],
        rows[0].provenance["options"],
        fresh_starts((of_run.provenance["model"] for of_run in rows), models),
    )
    for path, table in zip(snakemake.output[3:], (texts, positions, errors), strict=True):
        write_csv(path, table)
    save_figure(
        draw_long_rows(blocks, texts, positions, errors, *captions), blocks, snakemake.output[:3]
    )
