"""Metrics of all texts and layers of one model and data set."""

from matrix_entropy.console import job
from matrix_entropy.files import write_csv
from matrix_entropy.metrics import metrics_table, summary_table, write_metrics
from matrix_entropy.spectra_file import Spectra

with job(snakemake.log[0]) as log:
    spectra = Spectra.load(snakemake.input.spectra)
    write_metrics(snakemake.output.metrics, metrics_table(spectra), spectra.provenance)
    summary = summary_table(spectra)
    write_csv(snakemake.output.summary, summary)
    for group in summary.loc[summary["texts"] == 1, "group"].unique():
        log.warning("group '%s' has a single text: its means are that text's values", group)
