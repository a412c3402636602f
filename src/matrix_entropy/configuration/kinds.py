"""The kinds of figures and tables: all that is to be known of one, but its numbers and its drawing.

From here follow what the schema allows, the checks of an entry, the rule, the caption, and
why nothing published is compared. No kind has a rule or a script of its own: a function takes
its entry and its runs, and gives a `figures.drawing.Drawing` or a `tables.making.Table`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

# Why a figure or table of a kind has nothing published to be compared with.
DRAWN = "drawn in the paper, its points neither printed nor read off"
WORDS = "words, a drawing or a formula, without measured numbers"
CONTROL = "a control or list of this project, not in the paper"
COMPUTED = "computed from numbers that another paper prints, so nothing is rebuilt"
IN_TABLES = "its numbers are those of tables, which are compared"
NO_CURVE = "the paper has no figure of this model and data set"
# Published numbers of all papers.
TABLES_OF_PAPERS, CURVES_OF_PAPERS = "*/published/tables.csv", "*/published/figures.csv"

Reads = Literal[
    "metrics", "accuracies", "rows", "texts", "gains", "sentences", "origins",
    "images", "image operations", "architectures", "nothing",
]  # fmt: skip


# Of texts, with something beside them if so.
WITH_METRICS = ("metrics", "accuracies", "rows", "texts")


@dataclass(frozen=True)
class Kind:
    """A kind of figure or table.

    Attributes
    ----------
    says : str
        What it shows, for whoever writes an entry.
    needs, allows : tuple of str
        Keys that an entry must and may have beside ``paper``, ``kind`` and ``title``.
    made_by : str
        The function that makes it, ``module:function``, or the module of a function ``make``.
    reads : str
        What its rule gives it: metrics of its runs, with accuracies, rows or ranks of many texts
        beside them;
        information gains; sentences; origins of texts; metrics of images as they are, or of all
        operations on them; or no file, and of models what they are made of, if that.
    tables : tuple of str
        What CSV files beside NAME.csv in figures/ are called: ``gaps`` is NAME.gaps.csv.
    published : str
        Published numbers that it reads, a pattern below paper/.
    caption : str
        Its caption in the report, of workflow/report/.
    not_compared : str
        Why no published numbers stand beside it; empty where some may.
    across_blocks, of_sentences, against_fresh, on_images, of_vision : bool
        Whether it draws curves across blocks, looks at sentences one by one, runs fresh weights
        over a data set of one group, runs models over images, shows vision-language models.
    with_figure : bool
        Of a table, whether a figure of the same name stands beside it.
    """

    says: str
    needs: tuple[str, ...] = ()
    allows: tuple[str, ...] = ()
    made_by: str = ""
    reads: Reads = "nothing"
    tables: tuple[str, ...] = ()
    published: str = ""
    caption: str = "table"
    not_compared: str = ""
    across_blocks: bool = False
    of_sentences: bool = False
    against_fresh: bool = False
    on_images: bool = False
    of_vision: bool = False
    with_figure: bool = False

    @property
    def module(self) -> str:
        """The module of the function that makes it, as a path in the library."""
        return self.made_by.partition(":")[0]


def _of_models(says: str, module: str, *more: str, **rest: object) -> Kind:
    """A figure that compares models on a data set, from their metrics."""
    found = {"needs": ("models", "dataset", *more), "caption": "models", "reads": "metrics"}
    return Kind(says, made_by=f"figures/kinds/{module}", **(found | rest))  # type: ignore[arg-type]


def _control(says: str, module: str, *needs: str, published: str = "") -> Kind:
    """A control across blocks, from metrics, with a table of gaps between groups beside it."""
    return Kind(
        says, needs, (), f"figures/kinds/{module}", "metrics", ("gaps",), published, "controls",
        CONTROL, across_blocks=True,
    )  # fmt: skip


def _theory(
    says: str, module: str, *needs: str, tables: tuple[str, ...], published: str = "", why: str = ""
) -> Kind:
    """A figure that needs no model, from published numbers or a simulation."""
    return Kind(
        says, needs, (), f"figures/kinds/{module}", "nothing", tables, published, "theory", why
    )


def _of_values(says: str, make: str, *more: str, reads: Reads = "metrics") -> Kind:
    """A table of models' values on a data set, beside which a published table may stand."""
    return Kind(
        says, ("models", "dataset", *more), ("table",), f"tables/model_tables:{make}", reads,
        published=TABLES_OF_PAPERS,
    )  # fmt: skip


def _of_vision(says: str, make: str, *needs: str, reads: Reads, **rest: object) -> Kind:
    """A table of vision-language models."""
    found = {"allows": ("table",), "published": TABLES_OF_PAPERS, "on_images": True}
    return Kind(
        says, needs, made_by=f"tables/multimodal_tables:{make}", reads=reads,
        caption="multimodal_table", of_vision=True, **(found | rest),  # type: ignore[arg-type]
    )  # fmt: skip


FIGURES: dict[str, Kind] = {
    "layers": Kind(
        "one model across its blocks", ("model", "dataset"), ("overlay", "metric"),
        "figures/kinds/layers", "metrics",
        published=CURVES_OF_PAPERS, caption="layers", not_compared=NO_CURVE, across_blocks=True,
    ),
    "scaling": _of_models(
        "entropy, rank, loss and perplexity of `models:` against size", "scaling_figure",
        allows=("leave_out", "overlay"), tables=("fits",), published="wei2024/published/*.csv",
        not_compared=IN_TABLES,
    ),
    "normalisations": _of_models(
        "the three ways of making one number of a data set", "normalisations", not_compared=DRAWN
    ),
    "context_length": _of_models(
        "against the rows kept (`lengths:` of the data set)", "context_length", not_compared=DRAWN
    ),
    "few_rows": _of_models(
        "what few rows do to every metric of a data set: against the rows kept (`lengths:` of it), "
        "beside fresh weights (`seeds:`)",
        "few_rows", "seeds", not_compared=CONTROL, against_fresh=True,
    ),
    "many_texts": _of_models(
        "ranks of one vector for each of many texts, and of two views of each (`two_views:` of the "
        "data set), across the blocks of `models:`",
        "many_texts", reads="texts", not_compared=CONTROL, across_blocks=True,
    ),
    "operations": _of_models("the variants of a data set", "operations", not_compared=DRAWN),
    "untrained": _of_models(
        "against the same architectures with fresh weights (`seeds:`)", "untrained", "seeds",
        allows=("group",), not_compared=CONTROL, against_fresh=True,
    ),
    "start_of_weights": _of_models(
        "one model against fresh weights that are drawn with several standard deviations "
        "(`initializer_ranges:`), across its blocks",
        "start_of_weights",
        needs=("model", "dataset", "seeds", "initializer_ranges"), allows=("group",),
        not_compared=CONTROL, against_fresh=True,
    ),
    "trajectory": Kind(
        "`models:` while they learnt: layers against `steps:` of training, whose checkpoints "
        "`revisions:` or `train.checkpoints:` of the models name",
        ("models", "dataset", "steps"), ("metric",), "figures/kinds/trajectory", "metrics",
        caption="models", not_compared=CONTROL, across_blocks=True,
    ),
    "information_gain": Kind(
        "of the first tokens of texts about a function, against their number",
        ("models", "dataset", "information_gain"), ("group", "seeds"),
        "figures/kinds/information_gain_figure", "gains",
        caption="information_gain", not_compared=DRAWN,
    ),
    "sentence_map": Kind(
        "the sentences of a data set by the distances between them, for one model",
        ("model", "dataset", "sentence_map"), (), "figures/kinds/sentence_figure", "sentences",
        ("distances",), caption="sentence_map", not_compared=DRAWN, of_sentences=True,
    ),
    "published_entropy": _theory(
        "normalised entropy of published numbers; no model", "published_entropy",
        "published_entropy", tables=("fits",), published="wei2024/published/*.csv", why=COMPUTED,
    ),
    "skill_graph": _theory(
        "a sampled graph of skills and texts; no model", "skill_graph", "skill_graph",
        tables=(), why=WORDS,
    ),
    "skill_scaling": _theory(
        "scaling in that graph; no model", "skill_scaling", "skill_scaling", tables=("fits",),
        why=WORDS,
    ),
    "schematic": Kind(
        "where the entropies of vision-language `models:` are measured", ("models",), (),
        "figures/kinds/schematic", "architectures",
        caption="schematic", not_compared=WORDS, of_vision=True,
    ),
    "log_d_null": _theory(
        "control: what log d alone explains of the published tables; no model", "log_d_null",
        tables=("shares", "comparison"), published="wei2024/published/*.csv", why=CONTROL,
    ),
    "length_control": _control(
        "control: group means against the length of texts, across the blocks of `models:` on "
        "`datasets:`",
        "length_control", "models", "datasets", published="*/published/*.csv",
    ),
    "first_token": _control(
        "control: with and without the first row, across the blocks of `models:` on `datasets:`",
        "first_token", "models", "datasets",
    ),
    "untrained_blocks": _control(
        "control: one of `models:` against fresh weights (`seeds:`), across its blocks",
        "untrained_blocks", "models", "dataset", "seeds",
    ),
    "long_rows": Kind(
        "control: rows far longer than the others and what they do to the entropy of `model:`, "
        "beside fresh weights if there are `seeds:`",
        ("model", "dataset"), ("seeds",), "figures/kinds/long_rows_figure", "rows",
        ("texts", "positions", "formula"), "", "controls", CONTROL, across_blocks=True,
    ),
}  # fmt: skip

TABLES: dict[str, Kind] = {
    "indicators": replace(
        _of_values(
            "entropy, loss, perplexity (and accuracy, where a data set has a `task:`) of `models:` "
            "on the groups of `dataset:`",
            "indicators", reads="accuracies",
        ),
        allows=("table", "perplexity"),
    ),
    "lora": _of_values(
        "the same before and after fine-tuning on each data set that the union `dataset:` joins",
        "lora", "lora",
    ),
    "variants": _of_values("entropy for each variant of `dataset:`", "variants"),
    "samples": _of_values(
        "entropy for each member of a union, and their standard deviation", "samples"
    ),
    "prompts": Kind(
        "the prefixes of `dataset:`", ("dataset",), (), "tables/model_tables:prompts",
        not_compared=WORDS,
    ),
    "sources": Kind(
        "where the texts of `datasets:` come from", ("datasets",), (),
        "tables/model_tables:sources", "origins", not_compared=CONTROL,
    ),
    "token_selection": Kind(
        "tokens of a sentence that `model:` attends to, and those that Lasso picks, with a figure "
        "of the same name",
        ("model", "dataset", "token_selection"), (), "tables/token_table", "sentences",
        published="tan2024/published/tokens.csv", caption="token_table", of_sentences=True,
        with_figure=True,
    ),
    "group_gaps": Kind(
        "gaps between the two groups of each panel of `datasets:`, of `models:` across their "
        "blocks, with errors and tests, and with a figure of the same name",
        ("models", "datasets"), (), "tables/gap_table", "metrics", ("blocks",),
        not_compared=CONTROL, across_blocks=True, with_figure=True,
    ),
    "multimodal": _of_vision(
        "entropy of vision-language models at the five places H1 to H5 on the images and texts of "
        "`datasets:`",
        "places", "models", "datasets", reads="images",
    ),
    "image_operations": _of_vision(
        "the same for one `dataset:`, its images rotated, its image tokens reversed",
        "operations", "model", "dataset", reads="image operations",
    ),
    "architecture": _of_vision(
        "the parts of vision-language `models:`", "architectures", "models",
        reads="architectures", allows=(), published="", on_images=False, not_compared=WORDS,
    ),
}  # fmt: skip

KINDS = FIGURES | TABLES


def rule_of(kind: str) -> str:
    """The rule that makes figures or tables of a kind.

    Examples
    --------
    >>> rule_of("layers"), rule_of("lora")
    ('plot_layers', 'write_lora')
    """
    return f"{'write' if kind in TABLES else 'plot'}_{kind}"


def described(kinds: dict[str, Kind]) -> str:
    """What each kind shows, for the schema."""
    return " ".join(f"`{name}`: {kind.says}." for name, kind in kinds.items())
