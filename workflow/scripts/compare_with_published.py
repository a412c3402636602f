"""Compare everything rebuilt with everything published."""

from matrix_entropy import start  # noqa: F401  # isort: skip

from pathlib import Path

from matrix_entropy.comparison import compare, summary
from matrix_entropy.comparison_page import comparison_markdown, shown_names
from matrix_entropy.console import job
from matrix_entropy.files import write_csv, writing

with job(snakemake.log[0]) as log:
    entries, models, datasets = (snakemake.params[key] for key in ("entries", "models", "datasets"))
    compared = compare(entries, models, datasets, snakemake.input.built)
    items = summary(compared)
    write_csv(snakemake.output.numbers, compared)
    write_csv(snakemake.output.summary, items)
    page = comparison_markdown(
        compared, items, entries, snakemake.params.others, shown_names(models, datasets)
    )
    with writing(Path(snakemake.output.page)) as temporary:
        temporary.write_text(page, encoding="utf-8")
    log.info("%d numbers and directions of %d items", len(compared), len(items))
