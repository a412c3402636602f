"""What the rules of information gain ask of the configuration."""


def group_of_gains(wildcards):
    """The group whose texts a figure's gains are of; none where a model reads its texts alone."""
    group = FIGURES[wildcards.figure].get("group")
    return None if group == dataset_of(wildcards) else group
