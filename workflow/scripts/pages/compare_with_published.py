"""Compare everything rebuilt with everything published."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from pathlib import Path

from matrix_entropy.base.files import write_csv, writing
from matrix_entropy.pages.comparison_page import comparison_markdown, shown_names
from matrix_entropy.published.comparison import compare, summary
from matrix_entropy.running.console import job

with job(snakemake.log[0]) as log:
    entries, models, datasets = (snakemake.params[key] for key in ("entries", "models", "datasets"))
    compared = compare(entries, models, datasets, snakemake.input.built)
    items = summary(compared)
    write_csv(snakemake.output.numbers, compared)
    write_csv(snakemake.output.summary, items)
    others, waiting = snakemake.params.others, snakemake.params.waiting
    names = shown_names(models, datasets)
    page = comparison_markdown(compared, items, entries, others, names, waiting)
    with writing(Path(snakemake.output.page)) as temporary:
        temporary.write_text(page, encoding="utf-8")
    for name, what in waiting.items():
        log.warning("%s is not built yet: %s", name, what)
    log.info("%d numbers and directions of %d items", len(compared), len(items))
