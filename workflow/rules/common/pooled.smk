"""What the rules of vectors of texts ask of the configuration."""

# A token is taken to be three bytes of text, and a text to have no fewer than so many.
FEWEST_TOKENS = 10


def memory_of_vectors(wildcards, input):
    """MiB for a model and the vectors of all texts, at most the 4 GiB that a job keeps."""
    model = MODELS[wildcards.model]
    texts = input.size_mb * 1e6 / (3 * FEWEST_TOKENS)
    parts = 3 if DATASETS[wildcards.dataset].get("two_views") == "halves" else 1
    vectors = 2 * parts * 4 * len(entries.layers_of(model)) * model["width"] * texts / 2**20
    return memory_of(wildcards.model) + min(4096, vectors)


def pairs_of(wildcards):
    """Panels whose texts are two views of something, with their groups."""
    dataset = DATASETS[wildcards.dataset]
    return dataset["panels"] if dataset.get("two_views") == "pairs" else {}
