# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Tan et al. 2024: the information of language model geometry
#
# *The Information of Large Language Model Geometry* asks why entropies of representations follow a
# power law in size, how much information a token adds to those before it, and whether a single
# token holds the information of its context.

# %% tags=["parameters"]
from IPython.display import display

from matrix_entropy.pages.notebook import Built, number, say, show_frame
from matrix_entropy.pages.readings import fit_rows, separations, size_ends

results = "results"
figures = "figures"
waiting = {}  # what could not be built, and why
origins = {}  # rule, script and module of each figure and table, and which code ran
stand_in = None  # True or False; None: as the numbers of the figures say

# %%
built = Built(results, figures, waiting, origins)
MAPS = ["tan_fig4_context_projection", "tan_fig5_js_distance", "tan_fig6_distance_ablation"]


def show(name, alt):
    """A figure and how it compares with the paper."""
    display(built.figure(name, alt), built.published(name))


if stand_in is None:
    stand_in = built.stand_ins(["tan_fig3_information_gain", *MAPS, "tan_table_lasso_tokens"])
built.notice(stand_in)

# %% [markdown]
# ## Why is there a power law?
#
# ### Figure 1: entropy against size
#
# The paper takes the entropies that Wei et al. print, turns them into a share $r/d$ of dimensions
# in use, and that into an entropy of its own. No model is run for this figure, here or there: it is
# drawn from published numbers at any scale.

# %%
show(
    "tan_fig1_entropy_power_law",
    "The normalised entropy of the paper's first equation against the number of parameters, for "
    "Cerebras-GPT and Pythia on four data sets and for both readings of r/d, with fitted power "
    "laws and the curve of one constant effective rank.",
)

# %% [markdown]
# The exponents, and in the last row of each reading and family that of the null: one effective rank
# for all sizes, divided by widths that grow. It follows a power law too; as far as its exponent is
# that of the data, the law is the widths'. The rest is a rank that changes with size.

# %%
columns = {
    "reading": "r/d",
    "family": "family",
    "dataset": "data set",
    "exponent": "exponent",
    "r_squared": "R²",
}
show_frame(
    fit_rows(built.numbers("tan_fig1_entropy_power_law", ".fits.csv"), columns, kind="power law")
)

# %% [markdown]
# ### Figure 2: texts and skills
#
# The theory behind it: a text needs some skills, rare ones are needed by few texts, and a model of
# a given size learns the commonest. The paper draws a sketch; this is a sample of the graph.

# %%
show(
    "tan_fig2_skill_graph",
    "A graph of texts and the skills they need, and the number of texts that need a skill against "
    "the skill's rank, along the stated power law.",
)

# %% [markdown]
# ### Theorems 3.7 and 3.8: what a larger model learns
#
# Does simulated learning have the exponents that the theorems give? They hold in the limit of
# infinitely many skills. With finitely many a known remainder is left, and with it taken into
# account ("corrected") the ratio of measured and predicted exponent should be one.

# %%
show(
    "tan_fig_skill_scaling",
    "Simulated entropy in excess of its limit against parameters and against compute, for several "
    "exponents and numbers of skills, with the predicted laws and their finite-size correction.",
)

# %%
columns = {
    "alpha": "α",
    "skills": "skills",
    "quantity": "quantity",
    "predicted": "predicted",
    "exponent": "measured",
    "ratio": "ratio",
}
fits = built.numbers("tan_fig_skill_scaling", ".fits.csv").query("quantity != 'entropy'")
show_frame(fit_rows(fits, columns, against="parameters"))

# %% [markdown]
# ## How much does a token add?
#
# ### Figure 3: information gain
#
# With the Gram matrix $K$ of a text's unit hidden states and noise $\sigma$, the gain of $T$ tokens
# is
#
# $$I(y_T; f) = \frac{1}{2} \log \det \left( I + \sigma^{-2} K \right),$$
#
# and the next token adds $\frac{1}{2} \log \left( 1 + \sigma^{-2} \sigma_T^2(z) \right)$ with the
# posterior variance $\sigma_T^2(z)$ (the paper's own theorem has another increment, since a block
# of a matrix in its proof lacks a factor). The paper divides by $d$ and sees less gain in larger
# models; the undivided gain stands beside it.

# %%
show(
    "tan_fig3_information_gain",
    "Against the number of tokens, a curve for each Pythia size: information gain divided by "
    "width, its increments, and the gain that is not divided, each with its bound.",
)

# %%
values = built.numbers("tan_fig3_information_gain")
whole = values[values["tokens"] == values["tokens"].max()]
ends = {"gain_per_width": "gain / d", "gain": "gain", "increment": "last increment"}
display(
    say(f"After {whole['tokens'].iloc[0]} tokens, in nats:"),
    show_frame(size_ends(whole, ends)),
)

# %% [markdown]
# ## Which tokens hold the information of another?
#
# ### Section 4.2: attention and Lasso
#
# A token's state as a sparse combination of the states before it: are the tokens that Lasso picks
# those that attention looks at? The paper's penalty can be read as printed, or as the setting of a
# common library, which is thousands of times as strong. Both are in the table. In a trained model
# that is not the paper's only the second picks few tokens (`make smollm2`); of
# stand-ins either may.

# %%
display(built.table("tan_table_lasso_tokens"), built.published("tan_table_lasso_tokens"))

# %%
show(
    "tan_table_lasso_tokens",
    "Strips of the sentence's tokens, coloured by their weight for the token explained: a strip "
    "for attention and one for each reading of Lasso's penalty, for three tokens.",
)

# %% [markdown]
# ## Does one token hold its context?
#
# ### Figure 4: last token and mean of tokens
#
# Countries behind contexts: do sentences lie together by context? By the last token they do not, by
# the mean of all tokens they do, says the paper. How well contexts separate is measured by the
# silhouette on the distances themselves, not on the map. The null beside it has random states that
# depend on nothing but the tokens up to them: in a causal model the tokens of a context are the
# same rows in each sentence that begins with it, so their mean separates contexts whatever the rows
# are.

# %%
show(
    "tan_fig4_context_projection",
    "Maps of the sentences by UMAP and by principal components, from their last token and from the "
    "mean of their tokens; colours are contexts.",
)

# %%
show_frame(separations(built.numbers("tan_fig4_context_projection")))

# %% [markdown]
# ### Figure 5: distance of covariances
#
# The same by the log-det Jensen–Shannon distance of the covariances of all tokens.

# %%
show(
    "tan_fig5_js_distance",
    "Maps of the sentences by UMAP and by principal coordinates of the log-det Jensen–Shannon "
    "distance of their tokens' covariances; colours are contexts.",
)

# %%
show_frame(separations(built.numbers("tan_fig5_js_distance")))

# %% [markdown]
# ### Figure 6: other distances
#
# Do other distances of covariances tell the same?

# %%
show(
    "tan_fig6_distance_ablation",
    "Maps of the sentences by UMAP and by principal coordinates, a row for each of four distances "
    "of covariances; colours are contexts.",
)

# %%
show_frame(separations(built.numbers("tan_fig6_distance_ablation")))

# %%
measured = [row for name in MAPS for row in separations(built.numbers(name)).itertuples()]
above = sum(row[2] > row[3] for row in measured)
best = max(measured, key=lambda row: row[2])
say(
    f"In this run {above} of {len(measured)} measures separate contexts better than their null; "
    f"the highest silhouette is {number(best[2])} ({best[1]}), where the null has "
    f"{number(best[3])}."
)
