from snakemake.utils import min_version

min_version("9.0")


include: "workflow/rules/configuration.smk"


# With --directory, the config.yaml of that folder: one set of rules, two scales.
configfile: "config.yaml"


include: "workflow/rules/common.smk"


# From texts and models to spectra, or spectra from an archive.
if "archive" in config:

    include: "workflow/rules/from_archive.smk"

else:

    include: "workflow/rules/texts.smk"
    include: "workflow/rules/models.smk"
    include: "workflow/rules/preflight.smk"
    include: "workflow/rules/prefetch.smk"
    include: "workflow/rules/hidden_states.smk"
    include: "workflow/rules/spectra.smk"
    include: "workflow/rules/information_gain.smk"
    include: "workflow/rules/sentences.smk"
    include: "workflow/rules/rows.smk"
    include: "workflow/rules/pooled.smk"
    include: "workflow/rules/multimodal.smk"
    include: "workflow/rules/to_archive.smk"
    include: "workflow/rules/estimate.smk"


# From spectra to pages.
include: "workflow/rules/metrics.smk"
include: "workflow/rules/kinds.smk"
include: "workflow/rules/papers.smk"
include: "workflow/rules/atlas.smk"
include: "workflow/rules/paper.smk"
include: "workflow/rules/run_description.smk"


report: "workflow/report/workflow.rst"


onstart:
    # Jobs on this machine need not import their libraries each, and Ctrl-C ends them and the run.
    if workflow.is_main_process and workflow.local_exec:
        workers.begin(scripts_of(workflow.dag.needrun_jobs()))
        # As many jobs with a GPU at a time as this machine has, unless `--resources gpu=` says it.
        if gpus.seen() and "gpu" not in workflow.scheduler.resources:
            workflow.scheduler.global_resources["gpu"] = gpus.seen()
            workflow.scheduler.resources["gpu"] = gpus.seen()
        # By default Snakemake looks at all jobs again a second after each look, and so more and more
        # often the longer it runs: for a limit of jobs a second that no machine comes near.
        limit = workflow.scheduling_settings.max_jobs_per_timespan
        if limit and (limit.max_jobs, limit.timespan) == (100, 1):
            workflow.scheduler.job_rate_limiter = None
        runs = workflow.dag.needrun_jobs()
        if gpus.seen() and any(job.rule.resources.get("gpu") not in (0, None) for job in runs):
            if why := gpus.why_not_without_torch():
                logger.warning(f"This machine has a GPU that its jobs cannot use: {why}.")
        shell.prefix(f"{stopping.UNHEARD}set -euo pipefail; ")
        stopping.with_its_jobs(workflow.scheduler.exit_gracefully)


onerror:
    # A run goes on without what needs a failed job, so that its message is far above.
    if workflow.is_main_process and workflow.scheduler.failed:
        logger.error(failed_jobs.told((job.name, job.log) for job in workflow.scheduler.failed))


rule all:
    """Every figure, table and page of every paper."""
    default_target: True
    input:
        targets_of(*OF_PAPERS),
        rules.paper.input,
        rules.describe_run.output,
