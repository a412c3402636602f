# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Liang 2024: matrix entropy across layers
#
# *Exploring Matrix Entropy Across Large Language Model Layers* asks how much information the hidden
# states of a text hold at every layer, and whether that tells good stories from bad ones and
# utopian worlds from dystopian ones.

# %% tags=["parameters"]
from IPython.display import display

from matrix_entropy.pages.notebook import Built, number, say, show_frame
from matrix_entropy.pages.readings import gap_words, group_gaps

results = "results"
figures = "figures"
waiting = {}  # what could not be built, and why
origins = {}  # rule, script and module of each figure and table, and which code ran
stand_in = None  # True or False; None: as the numbers of the figures say

# %%
built = Built(results, figures, waiting, origins)
NAMES = {
    "fig01_tinystories_3m_child": ("TinyStories-3M", "child"),
    "fig02_tinystories_28m_child": ("TinyStories-28M", "child"),
    "fig03_gpt2_small_child": ("GPT-2 Small", "child"),
    "fig04_gpt2_medium_child": ("GPT-2 Medium", "child"),
    "fig05_gpt2_large_child": ("GPT-2 Large", "child"),
    "fig06_tinystories_3m_world": ("TinyStories-3M", "world"),
    "fig07_tinystories_28m_world": ("TinyStories-28M", "world"),
    "fig08_gpt2_small_world": ("GPT-2 Small", "world"),
    "fig09_gpt2_medium_world": ("GPT-2 Medium", "world"),
    "fig10_gpt2_large_world": ("GPT-2 Large", "world"),
}
PANELS = {
    "child": "a panel for long and one for condensed stories, good ones in blue, bad ones in red",
    "world": "one panel, utopian stories in blue, dystopian ones in red",
}


def show(name):
    """A figure, what the paper has in its place, and how far its groups lie apart."""
    model, stories = NAMES[name]
    alt = (
        f"Curves of the mean of H / log d against the block of {model} on {stories} stories: "
        f"{PANELS[stories]}, with bands of one standard deviation. Beside them: without the first "
        "token's row, and with texts cut to equal length."
    )
    gaps = group_gaps(built.numbers(name))
    display(built.figure(name, alt), built.published(name), show_frame(gaps, 4))


if stand_in is None:
    stand_in = built.stand_ins(list(NAMES))
built.notice(stand_in)

# %% [markdown]
# ## What is measured
#
# $Z$ holds the hidden states of one text at one layer, a row for each of $N$ tokens and $d$ numbers
# a row. After subtraction of the mean over tokens and scaling of each row to unit norm,
#
# $$K = \frac{1}{N} Z^\top Z, \qquad H = -\sum_i \lambda_i \log \lambda_i,$$
#
# with the eigenvalues $\lambda_i$ of $K$. The figures show $H / \log d$: its mean over the stories
# of a group, with one standard deviation. As in the paper's code a beginning-of-sequence token
# stands in front and counts as a row, and each row's own mean over its features is subtracted.
#
# Two things move these curves without any regard to what a story says. $N$ rows have at most the
# entropy $\log \min(N - 1, d)$, so longer stories start with more room. And one row of a
# far larger norm than the others, in trained models probably that of the first token, lowers the
# entropy of the rest, the more the shorter the text is. So each figure has the curves without the
# first row and of texts cut to equal length beside it, and each table below has the gap between the
# groups in all three versions: the mean over blocks of the first group's mean less the second's.

# %% [markdown]
# ## Good and bad stories for children: TinyStories
#
# Does a model that has read nothing but simple stories hold more information about good ones? The
# paper finds good stories above bad ones in both sizes. "Blocks above" counts where that is so
# here.
#
# ### Figure 1: TinyStories-3M

# %%
show("fig01_tinystories_3m_child")

# %% [markdown]
# ### Figure 2: TinyStories-28M
#
# The paper's text calls the gap less pronounced than in the smaller model; its own plot has a wider
# one.

# %%
show("fig02_tinystories_28m_child")

# %% [markdown]
# ## Good and bad stories for children: GPT-2
#
# The same in models that were trained on all kinds of texts. The text says that good stories are
# consistently higher ("generally" elsewhere) and that curves become smoother with size; the
# published plots have a few blocks near the input where the long bad stories are higher, in all
# three sizes.
#
# ### Figure 3: GPT-2 Small
#
# What the text calls a spike between early and middle blocks is a fall and a recovery in the plot.

# %%
show("fig03_gpt2_small_child")

# %% [markdown]
# ### Figure 4: GPT-2 Medium
#
# Less dramatic changes from block to block, says the text. That is so on average; the largest step,
# of the condensed stories, is as large as in the small model.

# %%
show("fig04_gpt2_medium_child")

# %% [markdown]
# ### Figure 5: GPT-2 Large
#
# A very consistent profile, says the text. The plot shows it for long stories only; condensed ones
# dip towards the middle.

# %%
show("fig05_gpt2_large_child")

# %% [markdown]
# ## Utopian and dystopian worlds: TinyStories
#
# Does the same hold for stories about better and worse worlds? The paper finds utopian stories
# higher throughout.
#
# ### Figure 6: TinyStories-3M
#
# The utopian peak that the text sees is a local minimum in the plot, one block after the peak.

# %%
show("fig06_tinystories_3m_world")

# %% [markdown]
# ### Figure 7: TinyStories-28M
#
# Dystopian stories fall from the middle blocks on and vary more, says the text; in the plot both
# groups rise up to the last block but one, and the dystopian one varies less.

# %%
show("fig07_tinystories_28m_world")

# %% [markdown]
# ## Utopian and dystopian worlds: GPT-2
#
# ### Figure 8: GPT-2 Small
#
# The text has curves that start low and rise to a plateau. The published curves start high, rise a
# little, fall steeply in the block after that and climb back.

# %%
show("fig08_gpt2_small_world")

# %% [markdown]
# ### Figure 9: GPT-2 Medium
#
# The groups converge in a smooth decline, says the text. In the plot the last block is an abrupt
# fall, and the utopian stories end below the dystopian ones.

# %%
show("fig09_gpt2_medium_world")

# %% [markdown]
# ### Figure 10: GPT-2 Large
#
# The text reports a much larger standard deviation than in the smaller models; the published bars
# are the smallest of the three GPT-2 models.

# %%
show("fig10_gpt2_large_world")

# %% [markdown]
# ## What the controls say
#
# In all published data the group with the higher entropy, on average over blocks, is the group with
# the longer stories.

# %%
gaps = {name: group_gaps(built.numbers(name)) for name in NAMES}
panels = sum(len(frame) for frame in gaps.values())
kept = sum(int((frame["as drawn"] * frame["equal lengths"] > 0).sum()) for frame in gaps.values())
narrowed = sum(
    int((frame["equal lengths"].abs() < frame["as drawn"].abs()).sum()) for frame in gaps.values()
)
widest = max(float(frame["as drawn"].abs().max()) for frame in gaps.values())
say(
    f"In the {panels} panels of this run the widest mean gap is {number(widest, 4)}. Cut to equal "
    f"length, the gap keeps its sign in {kept} of them and becomes narrower in {narrowed}."
)

# %%
CONTROLS = {
    "control_length": "Each group's mean entropy against the mean logarithm of its stories' "
    "lengths, a panel per model, with a line fitted to all groups.",
    "control_first_token": "Curves across blocks with and without the first token's row, whose "
    "differences show what the first token alone does.",
    "control_untrained": "Matrix entropy across the blocks of a trained model and of the same "
    "architecture with fresh weights, and the gaps between groups of both.",
}
for name, alt in CONTROLS.items():
    display(built.figure(name, alt))

# %% [markdown]
# Means alone do not say whether a gap is more than chance. The stories written for this project are
# pairs of a good and a bad one with equally many words. Their gaps have errors here, and tests that
# know of the pairs.

# %%
tested = built.numbers("control_group_gaps")
say(
    "Good less bad, long stories: "
    f"{gap_words(tested, 'Long stories', 'all rows')} thousandths of H / log d with all rows, "
    f"{gap_words(tested, 'Long stories', 'both')} at equal length without long rows."
)

# %%
display(
    built.figure(
        "control_group_gaps",
        "Gaps between groups of matched stories with 95 % intervals: with all rows, without long "
        "rows, at equal length, and both; averaged over blocks, and across blocks in bands.",
    ),
    built.table("control_group_gaps"),
)
