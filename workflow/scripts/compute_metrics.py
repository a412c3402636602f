"""Metrics of all texts and layers of one model and data set."""

from matrix_entropy.console import job
from matrix_entropy.files import writing
from matrix_entropy.metrics import metrics_table, summary_table, write_metrics
from matrix_entropy.spectra_file import Spectra

with job(snakemake.log[0]):
    spectra = Spectra.load(snakemake.input.spectra)
    metrics = metrics_table(spectra)
    write_metrics(snakemake.output.metrics, metrics, spectra.provenance)
    with writing(snakemake.output.summary) as temporary:
        summary_table(metrics, spectra.width).to_csv(temporary, index=False)
