"""Metrics of all texts and layers of one model and data set."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from matrix_entropy.models.provenance import common_provenance
from matrix_entropy.results.intermediates import check_made_of
from matrix_entropy.results.metrics import (
    joined_layers,
    metrics_table,
    summary_table,
    write_metrics,
    write_summary,
)
from matrix_entropy.results.spectra_file import Spectra
from matrix_entropy.running.console import job

with job(snakemake.log[0]) as log:
    # One file with all layers, or one for each place of a vision-language model.
    views, groups = snakemake.params.views, snakemake.params.groups
    made_of = snakemake.input.get("record"), snakemake.input.get("origin")
    asked = snakemake.params.metrics
    spectra = []
    for path in snakemake.input.spectra:
        found = Spectra.load(path)
        check_made_of(path, found.provenance, snakemake.params.options, *made_of)
        found = found.with_views(views).with_measures(snakemake.params.measures)
        spectra.append(found.with_groups(groups))
    metrics = joined_layers([metrics_table(one, asked) for one in spectra])
    provenance = common_provenance([one.provenance for one in spectra])
    write_metrics(snakemake.output.metrics, metrics, provenance)
    summary = joined_layers([summary_table(one, asked) for one in spectra])
    write_summary(snakemake.output.summary, summary, provenance)
    for group in summary.loc[summary["texts"] == 1, "group"].unique():
        log.warning("group '%s' has a single text: its means are that text's values", group)
