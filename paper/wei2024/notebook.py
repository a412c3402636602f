# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Wei et al. 2024: evaluation by matrix entropy
#
# *Large Language Model Evaluation via Matrix Entropy* takes the entropy of a model's last hidden
# states as a measure of how well it compresses: the lower, the better, and falling with size like a
# power law. Which of that is the models' doing?

# %% tags=["parameters"]
from IPython.display import display

from matrix_entropy.pages.notebook import Built, number, say, show_frame
from matrix_entropy.pages.readings import fit_rows, size_ends

results = "results"
figures = "figures"
waiting = {}  # what could not be built, and why
origins = {}  # rule, script and module of each figure and table, and which code ran
stand_in = None  # True or False; None: as the numbers of the figures say

# %%
built = Built(results, figures, waiting, origins)
SIZES = ["wei_fig1_cerebras_scaling", "wei_fig6_pythia_scaling"]


def show(name, alt):
    """A figure and how it compares with the paper."""
    display(built.figure(name, alt), built.published(name))


def show_table(name):
    """A table and how it compares with the paper."""
    display(built.table(name), built.published(name))


def show_null(name):
    """Ends of the curves, and how well one constant effective rank fits them."""
    ends = {"entropy_a": "H / log d", "effective_rank_geometric": "exp H"}
    fits = built.numbers(name, ".fits.csv")
    null = {"dataset": "data set", "effective_rank": "constant effective rank", "r_squared": "R²"}
    display(
        show_frame(size_ends(built.numbers(name), ends)),
        show_frame(fit_rows(fits, null, kind="constant effective rank")),
    )


if stand_in is None:
    stand_in = built.stand_ins(SIZES)
built.notice(stand_in)

# %% [markdown]
# ## What is measured
#
# For the last hidden states $Z$ of a text ($N$ tokens, width $d$), after the last normalisation:
# subtract the mean over tokens, scale rows to unit norm, and take
#
# $$K = \frac{1}{N} Z^\top Z, \qquad H = -\sum_i \lambda_i \log \lambda_i, \qquad
# \frac{H}{\log d}.$$
#
# The last is the indicator of the paper, the mean over texts that of a data set. The effective rank
# $\exp H$ stands beside it here, since it has no $\log d$ in it: $d$ grows with size, so the
# indicator falls even where $H$ does not. The curve that this alone would draw, $c / \log d$ with
# one constant $c$, is the null hypothesis of every figure across sizes.

# %% [markdown]
# ## Does entropy fall with size?
#
# ### Figure 1 and Table 8: Cerebras-GPT on four data sets

# %%
show(
    "wei_fig1_cerebras_scaling",
    "Against the number of parameters of the Cerebras-GPT sizes, on four data sets: H / log d "
    "with the curve of one constant effective rank, the effective rank, the loss and the "
    "perplexity, with fitted power laws.",
)

# %% [markdown]
# Smallest against largest model, and the fit of the null. Where $R^2$ is below zero, a constant
# effective rank describes the curve worse than a constant indicator would.

# %%
show_null("wei_fig1_cerebras_scaling")

# %%
show_table("wei_table8_cerebras")

# %% [markdown]
# ### Table 1: three benchmarks
#
# Does the indicator follow accuracy? The published accuracies equal those of the models' card; here
# they are measured with lm-evaluation-harness. Perplexity is not the exponential of the loss in the
# paper's tables. It is held against the one over concatenated texts; that the authors used that one
# is a conjecture.

# %%
show_table("wei_table1_benchmarks")

# %% [markdown]
# ## What changes the entropy of a text?
#
# ### Figure 2: length
#
# Longer contexts have more entropy and tend to a limit. The paper sees the limit in the indicator's
# upper bound of one. $N$ rows have at most the entropy $\log(N - 1)$, which is drawn too; divided
# by $\log d$ it is below one for $N \leq d$, and far below for short texts.

# %%
show(
    "wei_fig2_context_length",
    "Against the number of tokens kept, for three model families: H / log d below the bound that "
    "the number of tokens sets, and the effective rank below its own bound.",
)

# %%
values = built.numbers("wei_fig2_context_length")
first = values["tokens_kept"].min()
last = values["tokens_kept"].max()
short = values[values["tokens_kept"] == first]
long = values[values["tokens_kept"] == last]
say(
    f"At {first} tokens the bound is between {number(short['entropy_bound'].min())} and "
    f"{number(short['entropy_bound'].max())} and the curves between "
    f"{number(short['entropy_a'].min())} and {number(short['entropy_a'].max())}; at {last} tokens "
    f"the curves are between {number(long['entropy_a'].min())} and "
    f"{number(long['entropy_a'].max())}."
)

# %% [markdown]
# ### Figure 3: sentences shuffled and reversed
#
# Less structure, less entropy, says the paper. The differences are those of the same texts, with
# their standard error.

# %%
show(
    "wei_fig3_sentence_operations",
    "Against the number of parameters of the Cerebras-GPT sizes, for texts as they are, with "
    "their sentences shuffled and reversed: H / log d, effective rank, and the differences from "
    "the texts as they are.",
)

# %%
columns = {"size": "size", "variant": "sentences", "difference": "difference of H / log d"}
changed = built.numbers("wei_fig3_sentence_operations").query("order > 0")
show_frame(
    changed[[*columns, "difference_sem"]].rename(
        columns={**columns, "difference_sem": "standard error"}
    ),
    5,
)

# %% [markdown]
# ### Table 2: fine-tuning
#
# LoRA lowers the loss on the texts it learns from and raises their entropy, in the paper.

# %%
show_table("wei_table2_lora")

# %% [markdown]
# ### Tables 3 and 10: prompts
#
# A prompt in front lowers the entropy of the question and answer behind it, and more in larger
# models, says the paper; the caption of its table swaps with and without. Only tokens of question
# and answer count.

# %%
show_table("wei_table3_prompts")

# %%
show_table("wei_table10_prompts")

# %% [markdown]
# ## Vision-language models
#
# ### Figure 4 and Table 4: where is measured, and in what
#
# After the vision encoder ($H_1$), after the connector ($H_2$), and in the language model with the
# image only ($H_3$), the text only ($H_4$) and both ($H_5$).

# %%
show(
    "wei_fig4_mllm_schematic",
    "Boxes and arrows of two vision-language models, from the image over the vision encoder and "
    "the connector to the language model, with the places where H1 to H5 are measured.",
)

# %%
show_table("wei_table4_mllm")

# %% [markdown]
# ### Table 5: image reduction and alignment
#
# The paper reads $H_1 - H_2$ as what the connector removes of the image, and
#
# $$\frac{\min(H_3, H_4, H_5)}{\max(H_3, H_4, H_5)}$$
#
# as how well image and text are aligned. The widths in the logarithms differ between $H_1$ and
# $H_2$ (which one the paper took for MiniGPT-v2's $H_1$ is not said), and the numbers of tokens
# between $H_3$, $H_4$ and $H_5$: compare the effective ranks below.

# %%
show_table("wei_table5_mllm")

# %% [markdown]
# ### Table 6: images rotated, image tokens reversed

# %%
show_table("wei_table6_image_operations")

# %% [markdown]
# ## Is it robust?
#
# ### Figure 5: three ways to make one number of a data set
#
# $$\frac{\langle H \rangle}{\log d}, \qquad \frac{\exp \langle H \rangle}{d}, \qquad
# \frac{\langle \exp H \rangle}{d},$$
#
# with the mean $\langle \cdot \rangle$ over texts. All fall with size, says the paper. All have $d$
# below; the nulls of one constant effective rank are drawn beside them.

# %%
show(
    "wei_fig5_normalisations",
    "Against the number of parameters of the Cerebras-GPT sizes, on four data sets: the three "
    "normalisations of matrix entropy, and the effective rank that is in all of them.",
)

# %% [markdown]
# ### Figure 6 and Table 9: Pythia

# %%
show(
    "wei_fig6_pythia_scaling",
    "Against the number of parameters of the Pythia sizes, on four data sets: H / log d with the "
    "curve of one constant effective rank, the effective rank, the loss and the perplexity.",
)

# %%
show_null("wei_fig6_pythia_scaling")

# %%
show_table("wei_table9_pythia")

# %% [markdown]
# ### Table 7: which texts are drawn

# %%
show_table("wei_table7_sampling")

# %% [markdown]
# ## What the controls say
#
# ### Untrained models
#
# How much of an effective rank does training make? The same architectures with fresh weights, and
# the difference, which the authors' later work calls Diff-eRank. What it is depends on how wide the
# fresh weights are drawn; in SmolLM2 even its sign does (`make smollm2`).

# %%
show(
    "wei_fig_diff_erank",
    "Against the number of parameters of the Cerebras-GPT sizes: the effective rank of trained and "
    "untrained models, and below it untrained less trained.",
)

# %%
columns = {
    "size": "size",
    "rank_trained": "trained",
    "rank_untrained": "untrained",
    "rank_diff": "untrained − trained",
}
show_frame(built.numbers("wei_fig_diff_erank")[list(columns)].rename(columns=columns), 2)

# %%
display(
    built.figure(
        "control_log_d_null",
        "How the published fall of H / log d from the smallest to the largest model divides into "
        "the change of log d and that of H, for every data set, and the curves of one constant "
        "effective rank beside the published ones.",
    )
)

# %% [markdown]
# ## Where the texts come from

# %%
show_table("wei_data_sets")

# %%
show_table("wei_image_data_sets")
