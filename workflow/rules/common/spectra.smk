"""What the rules of spectra ask of the configuration."""


def models_of_spectra(streamed):
    """Models whose spectra are made with, or without, hidden states on disk.

    Those that were made the other way are as good, and are left to the rule that made them, so that
    another `hidden_states:` in the configuration runs no model again, unless a run is to (-F, -R).
    """
    if not workflow.is_main_process:  # a job is told its rule
        return names(STAYING)
    chosen = config["hidden_states"] == "stream"
    # Rules are read before Snakemake knows what it is to force.
    forced = {"-F", "--forceall", "-R", "--forcerun"} & set(sys.argv)
    made = [] if forced else asked_views.made_otherwise(Path("results/spectra"), chosen)
    others = one_of(made)
    look = "!" if streamed is chosen else "="
    return rf"(?{look}(?:{others})\.npz)(?:{names(STAYING)})"


def views_to_make(wildcards):
    """The views that spectra are made with, by which a view that is taken away runs nothing."""
    asked = asked_views.asked_views(DATASETS[dataset_of(wildcards)])
    return asked_views.made_views(
        Path(f"results/spectra/{wildcards.model}/{wildcards.part}.npz"), asked
    )


def measures_of_model(wildcards):
    """Of the measures that spectra are made with, those that are taken while the model runs."""
    asked = views_to_make(wildcards).get("measures", [])
    if not asked:
        return {}
    # NumPy comes with them, for which no plan should wait that needs none.
    from matrix_entropy.maths.model_measures import of_model

    return {"measures": found} if (found := of_model(asked)) else {}


def code_with_measures(script):
    """What a job of spectra consists of: of measures, only one that takes some has their code."""

    def of_part(wildcards):
        taken = "measures" in views_to_make(wildcards)
        return [*code(script), *(code_of("maths/measures") if taken else [])]

    return of_part


def shards_of(wildcards):
    """Spectra of a data set's shards, in their order."""
    parts = experiments.part_names(wildcards.dataset, DATASETS[wildcards.dataset]["shards"])
    return [f"results/spectra/{wildcards.model}/{part}.npz" for part in parts]


def megabytes_of_checkpoint(wildcards):
    """MB of a checkpoint in float32, once more if its weights are converted: what it may take."""
    entry = MODELS[wildcards.model]
    copies = 2 if entry["convert_weights"] else 1
    return int(copies * 4 * weights(wildcards.model) / 1e6)
