# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # What a real model shows
#
# The papers' models cannot be had everywhere; one trained language model can:
# SmolLM2-135M-Instruct, which a package of the Python package index holds. It is none of the
# papers' models, and one model cannot say what changes with size. It can say what a trained model
# does with the papers' questions: where dips come from, whether a good story is higher, which
# tokens Lasso picks.

# %% tags=["parameters"]
from IPython.display import display

from matrix_entropy.pages.notebook import Built, number, say, show_frame
from matrix_entropy.pages.readings import gap_words, separations
from matrix_entropy.published.text_claims import of_one_model

results = "results"
figures = "figures"
waiting = {}  # what could not be built, and why
origins = {}  # rule, script and module of each figure and table, and which code ran
stand_in = None  # nothing on this page is one

# %%
built = Built(results, figures, waiting, origins)
MAPS = {
    "smollm2_context_projection": "Maps of the sentences by UMAP and by principal components, from "
    "their last token and from the mean of their tokens; colours are contexts.",
    "smollm2_js_distance": "Maps of the sentences by the log-det Jensen–Shannon distance of their "
    "tokens' covariances; colours are contexts.",
    "smollm2_distance_ablation": "Maps of the sentences, a row for each of four distances of "
    "covariances; colours are contexts.",
}


def show(name, alt):
    """A figure, and how the paper's text compares with it."""
    display(built.figure(name, alt), built.published(name))


# %% [markdown]
# **The model.** 30 blocks of width 576, the Llama architecture, trained by its authors and then
# tuned to follow instructions. The package holds its weights in 4 bits; they are dequantised to 32
# bits once, and all that follows is computed in 32 bits. What the 4 bits change against the
# original weights was not measured here. No token stands in front of the texts, and the states are
# those of the residual stream.
#
# **Fresh weights** are the same architecture with weights drawn anew, five times, as the model's
# own configuration says they were drawn before training.
#
# ## Liang 2024: matrix entropy across layers
#
# ### What the paper says
#
# Entropy changes from block to block, steeply in some; the paper reads this as the way in which a
# model works on a narrative. Good stories have a higher entropy than bad ones, utopian worlds than
# dystopian ones, so that models are sensitive to quality.
#
# ### What the published numbers say
#
# The dips of GPT-2 Small and Medium have the depths that one long row would give
# ([errata](../../../paper/liang2024/errata.md)). In every pair the higher set is that of the
# longer stories.
#
# ### What SmolLM2 shows
#
# The stories are this repository's own: 40 for children and 20 worlds, each pair equal in words.

# %%
show(
    "smollm2_child_layers",
    "Matrix entropy across the 30 blocks on child stories, with bands of one standard deviation; a "
    "dip at block 11. Beside it the same without long rows and with texts cut to equal length.",
)
show(
    "smollm2_world_layers",
    "Matrix entropy across the 30 blocks on utopian and dystopian worlds, with its controls.",
)

# %% [markdown]
# ### Where the dip comes from
#
# Some rows are *long*: their norm is more than ten times the median norm of their text's rows. Less
# the mean over tokens, all other rows then share one direction, which lowers the entropy, the more
# the shorter the text is. The errata have a formula of this. Here it is evaluated with the measured
# norms and the measured entropy of the other rows: no number in it is fitted.

# %%
LONG_ROWS_ALT = (
    "Per block, for trained and fresh weights: the norms of the longest and the second longest row "
    "over the median; the attention that the longest row receives; entropy with all rows and with "
    "long rows left out; entropy by the formula against entropy measured, a point per text and "
    "block."
)
show("smollm2_long_rows", LONG_ROWS_ALT)

# %%
errors = built.numbers("smollm2_long_rows", ".formula.csv").set_index("weights")
places = built.numbers("smollm2_long_rows", ".positions.csv")
blocks = built.numbers("smollm2_long_rows")
blocks = blocks[blocks["group"].isna() & (blocks["weights"] == "trained")]
dip = blocks.loc[blocks["normalised_mean"].idxmin()]
after = blocks[blocks["block"] > dip["block"]]
elsewhere = places[(places["weights"] == "trained") & (places["position"] > 0)]
where = "stand at position 0"
if not elsewhere.empty:
    others = ", ".join(map(str, sorted(set(elsewhere["position"]))))
    where += f" and, in {int(elsewhere['texts'].max())} of {int(dip['texts'])} texts, at {others}"
fresh = int(errors.loc["untrained", "points"]) if "untrained" in errors.index else 0
display(
    say(
        f"The trained model is lowest at block {int(dip['block'])}: "
        f"{number(dip['normalised_mean'])} with all rows, {number(dip['without_long_rows_mean'])} "
        f"with long rows left out. Its long rows {where}; at this block they are up to "
        f"{number(dip['largest_high'], 0)} times as long as the median. From the next block on, "
        f"{number(100 * after['attention_mean'].mean(), 0)} % of the attention goes to the longest "
        f"row; uniform attention would give it {number(100 * after['uniform_mean'].mean(), 0)} %."
    ),
    say(
        f"Over {int(errors.loc['trained', 'points'])} texts and blocks with a long row the formula "
        f"is off by {number(errors.loc['trained', 'rms'], 4)} (root mean square, of H / log d; R² "
        f"{number(errors.loc['trained', 'r2'], 4)}), the entropy without long rows by "
        f"{number(errors.loc['trained', 'rms_without'])}. Fresh weights have "
        f"{'no long row' if fresh == 0 else f'{fresh} texts and blocks with one'}. So in this "
        "model the dip is the long row's, measured and without a fit."
    ),
)

# %% [markdown]
# ### Is a good story higher?
#
# The mean over blocks of $H / \log d$ of a text, less that of its pair, in thousandths, in four
# ways: all rows, long rows left out, texts cut to equal length, and both. p is that of a
# permutation test that turns pairs around, "p of blocks" that of the block with the largest t
# (max-t), which is corrected for looking at 30 blocks. Further rows have the logarithm of the
# length as a covariate, and its square. "Equal within" is the smallest difference that the texts
# exclude.

# %%
display(built.table("smollm2_group_gaps"))

# %%
show(
    "smollm2_group_gaps",
    "Gaps between the groups of every panel with intervals of 95 %, in four ways, and block by "
    "block with a band for all blocks together.",
)

# %% [markdown]
# In the first pairs, equal in words, good stories for children lie above bad ones with all rows and
# without long ones, whole and cut to equal length. At equal log length these pairs cannot tell: the
# good one is the longer in tokens in 17 of 20. Quality is not the only difference within a pair:
# the good stories have more distinct words, and a repeated word repeats a direction. At an equal
# number of different tokens nothing is left of the gap of the long stories (a test here measures
# it), so vocabulary explains it as well as quality does. The second set, `story_pairs`, is
# therefore matched in tokens and in distinct words.

# %%
means = built.numbers("smollm2_group_gaps")
worlds = means[(means["panel"] == "World stories") & (means["treatment"] == "all rows")]
say(
    "The worlds of the first set are equal within "
    f"{number(1000 * worlds['equal_within'].item(), 1)} thousandths (all rows). In the second set "
    f"the gap of good stories is {gap_words(means, 'Child pairs', 'all rows')} and, with long rows "
    f"left out, {gap_words(means, 'Child pairs', 'long rows left out')}, where that of the long "
    "stories of the first set is "
    f"{gap_words(means, 'Long stories', 'long rows left out')}; that of the worlds is "
    f"{gap_words(means, 'World pairs', 'all rows')} and "
    f"{gap_words(means, 'World pairs', 'long rows left out')}, in thousandths. So most of the gap "
    "goes with the variety of words. Ten pairs each tell no gap of a few thousandths from none."
)

# %% [markdown]
# ### Claims in words
#
# Of the papers' claims in words, one model can answer these. What decides is the standard
# deviation over blocks: utopian worlds are said to be the more stable, and stories for children
# more predictable than worlds. Ten texts a group have errors of their own, and a number whose sign
# changes with one long row is no property of the stories.

# %%
claims = of_one_model(
    built.numbers("smollm2_child_layers"),
    built.numbers("smollm2_world_layers"),
    built.numbers("smollm2_context_length"),
)
show_frame(claims)

# %% [markdown]
# On the paper's own stories, which are not shipped
# (`snakemake --directory smollm2 figures/layers_smollm2_135m_child.pdf` downloads them), this model
# has the paper's gaps, and none of them is left at equal length
# ([errata](../../../paper/liang2024/errata.md), `length_explains_quality`).
#
# ## Wei et al. 2024: evaluation by matrix entropy
#
# ### What the paper says
#
# Entropy grows with the length of the context; it falls when sentences are shuffled or reversed,
# and behind a prompt; it falls with the size of a model. The texts here are paragraphs of the
# documentation that ships with Python, which every machine has.
#
# ### Longer contexts
#
# Entropy cannot exceed $\log (N - 1)$, which grows with the number of tokens as well. The figure
# draws both.

# %%
show(
    "smollm2_context_length",
    "Entropy and effective rank against the number of tokens kept, with their bounds.",
)

# %% [markdown]
# ### Sentences in another order

# %%
show(
    "smollm2_sentence_operations",
    "Entropy and effective rank of texts as they are, shuffled and reversed, and paired "
    "differences with intervals.",
)

# %%
values = built.numbers("smollm2_sentence_operations")
parts = [
    f"{row.variant} by {number(1000 * row.difference, 2, sign=True)} ± "
    f"{number(1000 * row.difference_sem, 2)}"
    for row in values[values["order"] > values["order"].min()].itertuples()
]
say(
    f"Against the texts as they are, H / log d moves, in thousandths with its standard error: "
    f"{'; '.join(parts)}."
)

# %% [markdown]
# ### Prompts

# %%
display(built.table("smollm2_prompts"), built.published("smollm2_prompts"))

# %%
falls = built.numbers("smollm2_prompts")
falls = falls[falls["variant"] == "reduction"].set_index("indicator")["value"]
told = "; ".join(
    f"{what}, by {number(1000 * falls[name], 1, sign=True)} and "
    f"{number(1000 * falls[name + '_without_first_row'], 1, sign=True)}"
    for what, name in (
        ("behind the three prompts", "matrix_entropy"),
        ("behind as many random tokens", "matrix_entropy_random_tokens"),
        ("behind as many tokens of an unrelated text", "matrix_entropy_unrelated_text"),
    )
)
others = falls[["matrix_entropy_random_tokens", "matrix_entropy_unrelated_text"]]
said_more = falls["matrix_entropy"] > others.max()
say(
    "In thousandths of H / log d entropy falls on average (below zero it rises), with the first "
    f"row and without it: {told}. A fall is a sign of what a prompt says only as far as it exceeds "
    f"that behind any other text of its length, as here it {'does' if said_more else 'does not'}."
)

# %% [markdown]
# Behind a prompt the paper has the lower entropy, this model the higher one. Without a prompt the
# first row of the text is the one that the others attend to, and it counts; behind one that row is
# the prompt's and does not. The numbers without the first row tell what this makes: after the last
# normalisation, little.

# %% [markdown]
# ### Ways of making one number of a data set, and samples

# %%
show("smollm2_normalisations", "The three normalisations of the entropy of a data set.")

# %%
display(built.table("smollm2_sampling"))

# %% [markdown]
# ### Fresh weights and Diff-eRank
#
# Diff-eRank, by the same authors, is the effective rank of the untrained model less that of the
# trained one. The untrained model is drawn at random, and how wide it is drawn is a setting.

# %%
show(
    "smollm2_diff_erank",
    "Effective rank of the trained model and of ten draws of fresh weights, and their difference.",
)

# %%
drawn = built.numbers("smollm2_diff_erank").iloc[0]
say(
    f"Over {drawn['seeds']} draws the rank of fresh weights is "
    f"{number(drawn['rank_untrained'], 1)} ± {number(drawn['rank_untrained_std'], 1)} (standard "
    f"deviation over draws), so Diff-eRank is "
    f"{number(drawn['rank_diff'], 1, sign=True)} ± {number(drawn['rank_untrained_std'], 1)}."
)

# %%
show(
    "smollm2_start_of_weights",
    "Effective rank across blocks of fresh weights drawn with four standard deviations, five draws "
    "each, beside that of the trained model; and the Diff-eRank that each gives.",
)

# %%
starts = built.numbers("smollm2_start_of_weights")
starts = starts[starts["layer"] == "final"]
told = "; ".join(
    f"drawn with {number(row.initializer_range, 3)}{' (its own)' if row.own else ''} rank "
    f"{number(row.rank_untrained, 1)}, Diff-eRank "
    f"{number(row.rank_untrained - row.rank_trained, 1, sign=True)}"
    for row in starts.itertuples()
)
say(
    f"After the last normalisation the trained model has rank "
    f"{number(starts['rank_trained'].iloc[0], 1)}. Fresh weights: {told}. With what transformers "
    "takes where a configuration says nothing, 0.02, Diff-eRank is negative, with the model's own "
    "start it is positive: its sign is that of the initialiser. A Diff-eRank needs the start that "
    "it was measured against beside it."
)

# %% [markdown]
# ## Tan et al. 2024: information and geometry
#
# ### What the paper says
#
# The information gain over $d$ rises with the number of tokens, and each token adds less than those
# before. Lasso picks a few tokens that mean something, more so than attention. The mean of all
# tokens tells contexts apart, and so do distances of covariances.
#
# ### Information gain

# %%
show(
    "smollm2_information_gain",
    "Against the number of tokens, for trained and for fresh weights: information gain over width, "
    "its increments, and the gain itself, with their bounds.",
)

# %% [markdown]
# ### Tokens that attention and Lasso pick
#
# The paper lists the picks of Pythia-1.4B, a model of another family and ten times the size.

# %%
display(built.table("smollm2_lasso_tokens"), built.published("smollm2_lasso_tokens"))

# %%
show(
    "smollm2_lasso_tokens",
    "Strips of the sentence's tokens, coloured by their weight for the token explained: a strip "
    "for attention and one for each reading of Lasso's penalty, for three tokens.",
)

# %%
weights = built.numbers("smollm2_lasso_tokens")
china = weights[weights["target"] == "China"]
picked = ", ".join(china.loc[china["picked_lasso"], "token"].str.strip())
say(
    f"For [China] Lasso with `alpha` 1e-4 picks {picked}; with the penalty as printed it picks "
    f"{int(china['picked_literal'].sum())} of {len(china)} tokens."
)

# %% [markdown]
# ### Maps of sentences
#
# In brackets on the figures: random states that depend on nothing but the tokens so far. What lies
# above them is the model's.

# %%
for name, alt in MAPS.items():
    show(name, alt)
    display(show_frame(separations(built.numbers(name))))

# %% [markdown]
# ## What one model cannot decide
#
# - Anything that changes with size: the power laws of Wei et al. and of Tan et al., their claim
#   that larger models compress more, and that gain grows more moderately in larger models.
# - Whether the papers' own models behave like this one. The dips, the picked tokens and the maps
#   look alike; that is evidence and no proof.
# - Accuracy on benchmarks, LoRA and vision-language models, which were not asked of it.
# - What 4 bits change: the original weights were not at hand.
#
# ## The texts

# %%
display(built.table("smollm2_data_sets"))
