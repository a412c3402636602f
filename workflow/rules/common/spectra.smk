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


def code_with_measures(script):
    """What a job of spectra consists of: of measures, only one that takes some has their code."""

    def of_part(wildcards):
        taken = "measures" in views_to_make(wildcards)
        return [*code(script), *(code_of("maths/measures") if taken else [])]

    return of_part


def views_of(wildcards):
    """In how many ways the rows of a text are counted."""
    dataset = DATASETS[dataset_of(wildcards)]
    return 1 + len(dataset["controls"]) + len(dataset.get("lengths", []))


def memory_of_spectra(wildcards, input):
    """MiB for the spectra of a data set, which are held three times while they are put together.

    A text has at most as many eigenvalues, of 8 bytes, as rows, and a row is ``width`` times 4.
    """
    width = MODELS[wildcards.model]["width"]
    return 4000 + 3 * views_of(wildcards) * 8 / (4 * width) * input.size_mb


def memory_of_stream(wildcards, input):
    """MiB for a model and the spectra of all layers; a token is taken to be three bytes of text."""
    layers = len(entries.layers_of(MODELS[wildcards.model]))
    spectra = 3 * views_of(wildcards) * layers * 8 / 3 * input.size_mb
    return memory_of(wildcards.model) + spectra


def shards_of(wildcards):
    """Spectra of a data set's shards, in their order."""
    parts = experiments.part_names(wildcards.dataset, DATASETS[wildcards.dataset]["shards"])
    return [f"results/spectra/{wildcards.model}/{part}.npz" for part in parts]


def megabytes_of_checkpoint(wildcards):
    """MB of a checkpoint in float32, once more if its weights are converted: what it may take."""
    entry = MODELS[wildcards.model]
    copies = 2 if entry["convert_weights"] else 1
    return int(copies * 4 * weights(wildcards.model) / 1e6)
